"""What Xsolla's answers about an order or a transaction mean, as payment events."""

from typing import Any

from store_app.models import PaymentAttempt
from store_app.payments.provider import EventKind, PaymentEvent
from store_app.payments.xsolla.notifications import NAME

# Statuses of orders (search) and of transactions; every other status means: not paid, or not yet.
_ORDER_EVENTS = {"paid": EventKind.PAID, "done": EventKind.PAID, "canceled": EventKind.REFUNDED}
_TRANSACTION_EVENTS = {"done": EventKind.PAID, "refunded": EventKind.REFUNDED, "canceled": EventKind.REFUNDED}


def events_of_order(attempt: PaymentAttempt, order: dict[str, Any], *, sandbox: bool) -> list[PaymentEvent]:
    """Return what an order of the order search means; `sandbox` is the store's own mode."""
    kind = _ORDER_EVENTS.get(_text(order.get("status")))
    wrong_mode = (order.get("mode") == "sandbox") != sandbox
    user = order.get("user") or {}
    user_id = user.get("external_id") or user.get("id")
    price = order.get("price") or {}
    return _events(attempt, kind, order.get("invoice_id"), user_id, price, wrong_mode=wrong_mode)


def events_of_transactions(attempt: PaymentAttempt, found: list[dict[str, Any]]) -> list[PaymentEvent]:
    """Return what the transactions of a merchant token mean.

    A declined transaction and a paid one share the external id: the one that took money counts. Their sandbox
    mark is not documented.
    """
    for entry in found:
        transaction, user = entry.get("transaction") or {}, entry.get("user") or {}
        price = (entry.get("purchase") or {}).get("total") or {}
        kind = _TRANSACTION_EVENTS.get(_text(transaction.get("status")))
        if events := _events(attempt, kind, transaction.get("id"), user.get("id"), price):
            return events
    return []


def _events(
    attempt: PaymentAttempt,
    kind: EventKind | None,
    transaction_id: Any,
    user_id: Any,
    price: dict[str, Any],
    *,
    wrong_mode: bool = False,
) -> list[PaymentEvent]:
    if kind is None:
        return []
    event = PaymentEvent(
        kind,
        NAME,
        provider_order_id=attempt.provider_order_id or "",
        transaction_id=_text(transaction_id),
        order_id=attempt.order_id,
        user_id=_text(user_id),
        amount=_text(price.get("amount")),
        currency=_text(price.get("currency")),
        wrong_mode=wrong_mode,
    )
    return [event]


def _text(value: Any) -> str:
    return "" if value is None else str(value)
