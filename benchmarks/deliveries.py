"""Signed notifications for benchmarks, and the orders that they pay."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

import httpx

from tests.support.store import StoreProcess

_transactions = count(2_000_000_000)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A body and the headers it is sent with."""

    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """What a notification says about an order; `total` in major units, as text."""

    order_id: str
    user_id: str
    sku: str
    total: str
    # The provider's own id of it; empty: one that the store has not recorded.
    provider_order_id: str = ""


def order_paid(store: StoreProcess, order: PlacedOrder) -> Delivery:
    """Return the notification that pays an order, in the shape of Xsolla's combined mode."""
    project, transaction = int(store.env["XSOLLA_PROJECT_ID"]), next(_transactions)
    price = {"currency": "USD", "amount": float(order.total)}
    return signed(
        store,
        {
            "notification_type": "order_paid",
            "items": [{"sku": order.sku, "type": "virtual_good", "quantity": 1, "amount": order.total}],
            "order": {
                "id": int(order.provider_order_id or transaction),
                "mode": "sandbox",
                "currency_type": "real",
                "currency": "USD",
                "amount": order.total,
                "status": "paid",
                "platform": "xsolla",
                "invoice_id": str(transaction),
            },
            "user": {"external_id": order.user_id, "email": "buyer@example.com", "country": "US"},
            "billing": {
                "notification_type": "payment",
                "settings": {"project_id": project, "merchant_id": int(store.env["XSOLLA_MERCHANT_ID"])},
                "purchase": {"total": price},
                "transaction": {"id": transaction, "dry_run": 1, "payment_method": 1380},
                "payment_details": {"payment": price, "payout": price, "sales_tax": price},
            },
            "custom_parameters": {"order_id": order.order_id},
        },
    )


def signed(store: StoreProcess, notification: Mapping[str, object]) -> Delivery:
    """Return a notification as the provider sends it to this store."""
    body = json.dumps(notification).encode()
    signature = hashlib.sha1(body + store.env["XSOLLA_WEBHOOK_SECRET"].encode()).hexdigest()  # noqa: S324 - Xsolla's
    return Delivery(body, {"Authorization": f"Signature {signature}", "Content-Type": "application/json"})


def place_orders(store: StoreProcess, users: int, orders_each: int) -> list[PlacedOrder]:
    """Write users and open orders into the store's database, through its own services."""
    # The last line that the command prints is the JSON.
    printed = store.run("benchmarks.place_orders", str(users), str(orders_each))
    return [PlacedOrder(*row) for row in json.loads(printed.splitlines()[-1])]


def place_order(client: httpx.Client, user_id: str, sku: str = "health-potion", quantity: int = 1) -> PlacedOrder:
    """Place an order over the API, as the user whose client this is."""
    wanted = {"items": [{"sku": sku, "quantity": quantity}]}
    placed = client.post("/api/purchases", json=wanted).raise_for_status().json()
    return PlacedOrder(placed["order_id"], user_id, sku, f"{placed['total']:.2f}")
