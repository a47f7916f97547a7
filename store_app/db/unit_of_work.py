"""Database sessions: the unit of work that commits once, a dry run of it, and sessions that only read."""

import json
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from sqlalchemy import Engine, Insert
from sqlmodel import Session

from store_app.db import outbox
from store_app.db.engine import get_engine, writing_engine
from store_app.models import utc_now

_sqlite_writer = threading.Lock()
# Whether this thread is in a unit of work.
_thread = threading.local()


class UnitOfWork(Session):
    """A database transaction, and what belongs to it: deferred rows, messages, and the objects that share it."""

    def __init__(self, engine: Engine) -> None:
        """Begin when it is first used."""
        super().__init__(engine, expire_on_commit=False)
        self.dialect = engine.dialect.name
        # Rows to insert just before the commit, those of a statement together: a statement for each row costs more
        # than the row. Only for rows that nothing reads before.
        self.at_end: dict[Insert, list[Mapping[str, Any]]] = defaultdict(list)
        # Messages to listeners, as (user id or EVERYBODY, payload), which are sent after the commit: see `outbox`.
        self.messages: list[tuple[str, dict[str, Any]]] = []
        # The one object of each class that belongs to it, such as `orders.order.Orders`.
        self.parts: dict[type, Any] = {}

    def write_deferred(self) -> list[outbox.Message]:
        """Insert the deferred rows and the messages; return the messages."""
        connection = self.connection()
        for statement, rows in self.at_end.items():
            connection.execute(statement, rows)
        if not self.messages:
            return []
        # A command has no listeners: a process of the store is to send its messages without waiting.
        leased_until = utc_now() + outbox.LEASE if outbox.listeners else utc_now()
        common = {"leased_until": leased_until, "attempts": 0, "last_error": ""}
        rows = [
            {"user_id": user_id or None, "payload": json.dumps(payload), **common}
            for user_id, payload in self.messages
        ]
        ids = connection.execute(outbox.INSERT, rows).scalars()
        return [outbox.Message(id_, *message) for id_, message in zip(ids, self.messages, strict=True)]


@contextmanager
def unit_of_work() -> Iterator[UnitOfWork]:
    """Yield the unit of work of one operation: committed when the block ends, undone when it raises."""
    engine = writing_engine()
    with _writer_slot(engine), UnitOfWork(engine) as work:
        with work.begin():
            yield work
            messages = work.write_deferred()
        for listener in outbox.listeners if messages else ():
            listener(messages)


@contextmanager
def dry_run_session() -> Iterator[UnitOfWork]:
    """Yield a unit of work of which everything is undone at its end."""
    engine = writing_engine()
    with _writer_slot(engine), UnitOfWork(engine) as work:
        yield work
        work.rollback()


@contextmanager
def _writer_slot(engine: Engine) -> Iterator[None]:
    if getattr(_thread, "writing", False):
        # On SQLite the inner unit of work would wait for the outer one forever.
        raise RuntimeError("a unit of work inside another: pass the session on")
    _thread.writing = True
    try:
        # SQLite allows one writer at a time; connections that wait for its lock poll it, in no fair order. So
        # the threads of this process wait for a lock here; other processes still contend for SQLite's own.
        with _sqlite_writer if engine.dialect.name == "sqlite" else nullcontext():
            yield
    finally:
        _thread.writing = False


@contextmanager
def read_session() -> Iterator[Session]:
    """Yield a session that only reads; whatever it changed is undone."""
    with Session(get_engine(), expire_on_commit=False) as session:
        yield session
