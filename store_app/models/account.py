"""The `users` and `sessions` tables."""

from datetime import datetime
from uuid import uuid4

from sqlmodel import Field, SQLModel

from store_app.models.base import UtcDateTime, utc_now


class User(SQLModel, table=True):
    """An account. A closed one keeps its row, because its orders and payments are records."""

    __tablename__ = "users"

    id: str = Field(default_factory=lambda: str(uuid4()), primary_key=True, max_length=36)
    username: str = Field(max_length=32)
    # The form in which names are compared: normalized and without letter case.
    username_key: str = Field(max_length=128, unique=True)
    # What names that look alike have in common. None if the account is closed, or from before this was compared
    # and like an older one.
    username_skeleton: str | None = Field(default=None, max_length=128, unique=True, index=True)
    # Argon2id hash; empty when the account is closed.
    password: str = Field(max_length=255)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    closed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class UserSession(SQLModel, table=True):
    """A signed-in browser or API client. The token itself is never stored, only its SHA-256."""

    __tablename__ = "sessions"

    token_hash: str = Field(primary_key=True, max_length=64)
    user_id: str = Field(foreign_key="users.id", max_length=36, index=True)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # Written once a day at most.
    last_seen_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
