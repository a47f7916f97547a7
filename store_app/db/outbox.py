"""The outbox: messages that must follow a commit, written in the same database transaction, so that none is lost.

The process that committed sends its messages at once (`on_commit`). If it dies first, or Redis is unavailable, the
messages stay in the table, and any process leases and sends them later (`lease_overdue`). So each message is sent
at least once, and the messages of one user in order: while one could not be sent, the following ones wait.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, event, exists, insert, literal_column, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from store_app.db.unit_of_work import read_session, unit_of_work
from store_app.models import OutboxMessage, utc_now

# How long the process that wrote or leased a message has to send it; then another process does.
LEASE = timedelta(seconds=10)
_MAX_BATCH = 200


@dataclass(frozen=True, slots=True)
class Message:
    """A message to one user: `payload` is the JSON object that `/ws` clients receive."""

    id: int
    user_id: str
    payload: dict[str, Any]


# Whether an earlier message of the same user could not be sent, so that the new one must wait. Written as text,
# because SQLAlchemy leaves out table names in RETURNING for SQLite, and this refers to two.
_MUST_WAIT: Any = literal_column(
    "EXISTS (SELECT 1 FROM outbox AS earlier WHERE earlier.user_id = outbox.user_id"
    " AND earlier.id < outbox.id AND (earlier.last_error <> '' OR earlier.attempts > 0))"
).label("must_wait")
INSERT = insert(OutboxMessage).returning(col(OutboxMessage.id), _MUST_WAIT, sort_by_parameter_order=True)
_listeners: list[Callable[[Sequence[Message]], None]] = []


def on_commit(listener: Callable[[Sequence[Message]], None]) -> Callable[[], None]:
    """Call `listener` with the messages of each committed transaction, in the thread that committed it.

    Returns a function that removes the listener.
    """
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def write(session: Session, user_id: str, payload: dict[str, Any], *, in_order: bool = True) -> None:
    """Write a message in the caller's database transaction.

    Args:
        session: the caller's unit of work; the message is inserted just before it commits.
        user_id: whose listeners receive it.
        payload: what they receive.
        in_order: wait for earlier messages of the user that could not be sent.
    """
    session.info.setdefault("outbox", []).append((user_id, payload, in_order))


@event.listens_for(Session, "before_commit")
def _insert(session: Session) -> None:
    written: list[tuple[str, dict[str, Any], bool]] = session.info.pop("outbox", [])
    if not written:
        return
    common = {"leased_until": utc_now() + LEASE, "attempts": 0, "last_error": ""}
    rows = [{"user_id": user_id, "payload": json.dumps(payload), **common} for user_id, payload, _ in written]
    inserted = session.connection().execute(INSERT, rows).all()
    ready, must_wait = [], []
    for row, (user_id, payload, in_order) in zip(inserted, written, strict=True):
        if row.must_wait and in_order:
            must_wait.append(row.id)
        else:
            ready.append(Message(row.id, user_id, payload))
    session.info["sent"] = ready
    if must_wait:
        # Expire their lease at once, so that they can be sent right after the earlier message. The error text
        # makes the user's next message wait too.
        waits = {"leased_until": utc_now(), "last_error": "waits for an earlier message"}
        session.connection().execute(
            update(OutboxMessage).where(col(OutboxMessage.id).in_(must_wait)).values(waits)
        )


@event.listens_for(Session, "after_commit")
def _call_listeners(session: Session) -> None:
    if messages := session.info.pop("sent", None):
        for listener in _listeners:
            listener(messages)


def lease_overdue() -> list[Message]:
    """Lease the messages that no process sent in time, oldest first."""
    now = utc_now()
    overdue = col(OutboxMessage.leased_until) < now
    with read_session() as session:
        # This check takes no write lock, and nearly always there is nothing to do.
        if session.exec(select(OutboxMessage.id).where(overdue).limit(1)).first() is None:
            return []
    # Wait for an earlier message of the same user that another process is about to send.
    earlier = aliased(OutboxMessage)
    must_wait = exists().where(
        col(earlier.user_id) == OutboxMessage.user_id,
        col(earlier.id) < OutboxMessage.id,
        col(earlier.leased_until) >= now,
    )
    with unit_of_work() as session:
        ids = select(OutboxMessage.id).where(overdue, ~must_wait)
        ids = ids.order_by(col(OutboxMessage.id)).limit(_MAX_BATCH)
        lease = (
            update(OutboxMessage)
            .where(col(OutboxMessage.id).in_(ids.with_for_update(skip_locked=True)))
            .values(leased_until=now + LEASE, attempts=OutboxMessage.attempts + 1)
            .returning(col(OutboxMessage.id), col(OutboxMessage.user_id), col(OutboxMessage.payload))
        )
        rows = session.execute(lease).all()
    return [Message(row.id, row.user_id, json.loads(row.payload)) for row in sorted(rows, key=lambda row: row.id)]


def delete_sent(ids: Sequence[int]) -> None:
    """Delete messages that were sent."""
    with unit_of_work() as session:
        session.execute(delete(OutboxMessage).where(col(OutboxMessage.id).in_(ids)))


def note_failure(ids: Sequence[int], error: str) -> None:
    """Note why messages could not be sent; they are leased again when their lease ends."""
    with unit_of_work() as session:
        rows = update(OutboxMessage).where(col(OutboxMessage.id).in_(ids))
        session.execute(rows.values(last_error=error[:300]))
