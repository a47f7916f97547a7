"""What Xsolla's answers about an order or a transaction mean, as payment events."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from store_app.models import PaymentAttempt
from store_app.payments.provider import EventKind, PaymentEvent
from store_app.payments.xsolla.notifications import NAME, is_sandbox_mode

# Statuses of orders; every other one means: not paid, or not yet.
_ORDER_EVENTS = {"paid": EventKind.PAID, "done": EventKind.PAID, "canceled": EventKind.REFUNDED}
# Statuses of transactions; with every other one no money was taken, or not yet.
_TAKEN = {"done", "partiallyRefunded", "awaitingRefund"}
_RETURNED, _PARTIALLY_RETURNED, _CANCELED = "refunded", "partiallyRefunded", "canceled"
# Added to the price by Xsolla.
_TAXES = ("sales_tax", "vat")


def events_of_order(attempt: PaymentAttempt, order: dict[str, Any], *, sandbox: bool) -> list[PaymentEvent]:
    """Return what an order of the order search means; `sandbox` is the store's own mode."""
    kind = _ORDER_EVENTS.get(_text(order.get("status")))
    if kind is None:
        return []
    price = _mapping(order.get("price"))
    event = _event(
        attempt,
        kind,
        order,
        transaction_id=_text(order.get("invoice_id")),
        amount=_text(price.get("amount")),
        currency=_text(price.get("currency")),
        wrong_mode=is_sandbox_mode(order.get("mode")) != sandbox,
    )
    return [event]


def events_of_content(attempt: PaymentAttempt, order: dict[str, Any]) -> list[PaymentEvent]:
    """Return what an order means that was read with its payment token: it names no transaction and no user."""
    kind = _ORDER_EVENTS.get(_text(order.get("status")))
    if kind is None:
        return []
    amount, currency = price_of_content(order)
    return [_event(attempt, kind, order, amount=amount, currency=currency)]


def price_of_content(order: dict[str, Any]) -> tuple[str, str]:
    """Return the price of an order that was read with its payment token, and its currency."""
    price = _mapping(_mapping(order.get("content")).get("price"))
    return _text(price.get("amount")), _text(price.get("currency"))


def events_of_transactions(attempt: PaymentAttempt, found: Sequence[dict[str, Any]]) -> list[PaymentEvent]:
    """Return what the transactions of a merchant token mean.

    Several share the external id of their attempt: one that took money counts for more than one that was canceled.
    Their sandbox mark is not documented.
    """
    events = [_of_transaction(attempt, entry, EventKind.PAID) for entry in found if _status(entry) in _TAKEN]
    events += refunds_of_transactions(attempt, [entry for entry in found if _status(entry) != _CANCELED])
    if events:
        return events
    return refunds_of_transactions(attempt, found)


def refunds_of_transactions(attempt: PaymentAttempt, found: Sequence[dict[str, Any]]) -> list[PaymentEvent]:
    """Return what went back of transactions. How much a part was, Xsolla does not say here."""
    events = []
    for entry in found:
        status = _status(entry)
        if status in {_RETURNED, _CANCELED}:
            events.append(_of_transaction(attempt, entry, EventKind.REFUNDED))
        elif status == _PARTIALLY_RETURNED:
            events.append(
                _event(attempt, EventKind.PARTIALLY_REFUNDED, entry, transaction_id=transaction_id(entry))
            )
    return events


def transaction_id(entry: dict[str, Any]) -> str:
    """Return the id of a transaction that was found."""
    return _text(_mapping(entry.get("transaction")).get("id"))


def _status(entry: dict[str, Any]) -> str:
    return _text(_mapping(entry.get("transaction")).get("status"))


def _of_transaction(attempt: PaymentAttempt, entry: dict[str, Any], kind: EventKind) -> PaymentEvent:
    details = _mapping(entry.get("payment_details"))
    charged = _mapping(details.get("payment"))
    currency = _text(charged.get("currency"))
    return _event(
        attempt,
        kind,
        entry,
        transaction_id=transaction_id(entry),
        amount=_before_tax(details, currency),
        currency=currency,
        charged=_text(charged.get("amount")),
        charged_currency=currency,
    )


def _before_tax(details: dict[str, Any], currency: str) -> str:
    """Return the price: what was charged, less its taxes; empty when that cannot be computed."""
    try:
        price = _amount(details.get("payment"), currency)
        price -= sum(_amount(details[tax], currency) for tax in _TAXES if details.get(tax))
    except (InvalidOperation, ValueError):
        return ""
    return f"{price:f}"


def _amount(section: Any, currency: str) -> Decimal:
    amount = Decimal(_text(_mapping(section).get("amount")))
    if amount and _mapping(section).get("currency") != currency:
        raise ValueError("another currency")
    return amount


def _event(attempt: PaymentAttempt, kind: EventKind, found: dict[str, Any], **said: Any) -> PaymentEvent:
    user = _mapping(found.get("user"))
    return PaymentEvent(
        kind,
        NAME,
        provider_order_id=attempt.provider_order_id or "",
        order_id=attempt.order_id,
        user_id=_text(user.get("external_id") or user.get("id")),
        **said,
    )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return "" if value is None else str(value)
