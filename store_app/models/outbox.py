"""The `outbox` table: what must happen after a commit, written in the same transaction."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from store_app.models.base import BigId, UtcDateTime


class OutboxMessage(SQLModel, table=True):
    """A message to open tabs and `/ws` clients; the row is deleted once it was sent."""

    __tablename__ = "outbox"
    # SQLite would use an id again, and a late deletion would then delete another message.
    __table_args__ = {"sqlite_autoincrement": True}

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    # None: a message to everybody.
    user_id: str | None = Field(foreign_key="users.id", max_length=36, index=True)
    # The JSON text that `/ws` clients receive.
    payload: str
    # Until then the process that holds the lease sends the message; later any process may take it.
    leased_until: datetime = Field(sa_type=UtcDateTime, index=True)
    attempts: int = 0
    last_error: str = Field(default="", max_length=300)
