"""The `webhook_deliveries` table: every delivery as it came, with its outcome."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column, Index, Integer, LargeBinary
from sqlmodel import Field, SQLModel

from store_app.models.base import BigId, UtcDateTime, one_of, only_where, utc_now


class Verdict(StrEnum):
    """What became of a delivery."""

    DONE = "done"
    REPEAT = "repeat"
    IGNORED = "ignored"
    REFUSED = "refused"
    UNMATCHED = "unmatched"
    BAD_SIGNATURE = "bad_signature"
    FAILED = "failed"


class WebhookDelivery(SQLModel, table=True):
    """One event of a delivery, or a delivery without events.

    Without a valid signature only the beginning of the body is kept: anyone can send those.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        one_of("verdict", Verdict),
        Index("ix_webhook_deliveries_order", "order_id"),
        # Partial indexes: queries look for the few unmatched deliveries, or for those with a bad signature, alone.
        Index("ix_webhook_deliveries_unmatched", "transaction_id", **only_where("verdict = 'unmatched'")),
        Index("ix_webhook_deliveries_unproven", "id", **only_where("verdict = 'bad_signature'")),
    )

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    received_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime, index=True)
    # The registered name of the payment provider.
    provider: str = Field(max_length=32)
    # Which of the delivery's events this row is about: a delivery of several events has a row for each.
    event_number: int = 0
    # The provider's own word.
    notification_type: str = Field(default="", max_length=64)
    # The provider's transaction, where the delivery names one: an unmatched refund is later found by it.
    transaction_id: str = Field(default="", max_length=64)
    # The store's order, where one was found.
    order_id: str | None = Field(default=None, foreign_key="orders.id", max_length=32)
    verdict: str = Field(max_length=20)
    # The reason of the verdict, for staff.
    reason: str = Field(default="", max_length=300)
    # The HTTP status for this event; the response to a delivery of several events has the status of one of them.
    # The column keeps its old name, because the workers of the previous release insert it, too.
    response_status: int = Field(sa_column=Column("answered", Integer, key="response_status", nullable=False))
    # Milliseconds from the arrival of the delivery until this row was written.
    took_ms: int = 0
    headers: str = ""
    body: bytes = Field(sa_type=LargeBinary)
