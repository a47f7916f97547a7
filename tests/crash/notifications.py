"""The provider's notifications, each with what it changes in the model and how the store must respond."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import count
from typing import Any

from store_app.models import Order, utc_now
from tests.crash.model import UNPAID, Attempt, Model, ModelOrder
from tests.integration.shop import Json, declined, order_canceled, order_paid, payment, refund

CURRENCY = "USD"
CHARGEBACK, REFUND = 2, 1


class Reversal(StrEnum):
    """The ways in which the provider notifies that the whole of a payment went back."""

    REFUND = "refund"
    REFUND_BY_TRANSACTION = "refund that names nothing but the transaction"
    ORDER_CANCELED = "order canceled"
    ORDER_CANCELED_BY_PROVIDER_ORDER = "order canceled that names the provider's order and no transaction"


@dataclass(frozen=True, eq=False)
class Notification:
    """A notification; `apply_to_model` applies it and returns the status that the store must respond with."""

    name: str
    body: bytes
    apply_to_model: Callable[[], int]

    def __repr__(self) -> str:
        return f"<{self.name}: {self.body.decode()}>"


def _row(order: ModelOrder) -> Order:
    now = utc_now()
    return Order(
        id=order.id, number="", user_id=order.user_id, total=order.total, currency=CURRENCY, expires_at=now
    )


def _with_tax(charged: int | None) -> Json:
    amount = {} if charged is None else {"payment": {"currency": CURRENCY, "amount": f"{charged / 100:.2f}"}}
    return {"payment_details": amount}


def _by_transaction_only(body: Json) -> Json:
    """Remove everything from a notification that names its order, except the transaction."""
    del body["custom_parameters"], body["transaction"]["external_id"]
    return body


class NotificationFactory:
    """Makes the notifications of what happened at the provider."""

    def __init__(self, model: Model) -> None:
        """Make notifications that are applied to this model."""
        self._model = model
        self._numbers = count(1)

    def new_transaction(self) -> str:
        """Return a transaction's id that was not used before."""
        return f"T{next(self._numbers)}"

    def _notification(self, name: str, body: Json, apply: Callable[[bytes], int | None]) -> Notification:
        # No two notifications have the same bytes, so that only a repeat looks like a repeat.
        encoded = json.dumps(body | {"number": next(self._numbers)}).encode()
        return Notification(name, encoded, lambda: apply(encoded) or 204)

    def payment(self, attempt: Attempt, *, separate: bool) -> list[Notification]:
        """Return the notifications of a payment: `order_paid`, in separate mode after `payment`.

        A payment by a merchant token has no order at the provider: `payment` comes alone, and grants.
        """
        row, apply = _row(attempt.order), partial(self._apply_payment, attempt)
        taken = payment(row, attempt.transaction) | _with_tax(attempt.charged or None)
        taken["transaction"]["external_id"] = f"{attempt.order.id}-{attempt.number}"
        if attempt.order.by_merchant_token:
            return [self._notification("payment", taken, apply)]
        paid = order_paid(row, attempt.transaction)
        paid["order"]["id"] = attempt.provider_order_id
        paid["billing"] |= _with_tax(attempt.charged or None)
        first = [self._notification("payment", taken, _apply_nothing)] if separate else []
        return [*first, self._notification("order paid", paid, apply)]

    def _apply_payment(self, attempt: Attempt, _body: bytes) -> None:
        if self._model.pay(attempt, attempt.charged):
            self._model.apply_deferred(attempt)

    def reversal(self, attempt: Attempt, code: int, how: Reversal) -> Notification:
        """Return a notification that the whole of a payment went back."""
        cancels_order = how in {Reversal.ORDER_CANCELED, Reversal.ORDER_CANCELED_BY_PROVIDER_ORDER}
        cancels_order = cancels_order and not attempt.order.by_merchant_token
        names_transaction = how is not Reversal.ORDER_CANCELED_BY_PROVIDER_ORDER or not cancels_order
        if cancels_order:
            body = self._order_canceled(attempt, code, names_transaction=names_transaction)
        else:
            body = refund(_row(attempt.order), attempt.transaction, code)
        reverse = partial(self._model.reverse, attempt, _kind(code), names_transaction=names_transaction)
        if how is Reversal.REFUND_BY_TRANSACTION:
            return self._notification(how, _by_transaction_only(body), partial(_apply_or_defer, attempt, reverse))
        return self._notification(how, body, lambda _body: reverse())

    def _order_canceled(self, attempt: Attempt, code: int, *, names_transaction: bool) -> Json:
        body = order_canceled(_row(attempt.order), attempt.transaction if names_transaction else None)
        body["order"]["id"] = attempt.provider_order_id
        body["billing"]["refund_details"] = {"code": code}
        if not names_transaction:
            del body["billing"]["transaction"]
        return body

    def cancellation_without_payment(self, order: ModelOrder) -> Notification:
        """Return a notification that an order was canceled, which does not say which of its payments."""
        body = order_canceled(_row(order), None)
        del body["billing"]

        def apply(_body: bytes) -> None:
            order.flagged |= order.status not in UNPAID
            self._model.close(order, "canceled")

        return self._notification("order canceled, without a payment", body, apply)

    def partial_refund(self, attempt: Attempt, charged: int | None, *, by_transaction_only: bool) -> Notification:
        """Return a notification of a partial refund; None: it does not say the amount."""
        body = refund(_row(attempt.order), attempt.transaction) | _with_tax(charged)
        body["notification_type"] = "partial_refund"

        def apply(encoded: bytes) -> None:
            refund_part = partial(self._model.refund_part, attempt, encoded, charged)
            if by_transaction_only:
                _apply_or_defer(attempt, refund_part, encoded)
            else:
                refund_part()

        return self._notification(
            "partial refund", _by_transaction_only(body) if by_transaction_only else body, apply
        )

    def declined(self, order: ModelOrder, number: int | None, kind: str) -> Notification:
        """Return a notification that a payment was declined; None: it does not say which attempt."""
        body = declined(_row(order), number or 0) | {"notification_type": kind}
        if number is None:
            body["transaction"]["external_id"] = f"{order.id}-x"
        return self._notification(kind, body, lambda _body: self._model.decline(order, number))

    def dispute(self, attempt: Attempt) -> Notification:
        """Return a notification that the user's bank questions a payment: staff must look at the order."""
        body = payment(_row(attempt.order), attempt.transaction) | {"dispute": {"reason": "fraud"}}
        del body["transaction"]["dry_run"]
        body["notification_type"] = "dispute"
        return self._notification("dispute", body, partial(_flag, attempt.order))

    def mismatched_payment(self, order: ModelOrder, field: str, *, separate: bool) -> Notification:
        """Return a notification of a payment of which one field does not match the order."""
        row = _row(order)
        setattr(row, field, {"total": order.total - 1, "currency": "EUR"}.get(field, "0" * 32))
        body = (payment if separate else order_paid)(row, self.new_transaction())
        # An order that does not exist cannot be flagged: the inbox keeps the delivery as unmatched.
        status = 204 if separate or field == "id" else 400
        apply = _apply_nothing if field == "id" else partial(_flag, order, status=status)
        return self._notification(f"wrong {field}", body, apply)

    def reused_transaction(self, attempt: Attempt, order: ModelOrder) -> Notification:
        """Return a notification that a transaction, which paid another order, paid this one."""
        body = order_paid(_row(order), attempt.transaction)
        return self._notification("transaction of another order", body, partial(_flag, order))

    def about_user(self, kind: str, user: Json, status: int) -> Notification:
        """Return a notification that asks or says something about a user."""
        return self._notification(kind, {"notification_type": kind, "user": user}, lambda _body: status)


def _kind(code: int) -> str:
    return "chargeback" if code == CHARGEBACK else "refund"


def _apply_nothing(_body: bytes) -> None:
    return None


def _flag(order: ModelOrder, _body: bytes, status: int = 204) -> int:
    order.flagged = True
    return status


def _apply_or_defer(attempt: Attempt, apply: Callable[[], None], _body: bytes) -> None:
    """Apply what names only a transaction: now, if the store knows the transaction, else with its payment."""
    if attempt.transaction_known:
        apply()
    else:
        attempt.deferred.append(apply)


def provider_state(model: Model) -> dict[str, Any]:
    """Return what the provider responds when it is asked: its orders, and the payments by merchant tokens."""
    attempts = [attempt for order in model.orders for attempt in order.attempts]
    return {
        "orders": [_as_order(attempt) for attempt in attempts if attempt.provider_order_id],
        "payments": [_as_payment(attempt) for attempt in attempts if not attempt.provider_order_id],
    }


def _as_order(attempt: Attempt) -> Json:
    return {
        "order_id": int(attempt.provider_order_id),
        "status": attempt.status,
        "invoice_id": attempt.transaction or None,
        "mode": "sandbox",
        "user": {"external_id": attempt.order.user_id},
        "price": {"amount": f"{attempt.order.total / 100:.2f}", "currency": CURRENCY},
    }


_PAYMENT_STATUS = {"new": "created", "paid": "done", "canceled": "refunded"}


def _as_payment(attempt: Attempt) -> Json:
    return {
        "external_id": f"{attempt.order.id}-{attempt.number}",
        "transaction": {"id": attempt.transaction or None, "status": _PAYMENT_STATUS[attempt.status]},
        "user": {"id": attempt.order.user_id},
        "purchase": {"total": {"amount": attempt.order.total / 100, "currency": CURRENCY}},
    }
