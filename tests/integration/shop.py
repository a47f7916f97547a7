"""The store's code on a database of the test's own, with users, items, orders and signed notifications."""

import asyncio
import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, event, text
from sqlmodel import col, select

from store_app.accounts.service import CurrentUser
from store_app.checkout import service
from store_app.checkout.service import Checkout
from store_app.db import engine as db_engine
from store_app.db.unit_of_work import read_session, unit_of_work
from store_app.models import AttemptKind, Item, ItemKind, Order, User, utc_now
from store_app.orders.ledger import Standing, standing
from store_app.orders.order import LockedOrder, NewLine, Orders
from store_app.payments.registry import configured_providers, get_provider
from store_app.payments.xsolla.provider import XsollaProvider
from store_app.payments.xsolla.transport import Answer as ProviderAnswer
from store_app.payments.xsolla.transport import Request
from store_app.settings import get_settings
from tests.support.deliveries import Answer, receive

SECRET = "the-webhook-secret-of-the-tests"
PROJECT = 308_077
SETTINGS = {
    "ENVIRONMENT": "development",
    "PUBLIC_URL": "http://localhost:8000",
    "REDIS_URL": "",
    "XSOLLA_WEBHOOK_SECRET": SECRET,
    "XSOLLA_PROJECT_ID": str(PROJECT),
    "XSOLLA_MERCHANT_ID": "887981",
    "XSOLLA_API_KEY": "key",
    "XSOLLA_SANDBOX": "true",
    "XSOLLA_STORE_API_URL": "http://provider.test",
    "XSOLLA_MERCHANT_API_URL": "http://provider.test",
    "XSOLLA_PAYSTATION_URL": "http://provider.test",
    "LANGUAGES": "en,de",
    "SELLER": "",
    "ORDER_EXPIRES_MINUTES": "1440",
    "TRUSTED_PROXIES": "",
    "MAX_OPEN_ORDERS": "100",
    "LIMIT_SIGN_INS_PER_NAME": "10/day",
    "LIMIT_SIGN_INS_PER_ADDRESS": "",
    "LIMIT_REGISTRATIONS": "",
    "LIMIT_ORDERS": "",
    "LIMIT_PAYMENT_CHECKS": "",
    "LIMIT_SEARCHES": "",
    "LIMIT_SOCKETS": "",
    "WEBHOOK_ALLOWED_NETWORKS": "",
    "LOG_LEVEL": "ERROR",
    "LOG_FORMAT": "text",
}
Json = dict[str, Any]
AnyOrder = Order | LockedOrder
_numbers = count(700_000_000)
# The provider's own orders of each order, in the sequence of the attempts: notifications name them.
_provider_orders: dict[str, list[int]] = defaultdict(list)


def forget_settings() -> None:
    """Make the code read its settings, and open its database, again."""
    if db_engine.get_engine.cache_info().currsize:
        db_engine.get_engine().dispose()
    for cached in (
        get_settings,
        db_engine.get_engine,
        db_engine.writing_engine,
        get_provider,
        configured_providers,
    ):
        cached.cache_clear()


@contextmanager
def use_database(url: str, **changed: str) -> Iterator[Engine]:
    """Let the code use this database, with these settings."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**SETTINGS, "DATABASE_URL": url, **changed}.items():
            patch.setenv(name, value)
        forget_settings()
        engine = db_engine.get_engine()
        if engine.dialect.name == "sqlite":
            # What a test writes need not survive a power cut.
            event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        try:
            yield engine
        finally:
            forget_settings()


def sign(body: bytes, secret: str = SECRET) -> bytes:
    """Return the Authorization header that the provider would send with this body."""
    return b"Signature " + hashlib.sha1(body + secret.encode()).hexdigest().encode()  # noqa: S324 - the provider's choice


def wait_until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait until a condition is true, checking often; fail when it is not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.01)


def _answer(status: int, body: Any) -> ProviderAnswer:
    return ProviderAnswer(status, json.dumps(body).encode())


def _price(lines: list[Json], currency: str) -> Json:
    """Return the price of a cart, from a catalogue that is the same as the store's."""
    quantities = {line["sku"]: line["quantity"] for line in lines}
    with read_session() as session:
        items = session.exec(select(Item).where(col(Item.sku).in_(quantities))).all()
    total = sum(item.price * quantities[item.sku] for item in items)
    return {"amount": f"{total / 100:.4f}", "currency": currency}


@dataclass
class Provider:
    """Answers the token request as the provider does; `meanwhile` runs before it answers."""

    asked: list[Json] = field(default_factory=list)
    status: int = 201
    answer: Any = None
    currency: str = "USD"
    meanwhile: Callable[[Json], None] = lambda _body: None
    # What the catalogue charges, by the provider's order id.
    prices: dict[str, Json] = field(default_factory=dict)

    def client(self) -> XsollaProvider:
        """Return the store's own client, connected to this provider."""
        return XsollaProvider(get_settings(), self._reply)

    async def _reply(self, request: Request) -> ProviderAnswer:
        if request.method == "GET":
            price = self.prices.get(request.url.rpartition("/")[2])
            return _answer(200 if price else 404, {"status": "new", "content": {"price": price}})
        body = json.loads(json.dumps(request.body))
        self.asked.append(body)
        self.meanwhile(body)
        number = next(_numbers)
        _provider_orders[body.get("custom_parameters", {}).get("order_id", "")].append(number)
        self.prices[str(number)] = _price(body["purchase"].get("items", []), self.currency)
        good = {"token": f"token-{number}", "order_id": number}
        return _answer(self.status, good if self.answer is None else self.answer)


@dataclass
class Shop:
    """A store on one database."""

    engine: Engine
    dialect: str
    provider: Provider = field(default_factory=Provider)

    def user(self, **changed: Any) -> CurrentUser:
        """Return a new user, signed in."""
        user_id = str(uuid4())
        user = User(
            **{"id": user_id, "username": f"P{user_id[:8]}", "username_key": user_id, "password": "-", **changed}
        )
        with unit_of_work() as session:
            session.add(user)
        return CurrentUser(user.id, user.username, "-")

    def item(self, price: int = 199, *, consumable: bool = False, **changed: Any) -> Item:
        """Put a new item on sale."""
        sku = f"item-{uuid4().hex[:12]}"
        kind = ItemKind.CONSUMABLE if consumable else ItemKind.NON_CONSUMABLE
        item = Item(**{"sku": sku, "name": sku.title(), "price": price, "kind": kind, **changed})
        with unit_of_work() as session:
            session.add(item)
        return item

    def buy(self, user: CurrentUser, wanted: Mapping[str, int], key: str | None = None) -> Checkout:
        """Order items, as the API does."""
        return asyncio.run(service.buy(user, wanted, key, self.provider.client()))

    def order(self, user: CurrentUser, *items: Item, attempts: int = 1) -> Order:
        """Write a pending order for one of each item, with payment pages opened for it."""
        with unit_of_work() as work:
            placed = Orders.of(work).place(user.user_id, [NewLine(item, 1) for item in items], timedelta(days=1))
        for _ in range(attempts):
            self.attempt(placed)
        return self.read(placed.id)

    def attempt(
        self,
        order: AnyOrder,
        provider: str = "xsolla",
        provider_order_id: str | None = "",
        kind: AttemptKind = AttemptKind.CATALOGUE,
    ) -> None:
        """Open a payment page for an order; with an order of its own at the provider, unless that is None."""
        if provider_order_id == "":
            provider_order_id = str(next(_numbers))
        if provider_order_id and provider_order_id.isdecimal():
            _provider_orders[order.id].append(int(provider_order_id))
        with unit_of_work() as work:
            locked = Orders.of(work).lock(order.id)
            attempt = locked.start_attempt(provider, kind)
            locked.open_attempt(attempt.number, provider_order_id, f"http://provider.test/?token={attempt.number}")

    def standing(self, order_id: str) -> Standing:
        """Return what the ledger of an order means."""
        with unit_of_work() as work:
            return standing(Orders.of(work).lock(order_id).facts)

    def flags(self, order_id: str) -> list[str]:
        """Return the reasons why staff must look at an order, oldest first."""
        query = "SELECT reason FROM attention_flags WHERE order_id = :id AND settled_at IS NULL ORDER BY id"
        return [row[0] for row in self.rows(query, id=order_id)]

    def paid_order(self, user: CurrentUser, *items: Item) -> Order:
        """Write an order and deliver the notification that it was paid."""
        order = self.order(user, *items)
        assert self.notify(order_paid(order, "T" + order.id[:12])).status == 204
        return self.read(order.id)

    def read(self, order_id: str) -> Order:
        """Return an order as the database has it."""
        with read_session() as session:
            order = session.get(Order, order_id)
        assert order is not None
        return order

    def notify(self, notification: Json) -> Answer:
        """Deliver a notification, signed."""
        body = json.dumps(notification).encode()
        return receive(body, sign(body), {"content-type": "application/json"})

    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query), values)]

    def purchases(self, order_id: str) -> list[str]:
        """Return the statuses of an order's purchases."""
        return [
            row[0]
            for row in self.rows("SELECT status FROM purchases WHERE order_id = :id ORDER BY id", id=order_id)
        ]

    def change(self, statement: str, **values: Any) -> None:
        """Change the database directly."""
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    def age(self, order_id: str) -> None:
        """Make an order overdue, so that it can expire."""
        with unit_of_work() as session:
            session.get_one(Order, order_id).expires_at = utc_now() - timedelta(minutes=1)


def amount_of(order: AnyOrder) -> str:
    """Return an order's total as the provider writes it."""
    return f"{order.total / 100:.4f}"


def provider_order_id(order: AnyOrder, attempt: int = 1) -> int | None:
    """Return the provider's own order of an attempt; None when it has none."""
    known = _provider_orders.get(order.id, [])
    return known[attempt - 1] if attempt <= len(known) else None


def _order_notification(kind: str, order: AnyOrder, transaction: str | None, attempt: int) -> Json:
    return {
        "notification_type": kind,
        "items": [],
        "order": {
            "id": provider_order_id(order, attempt),
            "mode": "sandbox",
            "currency_type": "real",
            "currency": order.currency,
            "amount": amount_of(order),
            "status": "paid",
            "invoice_id": transaction,
        },
        "user": {"external_id": order.user_id, "email": "buyer@example.com", "country": "US"},
        "billing": {
            "notification_type": "payment",
            "settings": {"project_id": PROJECT, "merchant_id": 887981},
            "transaction": {"id": transaction, "dry_run": 1, "external_id": f"{order.id}-{attempt}"},
        },
        "custom_parameters": {"order_id": order.id},
    }


def order_paid(order: AnyOrder, transaction: str = "T1", attempt: int = 1) -> Json:
    """Return the notification that an order was paid (combined mode)."""
    return _order_notification("order_paid", order, transaction, attempt)


def order_canceled(order: AnyOrder, transaction: str | None = "T1", attempt: int = 1) -> Json:
    """Return the notification that a paid order was canceled: its money goes back."""
    return _order_notification("order_canceled", order, transaction, attempt)


def _transaction_notification(kind: str, order: AnyOrder, transaction: str, attempt: int = 1) -> Json:
    return {
        "notification_type": kind,
        "settings": {"project_id": PROJECT, "merchant_id": 887981},
        "purchase": {"checkout": {"currency": order.currency, "amount": order.total / 100}},
        "user": {"id": order.user_id, "country": "US"},
        "transaction": {"id": transaction, "dry_run": 1, "external_id": f"{order.id}-{attempt}"},
        "custom_parameters": {"order_id": order.id},
    }


def payment(order: AnyOrder, transaction: str = "T1") -> Json:
    """Return the notification that money was taken (separate mode)."""
    return _transaction_notification("payment", order, transaction)


def refund(order: AnyOrder, transaction: str = "T1", code: int = 1) -> Json:
    """Return the notification that money went back; code 2 is a chargeback."""
    return {
        **_transaction_notification("refund", order, transaction),
        "refund_details": {"code": code, "reason": "-"},
    }


def declined(order: AnyOrder, attempt: int = 1) -> Json:
    """Return the notification that the payment system declined an attempt."""
    return _transaction_notification("ps_declined", order, "declined", attempt)
