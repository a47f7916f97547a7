"""Every transition of an order, and the message it sends. `orders.order` changes a status only by it."""

from enum import StrEnum

from store_app.models import OrderStatus


class Event(StrEnum):
    """What can happen to an order."""

    DECLINED = "declined"
    RETRIED = "retried"
    CANCELED = "canceled"
    EXPIRED = "expired"
    # These four follow from the ledger: `ledger.standing`.
    PAID = "paid"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    CHARGED_BACK = "charged_back"


_MONEY = (Event.PAID, Event.PARTIALLY_REFUNDED, Event.REFUNDED, Event.CHARGED_BACK)

# (status, event) -> the new status. An event that is not listed for a status changes nothing.
TRANSITIONS: dict[tuple[str, Event], OrderStatus] = {
    (OrderStatus.PENDING, Event.DECLINED): OrderStatus.FAILED,
    (OrderStatus.FAILED, Event.RETRIED): OrderStatus.PENDING,
    (OrderStatus.PENDING, Event.CANCELED): OrderStatus.CANCELED,
    (OrderStatus.FAILED, Event.CANCELED): OrderStatus.CANCELED,
    (OrderStatus.PENDING, Event.EXPIRED): OrderStatus.EXPIRED,
    (OrderStatus.FAILED, Event.EXPIRED): OrderStatus.EXPIRED,
    # The ledger decides in every status, whatever the sequence of notifications: a payment of an expired order,
    # a refund that arrives before its payment, another attempt that is paid after a refund.
    **{
        (status, event): OrderStatus(event)
        for status in OrderStatus
        for event in _MONEY
        if status.value != event.value
    },
}

# The message that open tabs and `/ws` clients receive when an order gets this status.
MESSAGES: dict[str, str] = {
    OrderStatus.PAID: "purchase_success",
    OrderStatus.PARTIALLY_REFUNDED: "purchase_partially_refunded",
    OrderStatus.REFUNDED: "purchase_refunded",
    OrderStatus.CHARGED_BACK: "purchase_refunded",
    OrderStatus.CANCELED: "order_canceled",
    OrderStatus.EXPIRED: "order_expired",
    OrderStatus.FAILED: "payment_declined",
    OrderStatus.PENDING: "payment_started",
}


def as_markdown() -> str:
    """Return the table for the documentation; `python -m store_app orders transitions` prints it."""
    rows = sorted(
        TRANSITIONS.items(), key=lambda row: (list(OrderStatus).index(OrderStatus(row[0][0])), row[0][1])
    )
    lines = [f"| {before} | {event} | {after} | {MESSAGES[after]} |" for (before, event), after in rows]
    return "\n".join(["| status | event | new status | message |", "|---|---|---|---|", *lines]) + "\n"
