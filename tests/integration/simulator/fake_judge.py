"""A shop that keeps the rules of the store in memory, for a mix to agree with; each rule may be switched off."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from simulator.delivery.sender import sign
from tests.integration.simulator.driver import SECRET
from tests.integration.simulator.fake_shop import FakeShop

Facts = dict[str, Any]


@dataclass
class Case:
    """What the shop was told about one of its orders; the same set of facts gives the same end."""

    player: str
    lines: dict[str, int]
    total: Decimal
    paid: bool = False
    undone: str = ""
    parts: dict[bytes, Decimal] = field(default_factory=dict)
    closed: str = ""

    @property
    def status(self) -> str:
        if self.undone:
            return self.undone
        if not self.paid:
            return self.closed or "pending"
        if not self.parts:
            return "paid"
        return "refunded" if sum(self.parts.values()) >= self.total else "partially_refunded"

    @property
    def is_granted(self) -> bool:
        return self.status in {"paid", "partially_refunded"}


@dataclass
class FakeJudge(FakeShop):
    """Takes notifications as the store should; `careless` names rules that it does not know."""

    careless: set[str] = field(default_factory=set)
    busy_sign_ins: int = 0
    cases: dict[str, Case] = field(default_factory=dict)
    keys: list[str | None] = field(default_factory=list)

    def app(self) -> FastAPI:
        app = super().app()
        app.add_api_route("/api/orders/{order_id}", self._show, methods=["GET"])
        app.add_api_route("/api/orders/{order_id}/cancel", self._cancel, methods=["POST"])
        return app

    async def _place(self, request: Request) -> Response:
        self.keys.append(request.headers.get("Idempotency-Key"))
        answer = await super()._place(request)
        order_id, (player, lines) = next(reversed(self.orders.items()))
        [(sku, quantity)] = lines.items()
        price = next(Decimal(str(item["price"])) for item in self.items if item["sku"] == sku)
        self.cases[order_id] = Case(player, lines, price * quantity)
        return answer

    async def _show(self, order_id: str) -> Response:
        return JSONResponse({"order_id": order_id, "status": self.cases[order_id].status})

    async def _cancel(self, order_id: str) -> Response:
        case = self.cases[order_id]
        if case.paid:
            return JSONResponse({"title": "Paid"}, 409)
        case.closed = "canceled"
        return JSONResponse({})

    async def _library(self, request: Request, cursor: int = 0) -> Response:
        player = request.headers["Authorization"].removeprefix("Bearer ")
        rows = [
            row for order_id, case in self.cases.items() if case.player == player for row in _rows(order_id, case)
        ]
        headers = {"Link": f'</api/purchases?cursor={cursor + 3}>; rel="next"'} if rows[cursor + 3 :] else {}
        return JSONResponse(rows[cursor : cursor + 3], headers=headers)

    async def _webhook(self, request: Request) -> Response:
        body = await request.body()
        if request.headers["Authorization"] != sign(body, SECRET) and "signature" not in self.careless:
            return _refusal("INVALID_SIGNATURE")
        facts = await request.json()
        order_id = facts.get("custom_parameters", {}).get("order_id")
        case = self.cases.get(order_id)
        rule = _HANDLERS.get(facts["notification_type"])
        if case is None or rule is None:
            return Response(status_code=204)
        if facts["notification_type"] == "order_paid" and (code := self._mismatch(case, facts)):
            return _refusal(code)
        rule(case, facts, body)
        return Response(status_code=204)

    def _mismatch(self, case: Case, facts: Facts) -> str:
        if facts["user"]["external_id"] != "user-1":
            return "INVALID_USER"
        order = facts["order"]
        right = Decimal(order["amount"]) == case.total and order["currency"] == "USD"
        return "" if right or "amount" in self.careless else "INCORRECT_AMOUNT"


def _rows(order_id: str, case: Case) -> list[dict[str, Any]]:
    if not case.paid:
        return []
    status = "granted" if case.is_granted else "refunded"
    return [
        {"order_id": order_id, "quantity": quantity, "status": status, "item": {"sku": sku}}
        for sku, quantity in case.lines.items()
    ]


def _refusal(code: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": "The judge says no."}}, 400)


def _paid(case: Case, _: Facts, __: bytes) -> None:
    case.paid = True


def _undone(case: Case, facts: Facts, _: bytes) -> None:
    details = facts.get("refund_details") or facts.get("billing", {}).get("refund_details", {})
    was_paid = "transaction" in facts or facts["order"]["invoice_id"] is not None
    if not was_paid:
        case.closed = "canceled"
    elif case.undone != "charged_back":
        case.undone = "charged_back" if details.get("code") == 2 else "refunded"


def _partly_undone(case: Case, facts: Facts, body: bytes) -> None:
    details = facts["payment_details"]
    case.parts[body] = Decimal(details["payment"]["amount"]) - Decimal(details["sales_tax"]["amount"])


def _declined(case: Case, _: Facts, __: bytes) -> None:
    case.closed = case.closed or "failed"


_HANDLERS: dict[str, Callable[[Case, Facts, bytes], None]] = {
    "order_paid": _paid,
    "order_canceled": _undone,
    "refund": _undone,
    "partial_refund": _partly_undone,
    "ps_declined": _declined,
}
