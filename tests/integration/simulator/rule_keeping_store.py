"""A fake store that handles notifications correctly, for the random run; single rules can be switched off."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from simulator.delivery.sender import sign
from tests.integration.simulator.driver import SECRET
from tests.integration.simulator.granting_store import GrantingStore, library_page, user_of

Json = dict[str, Any]

CHARGEBACK_CODE = 2


@dataclass
class StoreOrder:
    """What the store knows about an order; the result does not depend on the order of the notifications."""

    user: str
    quantities: dict[str, int]
    total: Decimal
    is_paid: bool = False
    # The status after a refund or chargeback.
    refund_status: str = ""
    partial_refunds: dict[bytes, Decimal] = field(default_factory=dict)
    # The status of an order that is not paid.
    unpaid_status: str = ""

    @property
    def status(self) -> str:
        if self.refund_status:
            return self.refund_status
        if not self.is_paid:
            return self.unpaid_status or "pending"
        if not self.partial_refunds:
            return "paid"
        return "refunded" if sum(self.partial_refunds.values()) >= self.total else "partially_refunded"

    @property
    def is_granted(self) -> bool:
        return self.status in {"paid", "partially_refunded"}


@dataclass
class RuleKeepingStore(GrantingStore):
    """Handles notifications as the store must; `disabled_rules` names the rules that it does not keep."""

    disabled_rules: set[str] = field(default_factory=set)
    rate_limited_sign_ins: int = 0
    store_orders: dict[str, StoreOrder] = field(default_factory=dict)
    idempotency_keys: list[str | None] = field(default_factory=list)

    def app(self) -> FastAPI:
        app = super().app()
        app.add_api_route("/api/orders/{order_id}", self._show_order, methods=["GET"])
        app.add_api_route("/api/orders/{order_id}/cancel", self._cancel, methods=["POST"])
        return app

    async def _place(self, request: Request) -> Response:
        self.idempotency_keys.append(request.headers.get("Idempotency-Key"))
        response = await super()._place(request)
        order_id, (user, quantities) = next(reversed(self.orders.items()))
        [(sku, quantity)] = quantities.items()
        price = next(Decimal(str(item["price"])) for item in self.items if item["sku"] == sku)
        self.store_orders[order_id] = StoreOrder(user, quantities, price * quantity)
        return response

    async def _show_order(self, order_id: str) -> Response:
        return JSONResponse({"order_id": order_id, "status": self.store_orders[order_id].status})

    async def _cancel(self, order_id: str) -> Response:
        order = self.store_orders[order_id]
        if order.is_paid:
            return JSONResponse({"title": "Paid"}, 409)
        order.unpaid_status = "canceled"
        return JSONResponse({})

    async def _list_purchases(self, request: Request, cursor: int = 0) -> Response:
        user = user_of(request)
        own_orders = [(order_id, order) for order_id, order in self.store_orders.items() if order.user == user]
        rows = [row for order_id, order in own_orders for row in _purchases(order_id, order)]
        return library_page(rows, cursor)

    async def _webhook(self, request: Request) -> Response:
        body = await request.body()
        if request.headers["Authorization"] != sign(body, SECRET) and "signature" not in self.disabled_rules:
            return _refusal("INVALID_SIGNATURE")
        notification = await request.json()
        notification_type = notification["notification_type"]
        order = self.store_orders.get(notification.get("custom_parameters", {}).get("order_id"))
        handler = _HANDLERS.get(notification_type)
        if order is None or handler is None:
            return Response(status_code=204)
        if notification_type == "order_paid" and (code := self._mismatch(order, notification)):
            return _refusal(code)
        handler(order, notification, body)
        return Response(status_code=204)

    def _mismatch(self, order: StoreOrder, notification: Json) -> str:
        if notification["user"]["external_id"] != "user-1":
            return "INVALID_USER"
        paid = notification["order"]
        matches = Decimal(paid["amount"]) == order.total and paid["currency"] == "USD"
        return "" if matches or "amount" in self.disabled_rules else "INCORRECT_AMOUNT"


def _purchases(order_id: str, order: StoreOrder) -> list[Json]:
    if not order.is_paid:
        return []
    status = "granted" if order.is_granted else "refunded"
    return [
        {"order_id": order_id, "quantity": quantity, "status": status, "item": {"sku": sku}}
        for sku, quantity in order.quantities.items()
    ]


def _refusal(code: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": "The store refuses."}}, 400)


def _pay(order: StoreOrder, _: Json, __: bytes) -> None:
    order.is_paid = True


def _refund_or_cancel(order: StoreOrder, notification: Json, _: bytes) -> None:
    details = notification.get("refund_details") or notification.get("billing", {}).get("refund_details", {})
    was_paid = "transaction" in notification or notification["order"]["invoice_id"] is not None
    if not was_paid:
        order.unpaid_status = "canceled"
    elif order.refund_status != "charged_back":
        order.refund_status = "charged_back" if details.get("code") == CHARGEBACK_CODE else "refunded"


def _refund_partially(order: StoreOrder, notification: Json, body: bytes) -> None:
    details = notification["payment_details"]
    amount = Decimal(details["payment"]["amount"]) - Decimal(details["sales_tax"]["amount"])
    order.partial_refunds[body] = amount


def _decline(order: StoreOrder, _: Json, __: bytes) -> None:
    order.unpaid_status = order.unpaid_status or "failed"


_HANDLERS: dict[str, Callable[[StoreOrder, Json, bytes], None]] = {
    "order_paid": _pay,
    "order_canceled": _refund_or_cancel,
    "refund": _refund_or_cancel,
    "partial_refund": _refund_partially,
    "ps_declined": _decline,
}
