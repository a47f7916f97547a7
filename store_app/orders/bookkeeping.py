"""Writing and reading an order's ledger; what its rows mean for the order is said by `ledger`, and done by
`lifecycle`, which alone calls this.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlmodel import Session

from store_app.db.engine import dialect_of
from store_app.models import PaymentKind, utc_now
from store_app.orders import sql
from store_app.orders.ledger import (
    WHOLE,
    Movement,
    earlier_than,
    of_provider,
    part_in_price,
    payment_of,
    undone_in_full,
)
from store_app.orders.locked_order import LockedOrder, ledger_of


@dataclass(frozen=True, slots=True)
class Money:
    """What a provider says it took or gave back: minor units, and the transaction that took it.

    `provider` is its registered name, empty for a free order, which no provider sees. `charged` is the amount
    with tax, 0 where it is not known; `provider_order_id` is the provider's own order, where it named it.
    """

    amount: int
    currency: str
    provider: str
    transaction_id: str
    charged: int = 0
    provider_order_id: str = ""


def book(session: Session, order: LockedOrder, kind: PaymentKind, money: Money, provider_id: str) -> bool:
    """Write a row of the ledger; False when it was booked before."""
    row = {
        "order_id": order.id,
        "provider": money.provider,
        "kind": kind,
        "amount": money.amount,
        "charged": money.charged,
        "currency": money.currency,
        "transaction_id": money.transaction_id,
        "provider_order_id": money.provider_order_id,
        "provider_id": provider_id,
        "at": utc_now(),
    }
    written = session.connection().execute(sql.book(dialect_of(session)), row).scalar()
    if written is not None and order.ledger is not None:
        about = (money.transaction_id, money.charged, money.provider, money.provider_order_id)
        order.ledger.append(Movement(kind, money.amount, *about, id=written))
    return written is not None


def reconcile_early_refunds(
    session: Session, order: LockedOrder, payment: Movement, earlier: Sequence[Movement]
) -> bool:
    """Give what came before its payment the payment's transaction and its amount in the price.

    Returns whether all of it is known: False when a part does not say how much it is.
    """
    whole = next((row for row in earlier if row.kind in WHOLE), None)
    parts: list[int] = []
    known = True
    for row in earlier:
        value: int | None = payment.amount if row is whole else 0
        if whole is None:
            value = part_in_price(payment, parts, -row.charged)
            parts.append(-row.charged)
        joined = {"id_": row.id, "transaction_id": payment.transaction_id, "amount": -(value or 0)}
        session.connection().execute(sql.RECONCILE_EARLY_REFUND, joined)
        known = known and value is not None
    order.ledger = None
    return known


def record_tax(session: Session, order: LockedOrder, money: Money) -> bool:
    """Note what a payment was charged with tax, and value its parts anew, if it was heard of without it.

    The provider's answers to our questions do not say it (`checkout.repair`); its notifications do. Returns
    whether anything was learnt.
    """
    ledger = of_provider(ledger_of(session, order), money.provider) if money.charged else []
    payment = payment_of(ledger, money.transaction_id, "")
    if payment is None or payment.charged or undone_in_full(ledger, payment.transaction_id):
        return False
    session.connection().execute(sql.RECORD_TAX, {"id_": payment.id, "charged": money.charged})
    parts = [row for row in earlier_than(ledger, payment) if row.kind == PaymentKind.PARTIAL_REFUND]
    reconcile_early_refunds(session, order, replace(payment, charged=money.charged), parts)
    return True
