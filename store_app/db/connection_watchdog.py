"""Shut down connections to PostgreSQL that no longer get an answer.

A network that drops all packets can leave a thread waiting in the driver forever: `statement_timeout` runs on the
server, and TCP keepalives and `tcp_user_timeout` notice nothing while something in between (a proxy, a pooler, a
firewall) still acknowledges the packets. So this watchdog measures the time here: it shuts down the socket of a
connection that one operation has held for too long. The waiting thread then gets an ordinary error of a lost
connection, and the pool replaces the connection. The cost is two dictionary writes for each operation, and nothing
for each statement; a timeout inside the driver would cost several calls into Python for each wait.
"""

import asyncio
import os
import socket
import time
from contextlib import suppress
from typing import Any

from sqlalchemy import Engine, event

# Longer than the server's own timeouts for statements and locks, whose errors say better what went wrong.
MAX_WAIT_SECONDS = 8.0
_CHECK_EVERY_SECONDS = 1.0
# The record in the pool of each connection in use -> the connection, and since when it is in use.
_in_use: dict[Any, tuple[Any, float]] = {}


def track(engine: Engine) -> None:
    """Record when connections of this engine are in use."""

    # Setting up a connection counts as use; `insert` puts this before the dialect's own first queries.
    @event.listens_for(engine, "connect", insert=True)
    def on_connect(connection: Any, record: Any) -> None:
        _in_use[record] = connection, time.monotonic()

    @event.listens_for(engine, "checkout")
    def on_checkout(connection: Any, record: Any, _proxy: object) -> None:
        _in_use[record] = connection, time.monotonic()

    @event.listens_for(engine, "checkin")
    def on_checkin(_connection: object, record: Any) -> None:
        _in_use.pop(record, None)


async def run() -> None:
    """Shut down connections that have been in use for too long, until canceled."""
    while True:
        await asyncio.sleep(_CHECK_EVERY_SECONDS)
        too_long_ago = time.monotonic() - MAX_WAIT_SECONDS
        for record, (connection, since) in [*_in_use.items()]:
            if since < too_long_ago:
                _in_use.pop(record, None)
                _shut_down(connection)


def _shut_down(connection: Any) -> None:
    # A thread is inside the driver, so the connection cannot be closed from here; its socket can be shut down.
    with suppress(OSError, connection.InterfaceError), socket.socket(fileno=os.dup(connection.fileno())) as copy:
        copy.shutdown(socket.SHUT_RDWR)
