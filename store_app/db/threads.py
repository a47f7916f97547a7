"""Running blocking database functions off the event loop, with a limit on how long they may take."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import copy_context
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlmodel import Session

from store_app.db import connection_watchdog
from store_app.db.engine import CONNECTIONS, get_engine
from store_app.db.unit_of_work import read_session

P = ParamSpec("P")
T = TypeVar("T")

executor = ThreadPoolExecutor(max_workers=CONNECTIONS, thread_name_prefix="database")


async def in_database_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking database function without stopping the event loop.

    Raises:
        PoolTimeoutError: PostgreSQL did not answer in time. A function that had started may still commit.
    """
    async with answered_in_time():
        # The context has the current language, in which a function may return texts.
        call = partial(copy_context().run, function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(executor, call)


async def read(query: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a query function in a database thread, with a database session that only reads.

    Raises:
        PoolTimeoutError: PostgreSQL did not answer in time.
    """

    def run() -> T:
        with read_session() as session:
            return query(session, *args, **kwargs)

    return await in_database_thread(run)


@asynccontextmanager
async def answered_in_time() -> AsyncIterator[None]:
    """Cancel the block when PostgreSQL does not answer in time; waiting for a thread or in a queue counts too.

    A function that has not started by then never starts. SQLite needs no such limit.

    Raises:
        PoolTimeoutError: the time is over.
    """
    try:
        async with asyncio.timeout(
            None if get_engine().dialect.name == "sqlite" else connection_watchdog.MAX_WAIT_SECONDS
        ):
            yield
    except TimeoutError:
        raise PoolTimeoutError("the database did not answer in time") from None
