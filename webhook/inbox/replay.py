"""Replay: process a kept delivery again, and say what that changes."""

from dataclasses import dataclass

from sqlmodel import Session, col, select

from store_app.db.unit_of_work import UnitOfWork, dry_run_session, read_session, unit_of_work
from store_app.models import AttentionFlag, Order, Payment, Purchase, Verdict, WebhookDelivery
from store_app.payments.provider import Outcome
from webhook.inbox import Delivery
from webhook.intake import process


class CannotReplay(Exception):
    """The delivery cannot be processed again; the message says why."""


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of the replay, and what it changed, as lines of text."""

    outcome: Outcome
    changes: list[str]


def replay(delivery_id: int, *, dry_run: bool) -> Report:
    """Process a kept delivery again, in one transaction; a dry run undoes everything at its end.

    Raises:
        CannotReplay: there is none, or its signature was not valid.
    """
    with dry_run_session() if dry_run else unit_of_work() as session:
        return _replay(session, delivery_id)


def _replay(session: UnitOfWork, delivery_id: int) -> Report:
    row = session.get(WebhookDelivery, delivery_id)
    if row is None:
        raise CannotReplay(f"There is no delivery {delivery_id}.")
    if row.verdict == Verdict.BAD_SIGNATURE:
        raise CannotReplay("The signature of this delivery is invalid: anyone could have sent it.")
    delivery = Delivery(row.provider, row.body, row.headers, signature_valid=True)
    outcome = process(session, delivery, row.event_number)
    session.flush()
    return Report(outcome, _changes(session, outcome.order_id) if outcome.order_id else [])


def _changes(session: Session, order_id: str) -> list[str]:
    """Say how an order differs in this transaction from what is committed."""
    # Another connection still sees the database as it was.
    with read_session() as outside:
        before = _describe(outside, order_id)
    after = _describe(session, order_id)
    gone, new = [line for line in before if line not in after], [line for line in after if line not in before]
    return [*(f"- {line}" for line in gone), *(f"+ {line}" for line in new)]


def _describe(session: Session, order_id: str) -> list[str]:
    order = session.exec(select(Order).where(Order.id == order_id)).one()
    payments = session.exec(select(Payment).where(Payment.order_id == order_id).order_by(col(Payment.id)))
    flagged = select(AttentionFlag).where(
        AttentionFlag.order_id == order_id, col(AttentionFlag.settled_at).is_(None)
    )
    flags = session.exec(flagged.order_by(col(AttentionFlag.id)))
    purchases = session.exec(select(Purchase).where(Purchase.order_id == order_id).order_by(col(Purchase.id)))
    return [
        f"order {order.number}: {order.status}",
        *(f"needs attention: {flag.reason}" for flag in flags),
        *(f"{row.kind} {row.key}: {row.amount} {row.currency}, with tax {row.charged}" for row in payments),
        *(f"item {row.item_id} x {row.quantity}: {row.status}" for row in purchases),
    ]
