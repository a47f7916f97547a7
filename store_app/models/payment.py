"""The `payments` table: the ledger of what providers said about payments."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from store_app.models.base import BigId, UtcDateTime, one_of, only_where, utc_now


class PaymentKind(StrEnum):
    """What a row of the ledger says."""

    # The order was paid.
    PAYMENT = "payment"
    # Money was taken for it, with this tax. Alone it grants nothing: a PAYMENT follows.
    CHARGE = "charge"
    REFUND = "refund"
    PARTIAL_REFUND = "partial_refund"
    CHARGEBACK = "chargeback"


class Payment(SQLModel, table=True):
    """A fact: what a provider said about a payment of an order. Rows are never updated.

    What an order's rows mean is computed from all of them: `orders.ledger.standing`.
    """

    __tablename__ = "payments"
    __table_args__ = (
        UniqueConstraint("order_id", "provider", "kind", "key", name="uq_payments_order_provider_kind_key"),
        one_of("kind", PaymentKind),
        CheckConstraint("amount >= 0", name="amount_not_negative"),
        CheckConstraint("charged >= 0", name="charged_not_negative"),
        CheckConstraint("kind <> 'payment' OR amount IS NOT NULL", name="payment_has_amount"),
        Index("ix_payments_transaction", "transaction_id"),
        # A transaction pays one order only.
        Index(
            "uq_payments_transaction",
            "provider",
            "transaction_id",
            unique=True,
            **only_where("kind = 'payment' AND transaction_id <> ''"),
        ),
    )

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    order_id: str = Field(foreign_key="orders.id", max_length=32)
    # The registered name of the payment provider, for which alone its ids are unique. Empty: a free order.
    provider: str = Field(max_length=32)
    kind: str = Field(max_length=20)
    # The price without tax, in minor units of `currency`; None where it was not said.
    amount: int | None = Field(default=None, sa_type=BigId)
    # What the user paid or got back with tax, likewise.
    charged: int | None = Field(default=None, sa_type=BigId)
    currency: str = Field(max_length=3)
    # The provider's transaction and its own order; each is empty where it was not named.
    transaction_id: str = Field(default="", max_length=64)
    provider_order_id: str = Field(default="", max_length=64)
    # Tells a repeat from another fact of the same kind.
    key: str = Field(max_length=140)
    at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
