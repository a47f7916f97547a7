"""The provider's notifications, each with what it changes in the model and how the store must respond."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import count
from typing import Any

from store_app.models import Order, utc_now
from tests.crash.model import Attempt, Model, ModelOrder, Transaction
from tests.integration.shop import Json, declined, order_canceled, order_paid, payment, refund
from tests.support.order_model import Closing, Fact

CURRENCY = "USD"
CHARGEBACK, REFUND = 2, 1
FLAG_OF_MISMATCH = {
    "total": "the payment has another amount",
    "currency": "the payment has another currency",
    "user_id": "the notification is about another user",
}


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

    def _notification(self, name: str, body: Json, apply: Callable[[], int | None]) -> Notification:
        # No two notifications have the same bytes, so that only a repeat looks like a repeat.
        encoded = json.dumps(body | {"number": next(self._numbers)}).encode()
        return Notification(name, encoded, lambda: apply() or 204)

    def payment(self, paid: Transaction, *, separate: bool) -> list[Notification]:
        """Return the notifications of a payment: `order_paid`; in separate mode `payment`, with the tax, too.

        A payment by a merchant token has no order at the provider: `payment` comes alone, and grants.
        """
        attempt, order = paid.attempt, paid.attempt.order
        charged = paid.charged or None
        taken = self._about_transaction(payment(_row(order), paid.id), attempt) | _with_tax(charged)
        if order.by_merchant_token:
            return [self._received("payment", order, taken, Fact("payment", paid.id, "", charged))]
        told = order_paid(_row(order), paid.id)
        told["order"]["id"] = int(attempt.provider_order_id)
        told["billing"]["transaction"]["external_id"] = f"{order.id}-{attempt.number}"
        fact = Fact("payment", paid.id, attempt.provider_order_id, None if separate else charged)
        if not separate:
            told["billing"] |= _with_tax(charged)
            return [self._received("order paid", order, told, fact)]
        del told["billing"]
        return [
            self._received("payment", order, taken, Fact("charge", paid.id, "", charged)),
            self._received("order paid", order, told, fact),
        ]

    def _about_transaction(self, body: Json, attempt: Attempt) -> Json:
        body["transaction"]["external_id"] = f"{attempt.order.id}-{attempt.number}"
        return body

    def _received(self, name: str, order: ModelOrder, body: Json, fact: Fact) -> Notification:
        return self._notification(name, body, lambda: self._model.receive(order, [fact]))

    def reversal(self, paid: Transaction, code: int, how: Reversal) -> Notification:
        """Return a notification that the whole of a payment went back."""
        attempt, order = paid.attempt, paid.attempt.order
        if how in {Reversal.ORDER_CANCELED, Reversal.ORDER_CANCELED_BY_PROVIDER_ORDER}:
            if attempt.provider_order_id:
                names_transaction = how is Reversal.ORDER_CANCELED
                return self._order_canceled(attempt, paid.id if names_transaction else "", code)
            how = Reversal.REFUND
        kind = "chargeback" if code == CHARGEBACK else "refund"
        fact = Fact("chargeback" if kind == "chargeback" else "refund", paid.id)
        body = self._about_transaction(refund(_row(order), paid.id, code), attempt)
        if how is Reversal.REFUND:
            close = partial(self._model.receive, order, [fact], "canceled", {attempt.number})
            return self._notification(how, body, close)

        def apply(found: ModelOrder) -> None:
            self._model.receive(found, [fact], "canceled", found.attempt_numbers(None))

        later = partial(self._model.name_only_transaction, paid.id, apply)
        return self._notification(how, _by_transaction_only(body), later)

    def _order_canceled(self, attempt: Attempt, transaction: str, code: int) -> Notification:
        order = attempt.order
        body = order_canceled(_row(order), transaction or None)
        body["order"]["id"] = int(attempt.provider_order_id)
        body["billing"]["refund_details"] = {"code": code}
        body["billing"]["transaction"]["external_id"] = f"{order.id}-{attempt.number}"
        number = attempt.number if transaction else None
        if not transaction:
            del body["billing"]["transaction"]
        fact = Fact("chargeback" if code == CHARGEBACK else "refund", transaction, attempt.provider_order_id)

        def apply() -> None:
            numbers = order.attempt_numbers(number, attempt.provider_order_id)
            self._model.receive(order, [fact], "canceled", numbers)

        return self._notification("order canceled", body, apply)

    def cancellation_of_unpaid(self, attempt: Attempt) -> Notification:
        """Return a notification that the provider's own order was canceled, which nobody paid."""
        return self._order_canceled(attempt, "", REFUND)

    def cancellation_without_payment(self, order: ModelOrder) -> Notification:
        """Return a notification that an order was canceled, which does not say which of its payments."""
        body = order_canceled(_row(order), None)
        del body["billing"], body["order"]["id"]

        def apply() -> None:
            self._model.receive(order, [Fact("refund")], "canceled", order.attempt_numbers(None))

        return self._notification("order canceled, without a payment", body, apply)

    def partial_refund(self, paid: Transaction, charged: int | None, *, by_transaction_only: bool) -> Notification:
        """Return a notification of a partial refund; None: it does not say the amount."""
        order = paid.attempt.order
        body = self._about_transaction(refund(_row(order), paid.id), paid.attempt) | _with_tax(charged)
        body["notification_type"] = "partial_refund"
        fact = Fact("part", paid.id, "", charged, detail=f"part {next(self._numbers)}")
        if by_transaction_only:
            apply = partial(
                self._model.name_only_transaction, paid.id, lambda found: self._model.receive(found, [fact])
            )
            return self._notification("partial refund", _by_transaction_only(body), apply)
        return self._received("partial refund", order, body, fact)

    def declined(self, order: ModelOrder, number: int | None, kind: str) -> Notification:
        """Return a notification that a payment was declined; None: it does not say which attempt."""
        body = declined(_row(order), number or 0) | {"notification_type": kind}
        if number is None:
            body["transaction"]["external_id"] = f"{order.id}-x"
        closing: Closing = "declined"

        def apply() -> None:
            self._model.receive(order, [], closing, order.attempt_numbers(number))

        return self._notification(kind, body, apply)

    def dispute(self, paid: Transaction) -> Notification:
        """Return a notification that the user's bank questions a payment: staff must look at the order."""
        order = paid.attempt.order
        body = payment(_row(order), paid.id) | {"dispute": {"reason": "fraud"}}
        del body["transaction"]["dry_run"]
        body["notification_type"] = "dispute"
        return self._notification("dispute", body, partial(_flag, order, "dispute (fraud)", paid.id))

    def mismatched_payment(self, order: ModelOrder, field: str, *, separate: bool) -> Notification:
        """Return a notification of a payment of which one field does not match the order."""
        row = _row(order)
        setattr(row, field, {"total": order.total - 1, "currency": "EUR"}.get(field, "0" * 32))
        transaction = self.new_transaction()
        body = (payment if separate else order_paid)(row, transaction)
        if field == "id":
            # An order that does not exist cannot be flagged: the delivery is.
            return self._notification(f"wrong {field}", body, lambda: None)
        # Only to `order_paid` and the like may the response be a refusal.
        status = 204 if separate else 400
        flag = partial(_flag, order, FLAG_OF_MISMATCH[field], transaction, status)
        return self._notification(f"wrong {field}", body, flag)

    def reused_transaction(self, paid: Transaction, order: ModelOrder) -> Notification:
        """Return a notification that a transaction, which paid another order, paid this one."""
        body = order_paid(_row(order), paid.id)
        reason = "the transaction paid another order before"
        return self._notification("transaction of another order", body, partial(_flag, order, reason, paid.id))

    def about_user(self, kind: str, user: Json, respond: Callable[[], int]) -> Notification:
        """Return a notification that asks or says something about a user."""
        return self._notification(kind, {"notification_type": kind, "user": user}, respond)


def _flag(order: ModelOrder, reason: str, transaction: str, status: int = 204) -> int:
    order.flags.add(f"{reason}: transaction {transaction}")
    return status


# --- what the provider responds when it is asked


def provider_state(model: Model) -> dict[str, Any]:
    """Return what the provider responds when it is asked: its orders, and its transactions."""
    attempts = [attempt for order in model.orders for attempt in order.attempts]
    return {
        "orders": [_as_order(attempt) for attempt in attempts if attempt.provider_order_id],
        "transactions": [_as_transaction(paid) for attempt in attempts for paid in attempt.transactions],
    }


def _as_order(attempt: Attempt) -> Json:
    status, invoice = state_of_order(attempt)
    return {
        "order_id": int(attempt.provider_order_id),
        "status": status,
        "invoice_id": invoice or None,
        "mode": "sandbox",
        "user": {"external_id": attempt.order.user_id},
        "price": {"amount": f"{attempt.order.total / 100:.2f}", "currency": CURRENCY},
    }


def state_of_order(attempt: Attempt) -> tuple[str, str]:
    """Return the status of the provider's own order, and the transaction that it names."""
    if not attempt.transactions:
        return ("canceled" if attempt.canceled_by_provider else "new"), ""
    standing = [paid for paid in attempt.transactions if paid.status != "refunded"]
    return ("paid" if standing else "canceled"), (standing or attempt.transactions)[0].id


def _as_transaction(paid: Transaction) -> Json:
    order = paid.attempt.order
    charged = paid.charged or order.total
    return {
        "transaction": {
            "id": paid.id,
            "external_id": f"{order.id}-{paid.attempt.number}",
            "status": paid.status,
        },
        "payment_details": {
            "payment": {"amount": f"{charged / 100:.2f}", "currency": CURRENCY},
            "sales_tax": {"amount": f"{(charged - order.total) / 100:.2f}", "currency": CURRENCY},
        },
        "user": {"id": order.user_id},
    }


def reconcile(model: Model, order: ModelOrder) -> None:
    """Apply the provider's answers about an order to the model; all questions are asked at once."""
    paid = [fact for fact in order.facts if fact.kind == "payment"]
    if paid and order.status not in {"paid", "partially_refunded"}:
        return
    # Attempts of which no payment is known, as far as a payment names the provider's order.
    paid_orders = {fact.provider_order for fact in paid} - {""}
    for attempt in order.attempts:
        if order.by_merchant_token:
            _find_payments(model, attempt)
        elif attempt.state != "opening" and attempt.provider_order_id not in paid_orders:
            _find_order(model, attempt)
    _find_refunds(model, order, {fact.transaction for fact in paid})


def _find_order(model: Model, attempt: Attempt) -> None:
    status, invoice = state_of_order(attempt)
    if status == "paid":
        model.receive(attempt.order, [Fact("payment", invoice, attempt.provider_order_id)])
    elif status == "canceled":
        fact = Fact("refund", invoice, attempt.provider_order_id)
        model.receive(attempt.order, [fact], "canceled", {attempt.number})


def _find_payments(model: Model, attempt: Attempt) -> None:
    for paid in attempt.transactions:
        if paid.status != "refunded":
            charged = paid.charged or attempt.order.total
            model.receive(attempt.order, [Fact("payment", paid.id, "", charged)])
    for paid in attempt.transactions:
        _refund(model, paid, "")


def _find_refunds(model: Model, order: ModelOrder, transactions: set[str]) -> None:
    for attempt in order.attempts:
        for paid in attempt.transactions:
            if paid.id in transactions:
                _refund(model, paid, attempt.provider_order_id if attempt.state != "opening" else "")


def _refund(model: Model, paid: Transaction, provider_order: str) -> None:
    order = paid.attempt.order
    if paid.status == "refunded":
        fact = Fact("refund", paid.id, provider_order)
        numbers = {paid.attempt.number} if provider_order else order.attempt_numbers(None)
        model.receive(order, [fact], "canceled", numbers)
    elif paid.status == "partiallyRefunded":
        model.receive(order, [Fact("part", paid.id, provider_order)])
