"""The `attention_flags` table: what staff must look at."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from store_app.models.base import BigId, UtcDateTime, only_where, utc_now


class AttentionFlag(SQLModel, table=True):
    """A reason why staff must look at an order, or at a delivery that matches none; open until it is settled."""

    __tablename__ = "attention_flags"
    __table_args__ = (
        UniqueConstraint("order_id", "reason", name="uq_attention_flags_order_reason"),
        UniqueConstraint("delivery_id", name="uq_attention_flags_delivery"),
        CheckConstraint("(order_id IS NULL) <> (delivery_id IS NULL)", name="of_order_or_delivery"),
        Index("ix_attention_flags_open", "id", **only_where("settled_at IS NULL")),
    )

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    order_id: str | None = Field(default=None, foreign_key="orders.id", max_length=32)
    delivery_id: int | None = Field(default=None, foreign_key="webhook_deliveries.id", sa_type=BigId)
    reason: str = Field(max_length=300)
    at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    settled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # A name; "store" when the reason no longer applied.
    settled_by: str = Field(default="", max_length=64)
    note: str = Field(default="", max_length=1000)
