"""The messages of the outbox that were not sent in time: leased by one process, then deleted or leased again."""

import json
from collections.abc import Sequence

from sqlalchemy import delete, update
from sqlmodel import col, select

from store_app.db.outbox import EVERYBODY, LEASE, Message
from store_app.db.unit_of_work import read_session, unit_of_work
from store_app.models import OutboxMessage, utc_now

_MAX_BATCH = 200


def lease_overdue() -> list[Message]:
    """Lease the messages that no process sent in time, oldest first."""
    now = utc_now()
    overdue = col(OutboxMessage.leased_until) < now
    with read_session() as session:
        # This check takes no write lock, and nearly always there is nothing to do.
        if session.exec(select(OutboxMessage.id).where(overdue).limit(1)).first() is None:
            return []
    # Those that failed least first, so that messages that can never be sent do not keep the others waiting.
    sequence = col(OutboxMessage.attempts), col(OutboxMessage.id)
    ids = select(OutboxMessage.id).where(overdue).order_by(*sequence).limit(_MAX_BATCH)
    lease = (
        update(OutboxMessage)
        .where(col(OutboxMessage.id).in_(ids.with_for_update(skip_locked=True)))
        .values(leased_until=now + LEASE, attempts=OutboxMessage.attempts + 1)
        .returning(*(col(getattr(OutboxMessage, name)) for name in ("id", "user_id", "payload", "attempts")))
    )
    with unit_of_work() as work:
        rows = work.execute(lease).all()
    leased = [Message(row.id, row.user_id or EVERYBODY, json.loads(row.payload), row.attempts) for row in rows]
    return sorted(leased, key=lambda message: message.id)


def delete_sent(ids: Sequence[int]) -> None:
    """Delete messages that were sent, or that never can be."""
    with unit_of_work() as work:
        work.execute(delete(OutboxMessage).where(col(OutboxMessage.id).in_(ids)))


def note_failure(ids: Sequence[int], error: str) -> None:
    """Note why messages could not be sent; they are leased again when their lease ends."""
    with unit_of_work() as work:
        work.execute(update(OutboxMessage).where(col(OutboxMessage.id).in_(ids)).values(last_error=error[:300]))
