"""The `purchases` and `pending_purchases` tables: the lines of orders, paid and not yet paid."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from store_app.models.base import BigId, UtcDateTime, one_of, only_where, utc_now


class PurchaseStatus(StrEnum):
    """Whether the user owns what was bought."""

    GRANTED = "granted"
    REFUNDED = "refunded"
    # Paid, but the user owns the item through another order; granted when that one is taken back.
    HELD = "held"


class _Line(SQLModel):
    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    order_id: str = Field(foreign_key="orders.id", max_length=32)
    user_id: str = Field(foreign_key="users.id", max_length=36)
    item_id: int = Field(foreign_key="items.id", sa_type=BigId)
    quantity: int = 1
    # Minor units of the order's currency, fixed when the order was placed.
    unit_price: int = Field(sa_type=BigId)
    currency: str = Field(max_length=3)
    # Whether the item was a non-consumable when the order was placed: each user can be granted it once.
    owned_once: bool = False
    timestamp: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


_GRANTED_ONCE = only_where("owned_once AND status = 'granted'")


class Purchase(_Line, table=True):
    """A line of a paid order. Only `orders.order` writes it."""

    __tablename__ = "purchases"
    __table_args__ = (
        UniqueConstraint("order_id", "item_id", name="uq_purchases_order_item"),
        CheckConstraint("quantity >= 1", name="quantity_positive"),
        CheckConstraint("unit_price >= 0", name="unit_price_not_negative"),
        one_of("status", PurchaseStatus),
        Index("ix_purchases_user_id", "user_id", "id"),
        Index("uq_purchases_owned_once", "user_id", "item_id", unique=True, **_GRANTED_ONCE),
    )

    status: str = Field(default=PurchaseStatus.GRANTED, max_length=20)


class PendingPurchase(_Line, table=True):
    """A line of an order that is not paid. Only `orders.order` writes it."""

    __tablename__ = "pending_purchases"
    __table_args__ = (
        UniqueConstraint("order_id", "item_id", name="uq_pending_purchases_order_item"),
        CheckConstraint("quantity >= 1", name="quantity_positive"),
        CheckConstraint("unit_price >= 0", name="unit_price_not_negative"),
        Index("ix_pending_purchases_user_item", "user_id", "item_id"),
    )
