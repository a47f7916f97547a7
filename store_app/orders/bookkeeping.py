"""Write an order's ledger. `ledger` says what its rows mean for the order, and `lifecycle` acts on it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlmodel import Session

from store_app.db.engine import dialect_of
from store_app.models import PaymentKind, utc_now
from store_app.orders import sql
from store_app.orders.ledger import (
    WHOLE,
    Movement,
    of_provider,
    part_in_price,
    payment_of,
    refunds_of,
    undone_in_full,
)
from store_app.orders.locked_order import LockedOrder, ledger_of


@dataclass(frozen=True, slots=True)
class Money:
    """An amount that was paid or went back, in minor units, with the transaction of its payment.

    `provider` is the registered name of the payment provider, empty for a free order, which no provider sees.
    `charged` is the amount with tax, or 0 when unknown; `provider_order_id` is the provider's own order, where the
    provider named it.
    """

    amount: int
    currency: str
    provider: str
    transaction_id: str
    charged: int = 0
    provider_order_id: str = ""


def book(session: Session, order: LockedOrder, kind: PaymentKind, money: Money, provider_id: str) -> bool:
    """Write a row of the ledger. False when it was booked before."""
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
        payment = (money.transaction_id, money.charged, money.provider, money.provider_order_id)
        order.ledger.append(Movement(kind, money.amount, *payment, id=written))
    return written is not None


def reconcile_early_refunds(
    session: Session, order: LockedOrder, payment: Movement, earlier: Sequence[Movement]
) -> bool:
    """Give refunds that arrived before their payment its transaction, and their amounts in the price.

    Return False when the amount of a partial refund stays unknown.
    """
    whole = next((row for row in earlier if row.kind in WHOLE), None)
    parts: list[int] = []
    known = True
    for row in earlier:
        value: int | None = payment.amount if row is whole else 0
        if whole is None:
            value = part_in_price(payment, parts, -row.charged)
            parts.append(-row.charged)
        reconciled = {"id_": row.id, "transaction_id": payment.transaction_id, "amount": -(value or 0)}
        session.connection().execute(sql.RECONCILE_EARLY_REFUND, reconciled)
        known = known and value is not None
    order.ledger = None
    return known


def record_tax(session: Session, order: LockedOrder, money: Money) -> bool:
    """Add the tax to a payment that was booked without it, and compute its partial refunds again.

    What the provider answers to reconciliation lacks the tax (`checkout.reconcile`); its notifications have it.
    Return whether anything changed.
    """
    ledger = of_provider(ledger_of(session, order), money.provider) if money.charged else []
    payment = payment_of(ledger, money.transaction_id, "")
    if payment is None or payment.charged or undone_in_full(ledger, payment.transaction_id):
        return False
    session.connection().execute(sql.RECORD_TAX, {"id_": payment.id, "charged": money.charged})
    parts = [row for row in refunds_of(ledger, payment) if row.kind == PaymentKind.PARTIAL_REFUND]
    reconcile_early_refunds(session, order, replace(payment, charged=money.charged), parts)
    return True
