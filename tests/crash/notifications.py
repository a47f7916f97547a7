"""The provider's notifications, each with what the store must know once it has heard of it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import count
from typing import Any

from store_app.models import Order, utc_now
from tests.crash.model import UNPAID, Attempt, PlacedOrder, World
from tests.integration.shop import Json, declined, order_canceled, order_paid, payment, refund

CURRENCY = "USD"
CHARGEBACK, REFUND = 2, 1


class Undone(StrEnum):
    """How the provider tells that all the money of a payment went back."""

    REFUND = "refund"
    # Names nothing but the transaction.
    ANONYMOUS_REFUND = "anonymous refund"
    PAID_ORDER_CANCELED = "order canceled"
    # Names the provider's order, and no transaction.
    ORDER_CANCELED = "order canceled, no transaction"


@dataclass(frozen=True, eq=False)
class Message:
    """A notification; `hear` tells the model of it and returns the status that the store must answer."""

    name: str
    body: bytes
    hear: Callable[[], int]

    def __repr__(self) -> str:
        return f"<{self.name}: {self.body.decode()}>"


def _row(order: PlacedOrder) -> Order:
    now = utc_now()
    return Order(
        id=order.id, number="", user_id=order.player, total=order.total, currency=CURRENCY, expires_at=now
    )


def _with_tax(charged: int | None) -> Json:
    amount = {} if charged is None else {"payment": {"currency": CURRENCY, "amount": f"{charged / 100:.2f}"}}
    return {"payment_details": amount}


def _anonymous(told: Json) -> Json:
    """Let a notification name nothing but its transaction."""
    del told["custom_parameters"], told["transaction"]["external_id"]
    return told


class Provider:
    """Writes the notifications of what happened at the provider."""

    def __init__(self, world: World) -> None:
        """Tell of this world."""
        self._world = world
        self._numbers = count(1)

    def new_transaction(self) -> str:
        """Return a transaction's id that was not used before."""
        return f"T{next(self._numbers)}"

    def _message(self, name: str, told: Json, hear: Callable[[bytes], int | None]) -> Message:
        # Two notifications are never the same bytes: a repeat is the same notification again.
        body = json.dumps(told | {"number": next(self._numbers)}).encode()
        return Message(name, body, lambda: hear(body) or 204)

    def payment(self, attempt: Attempt, *, separate: bool) -> list[Message]:
        """Tell of a payment: that the order is paid, in separate mode first that money was taken.

        A payment by a merchant token has no order: the money alone is told of, and grants.
        """
        row, hear = _row(attempt.order), partial(self._hear_payment, attempt)
        taken = payment(row, attempt.transaction) | _with_tax(attempt.charged or None)
        taken["transaction"]["external_id"] = f"{attempt.order.id}-{attempt.number}"
        if attempt.order.merchant:
            return [self._message("money taken", taken, hear)]
        paid = order_paid(row, attempt.transaction)
        paid["order"]["id"] = attempt.provider_order
        paid["billing"] |= _with_tax(attempt.charged or None)
        first = [self._message("money taken", taken, _nothing)] if separate else []
        return [*first, self._message("paid", paid, hear)]

    def _hear_payment(self, attempt: Attempt, _body: bytes) -> None:
        if self._world.pay(attempt, attempt.charged):
            self._world.catch_up(attempt)

    def undone(self, attempt: Attempt, code: int, how: Undone) -> Message:
        """Tell that all the money of a payment went back, in one of the ways that there are."""
        of_order = how in {Undone.ORDER_CANCELED, Undone.PAID_ORDER_CANCELED} and not attempt.order.merchant
        named = how is not Undone.ORDER_CANCELED or not of_order
        told = self._order_canceled(attempt, code, named=named) if of_order else self._refund(attempt, code)
        back = partial(self._world.take_back, attempt, _kind(code), named=named)
        if how is Undone.ANONYMOUS_REFUND:
            return self._message(how, _anonymous(told), partial(_wait, attempt, back))
        return self._message(how, told, lambda _body: back())

    def _refund(self, attempt: Attempt, code: int) -> Json:
        return refund(_row(attempt.order), attempt.transaction, code)

    def _order_canceled(self, attempt: Attempt, code: int, *, named: bool) -> Json:
        told = order_canceled(_row(attempt.order), attempt.transaction if named else None)
        told["order"]["id"] = attempt.provider_order
        told["billing"]["refund_details"] = {"code": code}
        if not named:
            del told["billing"]["transaction"]
        return told

    def nameless_cancel(self, order: PlacedOrder) -> Message:
        """Tell that an order was canceled, but not which of its payments."""
        told = order_canceled(_row(order), None)
        del told["billing"]

        def hear(_body: bytes) -> None:
            order.flagged |= order.status not in UNPAID
            self._world.close(order, "canceled")

        return self._message("order canceled (nameless)", told, hear)

    def part_refunded(self, attempt: Attempt, charged: int | None, *, anonymous: bool) -> Message:
        """Tell that a part of a payment went back; None: it does not say how much."""
        told = refund(_row(attempt.order), attempt.transaction) | _with_tax(charged)
        told["notification_type"] = "partial_refund"

        def hear(body: bytes) -> None:
            part = partial(self._world.part, attempt, body, charged)
            _wait(attempt, part, body) if anonymous else part()

        return self._message("part refunded", _anonymous(told) if anonymous else told, hear)

    def declined(self, order: PlacedOrder, number: int | None, kind: str) -> Message:
        """Tell that a payment was declined; None: it does not say which."""
        told = declined(_row(order), number or 0) | {"notification_type": kind}
        if number is None:
            told["transaction"]["external_id"] = f"{order.id}-x"
        return self._message(kind, told, lambda _body: self._world.decline(order, number))

    def disputed(self, attempt: Attempt) -> Message:
        """Tell that the buyer's bank asks questions: a person looks at it."""
        told = payment(_row(attempt.order), attempt.transaction) | {"dispute": {"reason": "fraud"}}
        del told["transaction"]["dry_run"]
        return self._message("dispute", told | {"notification_type": "dispute"}, partial(_flag, attempt.order))

    def wrongly_paid(self, order: PlacedOrder, wrong: str, *, separate: bool) -> Message:
        """Tell of a payment that is not the one that was asked for."""
        row = _row(order)
        setattr(row, wrong, {"total": order.total - 1, "currency": "EUR"}.get(wrong, "0" * 32))
        told = (payment if separate else order_paid)(row, self.new_transaction())
        # Nobody can be asked to look at an order that is not there: the inbox keeps it as unmatched.
        status = 204 if separate or wrong == "id" else 400
        hear = _nothing if wrong == "id" else partial(_flag, order, status=status)
        return self._message(f"wrong {wrong}", told, hear)

    def paid_before(self, attempt: Attempt, order: PlacedOrder) -> Message:
        """Tell that a transaction, which paid another order, paid this one."""
        told = order_paid(_row(order), attempt.transaction)
        return self._message("another order's transaction", told, partial(_flag, order))

    def about_user(self, kind: str, user: Json, status: int) -> Message:
        """Ask, or tell, something of a user."""
        return self._message(kind, {"notification_type": kind, "user": user}, lambda _body: status)


def _kind(code: int) -> str:
    return "chargeback" if code == CHARGEBACK else "refund"


def _nothing(_body: bytes) -> None:
    return None


def _flag(order: PlacedOrder, _body: bytes, status: int = 204) -> int:
    order.flagged = True
    return status


def _wait(attempt: Attempt, fact: Callable[[], None], _body: bytes) -> None:
    """Apply what names only a transaction now, if the store knows it, or with its payment."""
    if attempt.known:
        fact()
    else:
        attempt.waiting.append(fact)


def answers(world: World) -> dict[str, Any]:
    """Return what the provider says when it is asked: its orders, and the payments by merchant tokens."""
    attempts = [attempt for order in world.orders for attempt in order.attempts]
    return {
        "orders": [_as_order(attempt) for attempt in attempts if attempt.provider_order],
        "payments": [_as_payment(attempt) for attempt in attempts if not attempt.provider_order],
    }


def _as_order(attempt: Attempt) -> Json:
    return {
        "order_id": int(attempt.provider_order),
        "status": attempt.status,
        "invoice_id": attempt.transaction or None,
        "mode": "sandbox",
        "user": {"external_id": attempt.order.player},
        "price": {"amount": f"{attempt.order.total / 100:.2f}", "currency": CURRENCY},
    }


_OF_A_PAYMENT = {"new": "created", "paid": "done", "canceled": "refunded"}


def _as_payment(attempt: Attempt) -> Json:
    return {
        "external_id": f"{attempt.order.id}-{attempt.number}",
        "transaction": {"id": attempt.transaction or None, "status": _OF_A_PAYMENT[attempt.status]},
        "user": {"id": attempt.order.player},
        "purchase": {"total": {"amount": attempt.order.total / 100, "currency": CURRENCY}},
    }
