"""What Xsolla's answers about an order or a transaction mean, as payment events."""

from typing import Any

from store_app.payments.provider import EventKind, OpenPayment, PaymentEvent
from store_app.payments.xsolla.notifications import NAME

# Statuses of orders (search) and of transactions; every other status means: not paid, or not yet.
_ORDER_EVENTS = {"paid": EventKind.PAID, "done": EventKind.PAID, "canceled": EventKind.REFUNDED}
_TRANSACTION_EVENTS = {"done": EventKind.PAID, "refunded": EventKind.REFUNDED, "canceled": EventKind.REFUNDED}


def event_of_order(payment: OpenPayment, order: dict[str, Any], *, sandbox: bool) -> PaymentEvent | None:
    """Return what an order of the order search means; `sandbox` is the store's own mode."""
    kind = _ORDER_EVENTS.get(_text(order.get("status")))
    if kind is None:
        return None
    price, user = order.get("price") or {}, order.get("user") or {}
    return PaymentEvent(
        kind,
        NAME,
        provider_order_id=payment.provider_order_id or "",
        transaction_id=_text(order.get("invoice_id")),
        order_id=payment.order_id,
        user_id=_text(user.get("external_id") or user.get("id")),
        amount=_text(price.get("amount")),
        currency=_text(price.get("currency")),
        wrong_mode=(order.get("mode") == "sandbox") != sandbox,
    )


def event_of_transactions(payment: OpenPayment, found: list[dict[str, Any]]) -> PaymentEvent | None:
    """Return what the transactions of a merchant token mean.

    A declined transaction and a paid one share the external id: the one that took money counts. Their sandbox
    mark is not documented.
    """
    events = (_event_of_transaction(payment, one) for one in found)
    return next((event for event in events if event), None)


def _event_of_transaction(payment: OpenPayment, found: dict[str, Any]) -> PaymentEvent | None:
    transaction, user = found.get("transaction") or {}, found.get("user") or {}
    price = (found.get("purchase") or {}).get("total") or {}
    kind = _TRANSACTION_EVENTS.get(_text(transaction.get("status")))
    if kind is None:
        return None
    return PaymentEvent(
        kind,
        NAME,
        transaction_id=_text(transaction.get("id")),
        order_id=payment.order_id,
        user_id=_text(user.get("id")),
        amount=_text(price.get("amount")),
        currency=_text(price.get("currency")),
    )


def _text(value: Any) -> str:
    return "" if value is None else str(value)
