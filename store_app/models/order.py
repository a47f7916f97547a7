"""The `orders`, `idempotency_keys`, `payment_attempts` and `order_events` tables."""

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from store_app.models.base import BigId, SafeText, UtcDateTime, one_of, only_where, utc_now


class OrderStatus(StrEnum):
    """The status of an order. Only `orders.order` changes it."""

    PENDING = "pending"
    PAID = "paid"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    CHARGED_BACK = "charged_back"
    CANCELED = "canceled"
    EXPIRED = "expired"
    FAILED = "failed"


# Statuses in which an order can still be paid.
OPEN = (OrderStatus.PENDING, OrderStatus.FAILED)
# Statuses in which nothing was paid; after canceled and expired, a payment is possible but unexpected.
UNPAID = (*OPEN, OrderStatus.CANCELED, OrderStatus.EXPIRED)


# Below the 24 hours after which a provider closes a payment page.
PAGE_LIFETIME = timedelta(hours=23)


class Order(SQLModel, table=True):
    """What a user asked to buy, at the prices of that moment."""

    __tablename__ = "orders"
    __table_args__ = (
        one_of("status", OrderStatus),
        CheckConstraint("total >= 0", name="total_not_negative"),
        Index("ix_orders_user_created", "user_id", "created_at"),
        Index("ix_orders_next_check", "next_check_at", **only_where("next_check_at IS NOT NULL")),
        # Few orders are open at any time: finding those that expire must not read the others.
        Index("ix_orders_open", "expires_at", **only_where("status IN ('pending', 'failed')")),
        Index("ix_orders_open_of_user", "user_id", "created_at", **only_where("status IN ('pending', 'failed')")),
    )

    # Public and unguessable: 128 random bits in hexadecimal.
    id: str = Field(primary_key=True, sa_type=SafeText(32))
    # Short, for people to read out: "4F7K-2M9Q".
    number: str = Field(max_length=9, unique=True)
    user_id: str = Field(foreign_key="users.id", max_length=36)
    status: str = Field(default=OrderStatus.PENDING, max_length=20)
    # Minor units of `currency`: the sum of the lines.
    total: int = Field(sa_type=BigId)
    currency: str = Field(max_length=3)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    # When reconciliation asks the provider about this order next, and how often it has asked.
    next_check_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    checks: int = 0
    updated_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class IdempotencyKey(SQLModel, table=True):
    """A key that a client sent to place an order: the same key returns the same order."""

    __tablename__ = "idempotency_keys"

    user_id: str = Field(foreign_key="users.id", primary_key=True, max_length=36)
    key: str = Field(primary_key=True, max_length=255)
    order_id: str = Field(foreign_key="orders.id", max_length=32, index=True)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class AttemptKind(StrEnum):
    """What a payment page is opened for, which decides the notification that grants the order."""

    # For items, at the prices of the provider's catalogue. The provider keeps an order: that it is PAID grants.
    CATALOGUE = "catalogue"
    # For an amount. The provider keeps no order: PAYMENT_TAKEN grants.
    AMOUNT = "amount"


class AttemptState(StrEnum):
    """The state of a payment attempt."""

    # The provider was asked for a payment page, and no user was sent to it (yet).
    OPENING = "opening"
    OPEN = "open"
    DECLINED = "declined"
    # Closed by the provider.
    CANCELED = "canceled"


class PaymentAttempt(SQLModel, table=True):
    """One payment page asked for an order; an order that was declined and then paid has two."""

    __tablename__ = "payment_attempts"
    __table_args__ = (
        UniqueConstraint("order_id", "number", name="uq_payment_attempts_order_number"),
        UniqueConstraint("provider_order_id", "provider", name="uq_payment_attempts_provider_order"),
        one_of("kind", AttemptKind),
        one_of("state", AttemptState),
    )

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    order_id: str = Field(foreign_key="orders.id", max_length=32)
    # 1, 2, 3 ...: part of the `external_id`, which is unique because a number is never used again.
    number: int
    # The registered name of the payment provider.
    provider: str = Field(max_length=32)
    kind: str = Field(max_length=20)
    state: str = Field(default=AttemptState.OPENING, max_length=20)
    # The provider's own order id; None where it keeps no order, and until it has answered.
    provider_order_id: str | None = Field(default=None, max_length=64)
    payment_url: str = Field(default="", max_length=2000)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)

    @property
    def external_id(self) -> str:
        """The id by which the store names this attempt to its provider."""
        return external_id(self.order_id, self.number)

    def is_open(self, now: datetime) -> bool:
        """Whether a user can still pay on its page."""
        return self.state == AttemptState.OPEN and self.created_at > now - PAGE_LIFETIME


def external_id(order_id: str, attempt: int) -> str:
    """Return the id by which the store names one payment attempt to its provider."""
    return f"{order_id}-{attempt}"


class OrderEvent(SQLModel, table=True):
    """An entry of an order's timeline, shown to the user and to staff."""

    __tablename__ = "order_events"

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    order_id: str = Field(foreign_key="orders.id", max_length=32, index=True)
    kind: str = Field(max_length=40)
    at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
