"""The simulator's records: orders, transactions and notifications; and the clock that dates them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

# Passed as an argument, so that tests can move the time.
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


class TokenType(StrEnum):
    """The API call that created the payment token; only a store token has a Store order with items."""

    STORE = "store"
    MERCHANT = "merchant"


class OrderStatus(StrEnum):
    """The provider's order statuses."""

    NEW = "new"
    PAID = "paid"
    DONE = "done"
    CANCELED = "canceled"
    EXPIRED = "expired"


class TransactionStatus(StrEnum):
    """Those of the provider's transaction statuses that the simulator uses."""

    DONE = "done"
    ERROR = "error"
    REFUNDED = "refunded"
    PARTIALLY_REFUNDED = "partiallyRefunded"
    # A chargeback. The provider does not document which status it gives to one.
    CANCELED = "canceled"


class NotificationStatus(StrEnum):
    """The state of a notification."""

    WAITING = "waiting"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    GIVEN_UP = "given up"
    BLOCKED = "not sent, an earlier one failed"
    NEVER_SENT = "never sent"


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """How a scenario changes the deliveries of a notification; the defaults change nothing."""

    # Sign with a secret that the store does not know.
    invalid_signature: bool = False
    # Abort this number of first deliveries before the store can have answered.
    aborted_deliveries: int = 0
    # Treat every response as lost, so that the whole retry schedule is used.
    lose_responses: bool = False
    # The error code with which the store must refuse; empty if it must acknowledge.
    expected_refusal: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """An item of an order with its quantity, at the price it had when the token was created."""

    sku: str
    name: str
    quantity: int
    price: Decimal

    @property
    def amount(self) -> Decimal:
        """The price of the whole line."""
        return self.price * self.quantity


@dataclass(frozen=True, slots=True)
class User:
    """The user who pays, as the store described them."""

    id: str
    email: str
    country: str
    ip: str
    name: str | None


@dataclass(frozen=True, slots=True)
class Sale:
    """What is sold and to whom, as the token request asked for it."""

    token_type: TokenType
    user: User
    lines: tuple[Line, ...]
    currency: str
    total: Decimal
    sandbox: bool
    external_id: str | None
    return_url: str | None
    custom_parameters: dict[str, Any] | None

    @property
    def store_order_id(self) -> str | None:
        """The store's id of the order, from the custom parameters or the external id."""
        value = (self.custom_parameters or {}).get("order_id", self.external_id)
        return None if value is None else str(value)


_FULLY_REFUNDED = frozenset({TransactionStatus.REFUNDED, TransactionStatus.CANCELED})


@dataclass(slots=True)
class Transaction:
    """A payment, successful or declined."""

    id: int
    created_at: datetime
    status: TransactionStatus
    refunded: Decimal = Decimal(0)
    refunded_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request to the webhook; the response status is None when there was no response."""

    started_at: datetime
    response_status: int | None
    # The body of the response, or why there was none.
    response_text: str


@dataclass(slots=True)
class Notification:
    """A notification with its deliveries; the body is fixed, so that each of them sends the same bytes."""

    id: int
    order_id: int
    type: str
    body: bytes
    created_at: datetime
    options: DeliveryOptions = DeliveryOptions()
    status: NotificationStatus = NotificationStatus.WAITING
    deliveries: list[Delivery] = field(default_factory=list)
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def last_response_status(self) -> int | None:
        """The HTTP status of the latest response."""
        return self.deliveries[-1].response_status if self.deliveries else None

    @property
    def acknowledged(self) -> bool:
        """Whether the store acknowledged the notification."""
        return self.status is NotificationStatus.ACKNOWLEDGED

    def finish(self, status: NotificationStatus) -> None:
        """Set the final status and wake everything that waits for it."""
        self.status = status
        self.finished.set()


@dataclass(slots=True)
class Order:
    """A payment token and everything that happened to it.

    A merchant token has no Store order: its id is used inside this process only and never sent to the store.
    """

    id: int
    token: str
    sale: Sale
    created_at: datetime
    expires_at: datetime
    canceled: bool = False
    transactions: list[Transaction] = field(default_factory=list)
    notifications: list[Notification] = field(default_factory=list)
    # The notifications about the latest event, kept so that they can be sent again.
    latest_notifications: list[Notification] = field(default_factory=list)
    # Held from checking whether the order is paid until the payment is recorded, so that two clicks on Pay
    # cannot both pay.
    payment_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    # Held while notifications are delivered: the notifications of one order are sent one after the other.
    delivery_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    # Set when held notifications may be sent.
    released: asyncio.Event = field(default_factory=asyncio.Event)
    # What the token request asked for; `sale` differs from it when a scenario sold something else.
    requested: Sale = field(init=False)

    def __post_init__(self) -> None:
        self.requested = self.sale

    @property
    def payment(self) -> Transaction | None:
        """The transaction that took the money, even if the money was refunded later."""
        return next((t for t in self.transactions if t.status is not TransactionStatus.ERROR), None)

    @property
    def is_declined(self) -> bool:
        """Whether the latest payment was declined."""
        return bool(self.transactions) and self.transactions[-1].status is TransactionStatus.ERROR

    @property
    def is_refunded(self) -> bool:
        """Whether all the money was refunded or charged back."""
        return self.payment is not None and self.payment.status in _FULLY_REFUNDED

    def status_at(self, now: datetime) -> OrderStatus:
        """Return the provider's status of the order."""
        if self.canceled or self.is_refunded:
            return OrderStatus.CANCELED
        if self.payment is not None:
            delivered = any(n.type == "order_paid" and n.acknowledged for n in self.notifications)
            return OrderStatus.DONE if delivered else OrderStatus.PAID
        return OrderStatus.EXPIRED if now >= self.expires_at else OrderStatus.NEW
