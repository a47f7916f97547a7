"""What must happen after a commit: a row written in the same transaction, so that no crash can lose it.

The process that committed hands its rows on at once (`on_commit`); rows that are left over, because a
process died or Redis was away, are found by `claim` and sent by whichever process is alive. So a message is
sent at least once, and the messages of one user in their order: behind one that could not be sent the next wait.
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

# A row this old was not sent by the process that wrote it.
LEASE = timedelta(seconds=10)
_MAX_BATCH = 200


@dataclass(frozen=True, slots=True)
class Message:
    """A message to one user: `payload` is the JSON object that `/ws` clients receive."""

    id: int
    user_id: str
    payload: dict[str, Any]


# Whether an earlier message of the same user could not be sent: the new one must wait behind it. As text: for
# SQLite, SQLAlchemy leaves out the names of tables in RETURNING, and here there are two.
_HELD_UP: Any = literal_column(
    "EXISTS (SELECT 1 FROM outbox AS earlier WHERE earlier.user_id = outbox.user_id"
    " AND earlier.id < outbox.id AND (earlier.last_error <> '' OR earlier.attempts > 0))"
).label("held_up")
INSERT = insert(OutboxMessage).returning(col(OutboxMessage.id), _HELD_UP, sort_by_parameter_order=True)
_listeners: list[Callable[[Sequence[Message]], None]] = []


def on_commit(listener: Callable[[Sequence[Message]], None]) -> Callable[[], None]:
    """Call `listener` with the messages of each committed transaction, in the thread that committed.

    Returns a function that ends this.
    """
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


@dataclass(frozen=True, slots=True)
class _Written:
    user_id: str
    payload: dict[str, Any]
    in_order: bool


def write(session: Session, user_id: str, payload: dict[str, Any], *, in_order: bool = True) -> None:
    """Write a message in the caller's transaction, when that commits.

    `in_order=False`: it does not wait behind earlier messages of the user that could not be sent.
    """
    session.info.setdefault("outbox", []).append(_Written(user_id, payload, in_order))


@event.listens_for(Session, "before_commit")
def _insert(session: Session) -> None:
    written: list[_Written]
    if written := session.info.pop("outbox", None):
        common = {"leased_until": utc_now() + LEASE, "attempts": 0, "last_error": ""}
        rows = [{"user_id": one.user_id, "payload": json.dumps(one.payload), **common} for one in written]
        inserted = session.connection().execute(INSERT, rows).all()
        ready, held_up = [], []
        for row, one in zip(inserted, written, strict=True):
            if row.held_up and one.in_order:
                held_up.append(row.id)
            else:
                ready.append(Message(row.id, one.user_id, one.payload))
        session.info["sent"] = ready
        if held_up:
            # Nobody is about to send it: `claim` may as soon as the earlier one is gone. And the next one sees
            # that this one waits.
            waits = {"leased_until": utc_now(), "last_error": "waits behind an earlier one"}
            session.connection().execute(
                update(OutboxMessage).where(col(OutboxMessage.id).in_(held_up)).values(waits)
            )


@event.listens_for(Session, "after_commit")
def _hand_on(session: Session) -> None:
    if messages := session.info.pop("sent", None):
        for listener in _listeners:
            listener(messages)


@event.listens_for(Session, "after_rollback")
def _forget(session: Session) -> None:
    for kept in ("outbox", "sent"):
        session.info.pop(kept, None)


def claim() -> list[Message]:
    """Take messages that nobody sent in time, oldest first, and hold them for a lease."""
    now = utc_now()
    overdue = col(OutboxMessage.leased_until) < now
    with read_session() as session:
        # Looking takes no write lock; there is nothing to do nearly always.
        if session.exec(select(OutboxMessage.id).where(overdue).limit(1)).first() is None:
            return []
    # Nothing overtakes what somebody else is about to send to the same user.
    earlier = aliased(OutboxMessage)
    held_up = exists().where(
        col(earlier.user_id) == OutboxMessage.user_id,
        col(earlier.id) < OutboxMessage.id,
        col(earlier.leased_until) >= now,
    )
    with unit_of_work() as session:
        ids = select(OutboxMessage.id).where(overdue, ~held_up)
        ids = ids.order_by(col(OutboxMessage.id)).limit(_MAX_BATCH)
        claimed = (
            update(OutboxMessage)
            .where(col(OutboxMessage.id).in_(ids.with_for_update(skip_locked=True)))
            .values(leased_until=now + LEASE, attempts=OutboxMessage.attempts + 1)
            .returning(col(OutboxMessage.id), col(OutboxMessage.user_id), col(OutboxMessage.payload))
        )
        rows = session.execute(claimed).all()
    return [Message(row.id, row.user_id, json.loads(row.payload)) for row in sorted(rows, key=lambda row: row.id)]


def done(ids: Sequence[int]) -> None:
    """Forget messages that were sent."""
    with unit_of_work() as session:
        session.execute(delete(OutboxMessage).where(col(OutboxMessage.id).in_(ids)))


def failed(ids: Sequence[int], error: str) -> None:
    """Note why messages could not be sent; they are claimed again when their lease is over."""
    with unit_of_work() as session:
        rows = update(OutboxMessage).where(col(OutboxMessage.id).in_(ids))
        session.execute(rows.values(last_error=error[:300]))
