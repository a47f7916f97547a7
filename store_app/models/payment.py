"""The `payments` table: the ledger of what was paid and what went back."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from store_app.models.base import BigId, UtcDateTime, one_of, utc_now


class PaymentKind(StrEnum):
    """What a row of the ledger records."""

    PAYMENT = "payment"
    REFUND = "refund"
    PARTIAL_REFUND = "partial_refund"
    CHARGEBACK = "chargeback"


class Payment(SQLModel, table=True):
    """A movement of money: positive for money in, negative for money out. A correction is a new row.

    A row is updated in two cases: a refund that arrived before its payment has an amount of 0 and gets its amount
    and its transaction when the payment arrives, and a payment recorded without its tax gets it once it is known.
    """

    __tablename__ = "payments"
    __table_args__ = (
        UniqueConstraint("provider", "kind", "provider_id", name="uq_payments_provider_kind_id"),
        one_of("kind", PaymentKind),
        # A refund has an amount of 0 when a chargeback took everything before it, and the other way round.
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
    # The amount with the provider's tax, or 0 when unknown; gives the share that a partial refund is.
    charged: int = Field(default=0, sa_type=BigId)
    # The provider's transaction of the payment; its refunds and chargebacks have the same one.
    transaction_id: str = Field(max_length=64)
    # The provider's own order, where the notification named it: a refund may name nothing else.
    provider_order_id: str = Field(default="", max_length=64)
    # Unique for each kind: the transaction, and for partial refunds, of which one transaction can have
    # several, also what tells them apart.
    provider_id: str = Field(max_length=140)
    at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
