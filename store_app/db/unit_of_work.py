"""Sessions: the unit of work that commits once, a dry run of it, and sessions that only read."""

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
    """Yield a session that may write like a unit of work; at the end everything is undone."""
    with _writer_slot(), Session(writing_engine(), expire_on_commit=False) as session:
        yield session
        session.rollback()


@contextmanager
def _writer_slot() -> Iterator[None]:
    if getattr(_thread, "writing", False):
        # In SQLite it would wait for itself, for ever.
        raise RuntimeError("a unit of work inside another: pass the session on")
    _thread.writing = True
    try:
        # SQLite has one writer at a time, and those who wait for it sleep and try again, unfairly. Our own
        # threads queue here instead; other processes still meet SQLite's lock.
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
    """Insert a row just before the unit of work commits: all rows of one statement are sent together.

    For what nothing reads before the commit. Each statement sent by itself costs more than the row.
    """
    session.info.setdefault("at_end", {}).setdefault(statement, []).append(row)


@event.listens_for(Session, "before_commit")
def _insert_what_waits(session: Session) -> None:
    for statement, rows in session.info.pop("at_end", {}).items():
        session.connection().execute(statement, rows)
