"""The `payments` table: the ledger of what the provider took and gave back."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from store_app.models.base import BigId, UtcDateTime, one_of, utc_now


class PaymentKind(StrEnum):
    """What a row of the ledger stands for."""

    PAYMENT = "payment"
    REFUND = "refund"
    PARTIAL_REFUND = "partial_refund"
    CHARGEBACK = "chargeback"


class Payment(SQLModel, table=True):
    """A movement of money: positive in, negative out. A correction is a new row.

    One thing about a row changes, once: what took a payment back before the payment itself was heard of has an
    amount of 0, and gets its amount and its transaction when the payment comes.
    """

    __tablename__ = "payments"
    __table_args__ = (
        UniqueConstraint("provider", "kind", "provider_id", name="uq_payments_provider_kind_id"),
        one_of("kind", PaymentKind),
        # Nothing moves when a transaction that was refunded is charged back, or the other way round.
        CheckConstraint("amount = 0 OR (kind = 'payment') = (amount > 0)", name="sign_fits_kind"),
        Index("ix_payments_order", "order_id"),
        Index("ix_payments_transaction", "transaction_id"),
    )

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    order_id: str = Field(foreign_key="orders.id", max_length=32)
    # The registered name of the payment provider, for which alone its ids are unique. Empty: a free order.
    provider: str = Field(max_length=32)
    kind: str = Field(max_length=20)
    # Minor units of `currency`.
    amount: int = Field(sa_type=BigId)
    currency: str = Field(max_length=3)
    # The same with the tax that the provider added, where it said so; else 0. Tells what share a part is.
    charged: int = Field(default=0, sa_type=BigId)
    # The provider's transaction that took the money: shared by a payment and what undoes it.
    transaction_id: str = Field(max_length=64)
    # The provider's own order, where it was named: what undoes a payment may name only that.
    provider_order_id: str = Field(default="", max_length=64)
    # Unique for each kind: the transaction; for a partial refund, of which one transaction can have
    # several, also which one.
    provider_id: str = Field(max_length=140)
    at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
