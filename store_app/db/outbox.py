"""The outbox: messages that must follow a commit, written in the same database transaction, so that none is lost.

The process that committed sends its messages at once (`on_commit`). If it dies first, or Redis is unavailable, the
messages stay in the table, and any process leases and sends them later (`outbox_queue`). So each message is
sent at least once, in any sequence: it says what changed, and who receives it reads the database.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import insert
from sqlmodel import col

from store_app.models import OutboxMessage

# The user id of a message to all users, and to tabs in which nobody is signed in.
EVERYBODY = ""
# How long the process that wrote or leased a message has to send it; then another process does.
LEASE = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Message:
    """A message to one user, or to EVERYBODY: `payload` is the JSON object that `/ws` clients receive."""

    id: int
    user_id: str
    payload: dict[str, Any]
    # How often it was leased because it had not been sent.
    attempts: int = 0


INSERT = insert(OutboxMessage).returning(col(OutboxMessage.id), sort_by_parameter_order=True)
# Called by `unit_of_work` with the messages of each committed transaction, in the thread that committed it.
listeners: list[Callable[[Sequence[Message]], None]] = []


def on_commit(listener: Callable[[Sequence[Message]], None]) -> Callable[[], None]:
    """Add a listener; return a function that removes it."""
    listeners.append(listener)
    return lambda: listeners.remove(listener)
