"""The engine that DATABASE_URL names, the unit of work, and what differs between SQLite and PostgreSQL."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, nullcontext
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import Engine, Insert, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlmodel import Session, SQLModel

from store_app import silence
from store_app.settings import get_settings

P = ParamSpec("P")
T = TypeVar("T")

# As many threads as connections: a thread never waits for a connection that another thread holds.
CONNECTIONS = 8
_sqlite_writer = threading.Lock()
# Whether this thread is in a unit of work.
_here = threading.local()
_threads = ThreadPoolExecutor(max_workers=CONNECTIONS, thread_name_prefix="database")


def _sqlite_engine(url: str) -> Engine:
    database = make_url(url).database
    if database and database != ":memory:":
        Path(database).parent.mkdir(parents=True, exist_ok=True)
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
        # A transaction that reads first and writes later can dead-lock with another like it: take the
        # write lock at once.
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
                # The server may never learn that we hung up, and would keep our rows locked.
                " -c idle_in_transaction_session_timeout=10000"
            ),
            # A black-holed network is noticed in seconds, not after the kernel's two hours.
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
        },
    )
    silence.note_use(engine)
    return engine


def make_engine(url: str) -> Engine:
    """Return an engine for `url` (`sqlite:///...` or `postgresql+psycopg2://...`)."""
    return _sqlite_engine(url) if url.startswith("sqlite") else _postgres_engine(url)


@lru_cache
def get_engine() -> Engine:
    """Return the engine of this process."""
    return make_engine(get_settings().database_url)


@lru_cache
def _writing_engine() -> Engine:
    return get_engine().execution_options(writes=True)


@contextmanager
def unit_of_work() -> Iterator[Session]:
    """Yield a session for one operation: committed when the block ends, undone when it raises."""
    with _turn(), Session(_writing_engine(), expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def trial() -> Iterator[Session]:
    """Yield a session that may write like a unit of work; at the end everything is undone."""
    with _turn(), Session(_writing_engine(), expire_on_commit=False) as session:
        yield session
        session.rollback()


@contextmanager
def _turn() -> Iterator[None]:
    if getattr(_here, "writing", False):
        # In SQLite it would wait for itself, for ever.
        raise RuntimeError("a unit of work inside another: pass the session on")
    _here.writing = True
    try:
        # SQLite has one writer at a time, and those who wait for it sleep and try again, unfairly. Our own
        # threads queue here instead; other processes still meet SQLite's lock.
        with _sqlite_writer if _is_sqlite() else nullcontext():
            yield
    finally:
        _here.writing = False


def _is_sqlite() -> bool:
    return get_settings().database_url.startswith("sqlite")


@contextmanager
def reading() -> Iterator[Session]:
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


async def in_database_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking database function without stopping the event loop.

    Raises:
        PoolTimeoutError: PostgreSQL did not answer in time. What had begun may still be committed.
    """
    async with answered_in_time():
        return await asyncio.get_running_loop().run_in_executor(_threads, partial(function, *args, **kwargs))


@asynccontextmanager
async def answered_in_time() -> AsyncIterator[None]:
    """Give up what PostgreSQL does not answer in time, waiting for a thread or a turn included.

    What is given up before it began never begins. A file needs no such limit.

    Raises:
        PoolTimeoutError: instead of waiting longer.
    """
    try:
        async with asyncio.timeout(None if _is_sqlite() else silence.LONGEST_WAIT):
            yield
    except TimeoutError:
        raise PoolTimeoutError("the database did not answer in time") from None


def writers() -> int:
    """Return how many transactions full of work are worth having at a time.

    SQLite has one writer. With PostgreSQL one waits for the server while the other computes; more would only
    wait for the interpreter, and leave each other less to do at once.
    """
    return 1 if _is_sqlite() else 2


def cannot_be_reached(error: Exception) -> bool:
    """Whether the database does not answer, or is locked by another process: the next try would only wait too.

    What PostgreSQL itself refuses (a deadlock, a lock not had in time) has a code, and is worth a try.
    """
    if isinstance(error, OperationalError | InterfaceError):
        return getattr(error.orig, "pgcode", None) is None
    return isinstance(error, PoolTimeoutError)


def insert_or_ignore(dialect: str, model: type[SQLModel]) -> Any:
    """Return an INSERT for the table of `model` that does nothing where a unique constraint is met."""
    module = postgresql if dialect == "postgresql" else sqlite
    return module.insert(model.metadata.tables[str(model.__tablename__)]).on_conflict_do_nothing()


def dialect_of(session: Session) -> str:
    """Return "postgresql" or "sqlite"."""
    return session.get_bind().dialect.name
