"""Database sessions: the unit of work that commits once, a dry run of it, and sessions that only read."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from sqlalchemy import Insert, event
from sqlmodel import Session

from store_app.db.engine import get_engine, is_sqlite, writing_engine

_sqlite_writer = threading.Lock()
# Whether this thread is in a unit of work.
_thread = threading.local()


@contextmanager
def unit_of_work() -> Iterator[Session]:
    """Yield a session for one operation: committed when the block ends, undone when it raises."""
    with _writer_slot(), Session(writing_engine(), expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def dry_run_session() -> Iterator[Session]:
    """Yield a session that can write like a unit of work; everything is undone at its end."""
    with _writer_slot(), Session(writing_engine(), expire_on_commit=False) as session:
        yield session
        session.rollback()


@contextmanager
def _writer_slot() -> Iterator[None]:
    if getattr(_thread, "writing", False):
        # On SQLite the inner unit of work would wait for the outer one forever.
        raise RuntimeError("a unit of work inside another: pass the session on")
    _thread.writing = True
    try:
        # SQLite allows one writer at a time; connections that wait for its lock poll it, in no fair order. So
        # the threads of this process wait for a lock here; other processes still contend for SQLite's own.
        with _sqlite_writer if is_sqlite() else nullcontext():
            yield
    finally:
        _thread.writing = False


@contextmanager
def read_session() -> Iterator[Session]:
    """Yield a session that only reads; whatever it changed is undone."""
    with Session(get_engine(), expire_on_commit=False) as session:
        yield session


def insert_at_end(session: Session, statement: Insert, row: Mapping[str, Any]) -> None:
    """Insert a row just before the unit of work commits, together with the other rows of the same statement.

    Use it for rows that nothing reads before the commit: a statement for each row costs more than the row.
    """
    session.info.setdefault("at_end", {}).setdefault(statement, []).append(row)


@event.listens_for(Session, "before_commit")
def _insert_deferred_rows(session: Session) -> None:
    for statement, rows in session.info.pop("at_end", {}).items():
        session.connection().execute(statement, rows)
