"""The engine that DATABASE_URL names, and what differs between SQLite and PostgreSQL."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlmodel import SQLModel

from store_app.db import connection_watchdog
from store_app.db.private_files import make_private
from store_app.settings import get_settings

# As many as threads (`db.threads`), so that no thread waits for a connection that another one holds.
CONNECTIONS = 8
# PostgreSQL's codes for a serialization failure, a deadlock, and a unique constraint.
_CONFLICTS = {"40001", "40P01", "23505"}


def _sqlite_engine(url: str) -> Engine:
    database = make_url(url).database
    if database and database != ":memory:":
        make_private(Path(database))
    engine = create_engine(url, pool_size=CONNECTIONS, max_overflow=2)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # The driver must not open transactions by itself: `begin` below decides which kind.
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "foreign_keys=ON",
            "busy_timeout=5000",
            # A payment answered 204 must survive a power cut.
            "synchronous=FULL",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        # Two transactions that read first and write later can deadlock: take the write lock at once.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres_engine(url: str) -> Engine:
    engine = create_engine(
        url,
        pool_size=CONNECTIONS,
        max_overflow=2,
        pool_timeout=5,
        connect_args={
            "connect_timeout": 5,
            "options": (
                "-c statement_timeout=5000 -c lock_timeout=4000 -c timezone=UTC"
                # The server may not notice that a connection is lost, and would keep its rows locked.
                " -c idle_in_transaction_session_timeout=10000"
            ),
            # Notice a network that drops all packets within seconds, not after the kernel's two hours.
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
        },
    )
    connection_watchdog.track(engine)
    return engine


def make_engine(url: str) -> Engine:
    """Return an engine for `url` (`sqlite:///...` or `postgresql+psycopg2://...`)."""
    return _sqlite_engine(url) if url.startswith("sqlite") else _postgres_engine(url)


@lru_cache
def get_engine() -> Engine:
    """Return the engine of this process."""
    return make_engine(get_settings().database_url)


@lru_cache
def writing_engine() -> Engine:
    """Return the engine of this process, for transactions that write."""
    return get_engine().execution_options(writes=True)


def writers() -> int:
    """Return how many group commits to run at a time.

    SQLite allows one writer. On PostgreSQL one transaction computes while the other waits for the server; more
    than two would contend for the interpreter lock, and each would commit fewer deliveries.
    """
    return 1 if get_engine().dialect.name == "sqlite" else 2


def cannot_be_reached(error: Exception) -> bool:
    """Whether the database does not answer, or another process locks it: a retry now would wait just as long.

    An error that PostgreSQL itself reports (a deadlock, a lock timeout) has a code: a retry now may succeed.
    """
    if isinstance(error, OperationalError | InterfaceError):
        return getattr(error.orig, "pgcode", None) is None
    return isinstance(error, PoolTimeoutError)


def is_conflict(error: Exception) -> bool:
    """Whether PostgreSQL gave up a transaction because of another one at the same moment: a retry may succeed."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "pgcode", None) in _CONFLICTS


def insert_or_ignore(dialect: str, model: type[SQLModel]) -> Any:
    """Return an INSERT for the table of `model` that does nothing where it would violate a unique constraint."""
    module = postgresql if dialect == "postgresql" else sqlite
    return module.insert(model.metadata.tables[str(model.__tablename__)]).on_conflict_do_nothing()
