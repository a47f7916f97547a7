"""Ends websockets whose client keeps sending one message without an end.

The server (Granian) keeps an unfinished message in memory, up to 64 MiB for each connection, before anything of it
reaches the application, and has no setting for that. So this compares what the kernel has received on a connection
with what has reached the application. Linux only: elsewhere nothing is ended.
"""

import asyncio
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol
from weakref import WeakValueDictionary

from starlette.types import Message

from store_app.addresses import normalized
from store_app.logs import note_security_event

# Twice the longest frame that a page may send.
MAX_UNFINISHED_BYTES = 128 * 1024
# What a client's pings and pongs may have between two looks: they never reach the application.
_CONTROL_BYTES = 100
_LOOK_EVERY_SECONDS = 0.1
# RFC 6455, 7.4.1.
_TOO_BIG = 1009
# Where `bytes_received` is in the kernel's `struct tcp_info` (linux/tcp.h).
_TCP_INFO_LENGTH, _BYTES_RECEIVED = 136, 128
# The address and the port, which Granian gives as text.
_Peer = tuple[str, str]


class Watched(Protocol):
    """An open websocket: what has reached the application, and what was seen at the last look, in bytes."""

    delivered: int
    delivered_before: int
    received_before: int
    unfinished: int

    def disconnect(self, code: int, reason: str) -> None:
        """End it."""


# While somebody else refers to them: until the connection ends.
_open: WeakValueDictionary[_Peer, Watched] = WeakValueDictionary()
# Set when a connection opens.
_wake_ups: set[asyncio.Event] = set()


def watch(peer: tuple[str, int | str] | None, connection: Watched) -> None:
    """Watch the connection from this address and port, for as long as somebody else refers to it."""
    if peer is not None:
        _open[_name(peer)] = connection
        for opened in _wake_ups:
            opened.set()


def _name(peer: Sequence[int | str]) -> _Peer:
    return normalized(str(peer[0])), str(peer[1])


def length(message: Message) -> int:
    """Return how many bytes, about, of a message have reached the application."""
    return len(message.get("text") or message.get("bytes") or "")


async def end_unfinished() -> None:
    """End connections with too much unfinished, until canceled."""
    if sys.platform != "linux":
        return
    opened = asyncio.Event()
    _wake_ups.add(opened)
    try:
        await _look_again_and_again(opened)
    finally:
        _wake_ups.remove(opened)


async def _look_again_and_again(opened: asyncio.Event) -> None:
    while True:
        with suppress(TimeoutError):
            # At a new connection at once: what a proxy has sent on it before does not count.
            await asyncio.wait_for(opened.wait(), _LOOK_EVERY_SECONDS)
        opened.clear()
        if _open:
            found, took = await asyncio.to_thread(_look)
            for connection in found:
                note_security_event("unfinished_message", "a connection was ended")
                connection.disconnect(_TOO_BIG, "a message is too long")
            # Thousands of connections take long to look at: not more than a twentieth of a processor's time.
            await asyncio.sleep(20 * took)


def _look() -> tuple[list[Watched], float]:
    """Return the connections with too much unfinished, and how many seconds of a processor the look took."""
    found, begin = [], time.thread_time()
    for descriptor in Path("/proc/self/fd").iterdir():
        # Any of them may be closed meanwhile, or be no socket.
        with suppress(OSError, ValueError), _borrowed(int(descriptor.name)) as connection:
            if connection.type == socket.SOCK_STREAM and connection.family in {socket.AF_INET, socket.AF_INET6}:
                known = _open.get(_name(connection.getpeername()))
                if known is not None and _has_too_much(known, _received_bytes(connection)):
                    found.append(known)
    return found, time.thread_time() - begin


@contextmanager
def _borrowed(descriptor: int) -> Iterator[socket.socket]:
    """Return the socket of a descriptor, which stays open."""
    borrowed = socket.socket(fileno=descriptor)
    try:
        yield borrowed
    finally:
        borrowed.detach()


def _received_bytes(connection: socket.socket) -> int:
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_LENGTH)
    return int(struct.unpack_from("Q", info, _BYTES_RECEIVED)[0])


def _has_too_much(known: Watched, received: int) -> bool:
    grown = received - known.received_before
    if known.received_before < 0 or known.delivered != known.delivered_before:
        known.unfinished = 0
    elif grown > _CONTROL_BYTES:
        known.unfinished += grown
    known.received_before, known.delivered_before = received, known.delivered
    return known.unfinished > MAX_UNFINISHED_BYTES
