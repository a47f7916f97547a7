"""Connections to PostgreSQL on which nobody answers any more.

A network that swallows everything without a word leaves a thread waiting in the driver, for ever:
`statement_timeout` is the server's own, and the kernel's keepalives and `tcp_user_timeout` notice nothing while
something in between (a proxy, a pooler, a firewall) still acknowledges what it is sent. So we look at our own
clock: a connection that one operation has held for too long is hung up from outside. The thread that waits on it
then sees an ordinary lost connection, and the pool replaces it. This costs a statement nothing and an operation
two dictionary entries; a limit for each wait inside the driver would cost each statement several trips to Python.
"""

import asyncio
import os
import socket
import time
from contextlib import suppress
from typing import Any

from sqlalchemy import Engine, event

# Longer than the server's own limits for a statement and a lock, which say better what was wrong.
MAX_WAIT_SECONDS = 8.0
_LOOK_EVERY = 1.0
# Connections in use by their record in the pool, and since when.
_in_use: dict[Any, tuple[Any, float]] = {}


def track(engine: Engine) -> None:
    """Note from when to when a connection of this engine is in use."""

    # Also while it is being set up, and then before the dialect asks its first questions.
    @event.listens_for(engine, "connect", insert=True)
    def connected(connection: Any, record: Any) -> None:
        _in_use[record] = connection, time.monotonic()

    @event.listens_for(engine, "checkout")
    def taken(connection: Any, record: Any, _proxy: object) -> None:
        _in_use[record] = connection, time.monotonic()

    @event.listens_for(engine, "checkin")
    def given_back(_connection: object, record: Any) -> None:
        _in_use.pop(record, None)


async def run() -> None:
    """Hang up what has been silent for too long, until cancelled."""
    while True:
        await asyncio.sleep(_LOOK_EVERY)
        too_long_ago = time.monotonic() - MAX_WAIT_SECONDS
        for record, (connection, since) in [*_in_use.items()]:
            if since < too_long_ago:
                _in_use.pop(record, None)
                _shut_down(connection)


def _shut_down(connection: Any) -> None:
    # Its thread is inside the driver: we may not close the connection, but shut down the socket below it.
    with suppress(OSError, connection.InterfaceError), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
