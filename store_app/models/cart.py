"""The `cart_lines` table."""

from datetime import datetime

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlmodel import Field, SQLModel

from store_app.models.base import BigId, UtcDateTime, utc_now


class CartLine(SQLModel, table=True):
    """An item that a user intends to buy. Its price is the item's current one until an order fixes it."""

    __tablename__ = "cart_lines"
    __table_args__ = (
        UniqueConstraint("user_id", "item_id", name="uq_cart_lines_user_item"),
        CheckConstraint("quantity >= 1", name="quantity_positive"),
    )

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    user_id: str = Field(foreign_key="users.id", max_length=36)
    item_id: int = Field(foreign_key="items.id", sa_type=BigId)
    quantity: int = 1
    added_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
