"""Write an order's ledger. `ledger` says what its rows mean for the order, and `lifecycle` acts on it."""

from collections.abc import Sequence
from dataclasses import replace

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


def book(session: Session, order: LockedOrder, movement: Movement, provider_id: str) -> bool:
    """Write a row of the ledger. False when it was booked before."""
    row = {
        "order_id": order.id,
        "provider": movement.provider,
        "kind": movement.kind,
        "amount": movement.amount,
        "charged": movement.charged,
        "currency": order.currency,
        "transaction_id": movement.transaction_id,
        "provider_order_id": movement.provider_order_id,
        "provider_id": provider_id,
        "at": utc_now(),
    }
    written = session.connection().execute(sql.book(dialect_of(session)), row).scalar()
    if written is not None and order.ledger is not None:
        order.ledger.append(replace(movement, id=written))
    return written is not None


def match_early_refunds(
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
        matched = {"id_": row.id, "transaction_id": payment.transaction_id, "amount": -(value or 0)}
        session.connection().execute(sql.MATCH_EARLY_REFUND, matched)
        known = known and value is not None
    order.ledger = None
    return known


def record_tax(session: Session, order: LockedOrder, paid: Movement) -> bool:
    """Add the tax to a payment that was booked without it, and compute its partial refunds again.

    What the provider answers to reconciliation lacks the tax (`checkout.reconcile`); its notifications have it.
    Return whether anything changed.
    """
    ledger = of_provider(ledger_of(session, order), paid.provider) if paid.charged else []
    payment = payment_of(ledger, paid.transaction_id, "")
    if payment is None or payment.charged or undone_in_full(ledger, payment.transaction_id):
        return False
    session.connection().execute(sql.RECORD_TAX, {"id_": payment.id, "charged": paid.charged})
    parts = [row for row in refunds_of(ledger, payment) if row.kind == PaymentKind.PARTIAL_REFUND]
    match_early_refunds(session, order, replace(payment, charged=paid.charged), parts)
    return True
