"""What the store should do: how it should answer a notification, and what status an order should have there."""

from dataclasses import dataclass
from enum import StrEnum

from simulator.delivery.sender import error_of, status_after
from simulator.records import Notification, NotificationStatus, Order, TransactionStatus

# The statuses of a paid order, in the names of the store's public API.
_STORE_STATUSES = {
    TransactionStatus.DONE: "paid",
    TransactionStatus.PARTIALLY_REFUNDED: "partially_refunded",
    TransactionStatus.REFUNDED: "refunded",
    TransactionStatus.CANCELED: "charged_back",
}


class ExpectedPurchases(StrEnum):
    """What the user's library should contain of an order."""

    NONE = "none"
    GRANTED = "granted"
    # Refunded purchases, or none if the refund arrived before the payment.
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True)
class ExpectedOrder:
    """What an order should look like in the store's public API."""

    status: str
    purchases: ExpectedPurchases


def expected_order(order: Order) -> ExpectedOrder:
    """Return what the order should be at the store, once the store knows everything that happened to it."""
    if order.payment is not None and _is_sold_as_requested(order):
        purchases = ExpectedPurchases.REFUNDED if order.is_refunded else ExpectedPurchases.GRANTED
        return ExpectedOrder(_STORE_STATUSES[order.payment.status], purchases)
    if order.canceled:
        return ExpectedOrder("canceled", ExpectedPurchases.NONE)
    if order.is_declined:
        return ExpectedOrder("failed", ExpectedPurchases.NONE)
    return ExpectedOrder("pending", ExpectedPurchases.NONE)


def is_store_notified(order: Order) -> bool:
    """Return whether notifications about the order are sent; otherwise the store must ask the provider."""
    events = [each for each in order.notifications if each.type != "user_validation"]
    return not events or any(each.status is not NotificationStatus.NEVER_SENT for each in events)


def is_as_expected(notification: Notification) -> bool:
    """Return whether a notification ended as its options demand."""
    options = notification.options
    if notification.status is NotificationStatus.NEVER_SENT:
        return True
    if options.lose_responses:
        is_acknowledged = status_after(notification.last_response_status) is NotificationStatus.ACKNOWLEDGED
        return notification.status is NotificationStatus.GIVEN_UP and is_acknowledged
    if not options.expected_refusal:
        return notification.acknowledged
    return _is_refused(notification) or (_may_be_acknowledged(notification) and notification.acknowledged)


def expected_response(notification: Notification) -> str:
    """Return the response that a notification should get."""
    return f"400 {notification.options.expected_refusal}" if notification.options.expected_refusal else "204"


def _is_sold_as_requested(order: Order) -> bool:
    sold, requested = order.sale, order.requested
    return (sold.total, sold.currency, sold.user.id) == (requested.total, requested.currency, requested.user.id)


def _is_refused(notification: Notification) -> bool:
    if notification.status is NotificationStatus.BLOCKED:
        return True
    if notification.status is not NotificationStatus.REFUSED:
        return False
    code, _ = error_of(notification.deliveries[-1])
    return code == notification.options.expected_refusal


def _may_be_acknowledged(notification: Notification) -> bool:
    """Refusing a `payment` with a valid signature does not refund the user, so the store may acknowledge it."""
    return notification.type == "payment" and not notification.options.invalid_signature
