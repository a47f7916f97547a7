"""What attackers send: raw bytes, from any address of the loopback network, in a process of their own."""

import asyncio
import json
import random
import struct
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Self, TypeVar

from tests.security.event_socket import SHELF, SHELL, STATE
from tests.support.proxy import allow_many_sockets, idle_connections

T = TypeVar("T")
TEXT, BINARY = 0x1, 0x2
CONNECT = "40/_event,"
EVENTS, MESSAGES = "/_event/?EIO=4&transport=websocket&token=x", "/ws"
TIMEOUT_SECONDS = 10


def source_address(number: int) -> str:
    """Return one of some 60,000 addresses of the loopback network that a client can have."""
    return f"127.77.{number // 250 % 250}.{number % 250 + 1}"


def frame(payload: str | bytes) -> bytes:
    """Return a websocket frame (RFC 6455, 5.2), masked with zeros."""
    opcode, data = (TEXT, payload.encode()) if isinstance(payload, str) else (BINARY, payload)
    if len(data) < 126:
        length = struct.pack("!B", 0x80 | len(data))
    elif len(data) < 65_536:
        length = struct.pack("!BH", 0x80 | 126, len(data))
    else:
        length = struct.pack("!BQ", 0x80 | 127, len(data))
    return bytes([0x80 | opcode]) + length + bytes(4) + data


def event(name: str, payload: object = None, path: str = "/") -> str:
    """Return an event as Reflex's client sends it."""
    router_data = {"pathname": "/", "asPath": path, "query": {}}
    data = {"name": name, "payload": payload or {}, "router_data": router_data}
    return "42/_event," + json.dumps(["event", data])


LOAD = event(f"{SHELF}.load")
# As long as a frame may be, and slow to read.
LONG = event(f"{SHELL}.load", {"numbers": [1.1] * 12_000, "half": "\ud83d"})


def odd_events(seed: int) -> Iterator[str]:
    """Return events that no page sends, without end."""
    drawn = random.Random(seed)
    names = [f"{SHELL}.setvar", f"{SHELL}.no_such", f"{STATE}.on_load_internal", "", "\x00", "x" * 2_000]
    exception = f"{STATE}.reflex___state____frontend_event_exception_state.handle_frontend_exception"
    makers: list[Callable[[], str]] = [
        lambda: event(drawn.choice(names), {"x": drawn.random()}),
        lambda: event(f"{SHELL}.load", {"y" * drawn.randrange(1, 500): 1}),
        lambda: event(exception, {"info": "A" * drawn.randrange(5_000), "component_stack": "B\n" * 100}),
        lambda: "42/_event," + json.dumps(["event", {"name": []}]),
        lambda: "42/_event," + "[" * drawn.randrange(1, 3_000),
        lambda: "42/_event," + json.dumps([drawn.choice(["ping", "no-such", ""]), drawn.random()]),
    ]
    while True:
        yield drawn.choice(makers)()


@dataclass
class RawSocket:
    """A connection to the event socket that sends any bytes; a context manager that hangs up at the end."""

    port: int
    source: str
    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, port: int, source: str, path: str = EVENTS) -> Self:
        """Connect and send the handshake.

        Raises:
            OSError, asyncio.IncompleteReadError: the store does not take the connection.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
        writer.write(
            b"GET %b HTTP/1.1\r\nHost: localhost:%d\r\n"
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n" % (path.encode(), port)
        )
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), TIMEOUT_SECONDS)
        if path == EVENTS:
            writer.write(frame(CONNECT))
        return cls(port, source, reader, writer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._writer.transport.abort()

    @property
    def is_closed(self) -> bool:
        """Whether the store was found to have hung up, by sending to it."""
        return self._writer.is_closing()

    async def send(self, data: bytes) -> None:
        """Send bytes; return when the operating system has taken them, or the store has hung up."""
        with suppress(OSError, TimeoutError):
            self._writer.write(data)
            await asyncio.wait_for(self._writer.drain(), TIMEOUT_SECONDS)

    async def read_until_closed(self) -> None:
        """Read what the store sends until it hangs up."""
        with suppress(OSError):
            while await self._reader.read(65_536):
                pass


async def flood_events(port: int, sockets: int, events: int, rounds: int, addresses: int) -> int:
    """Open sockets that send events and hang up at once, some rounds of it; return how many events were sent."""
    blob = frame(LOAD) * events

    async def one(number: int) -> int:
        sent = 0
        for turn in range(rounds):
            source = source_address((turn * sockets + number) % addresses)
            with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                async with await RawSocket.open(port, source) as raw:
                    await raw.send(blob)
                    sent += events
        return sent

    return sum(await asyncio.gather(*map(one, range(sockets))))


async def come_and_go(port: int, sockets: int) -> int:
    """Open sockets that load a page and hang up, one after the other; return how many were opened."""

    async def one(number: int) -> int:
        with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            # As many addresses as needed for so many connections within a minute.
            async with await RawSocket.open(port, source_address(number % 50)) as raw:
                await raw.send(frame(LOAD))
                return 1
        return 0

    return await _a_few_at_a_time(sockets, one, most=5)


async def steady_events(port: int, sockets: int, per_second: int, seconds: int, text: str = LOAD) -> int:
    """Send as many events as one connection may, from as many connections as one address may have.

    A connection that the store ends is opened again.
    """
    end = time.monotonic() + seconds

    async def until_closed() -> int:
        sent = 0
        with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            async with await RawSocket.open(port, source_address(50_000)) as raw:
                closed = asyncio.create_task(raw.read_until_closed())
                while time.monotonic() < end and not closed.done():
                    await raw.send(frame(text))
                    sent += 1
                    await asyncio.sleep(1 / per_second)
                closed.cancel()
        return sent

    async def one(_number: int) -> int:
        sent = 0
        while time.monotonic() < end:
            sent += await until_closed()
            await asyncio.sleep(1 / per_second)
        return sent

    return sum(await asyncio.gather(*map(one, range(sockets))))


async def never_read(port: int, sockets: int, per_second: int, seconds: int) -> int:
    """Send events whose answers are long, and read none of them; return how many were sent."""
    text = event(f"{SHELF}.load", path="/?q=" + "a" * 60_000)

    async def one(_number: int) -> int:
        sent, end = 0, time.monotonic() + seconds
        async with await RawSocket.open(port, source_address(50_001)) as raw:
            while time.monotonic() < end and not raw.is_closed:
                await raw.send(frame(text))
                sent += 1
                await asyncio.sleep(1 / per_second)
        return sent

    return sum(await asyncio.gather(*map(one, range(sockets))))


async def flood_odd_events(port: int, events: int, seed: int) -> int:
    """Send events that no page sends, over as many connections as needed; return how many were sent."""
    texts, per_socket = odd_events(seed), 50

    async def one(number: int) -> int:
        with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            async with await RawSocket.open(port, source_address(number)) as raw:
                await raw.send(b"".join(frame(next(texts)) for _ in range(per_socket)))
                return per_socket
        return 0

    return await _a_few_at_a_time(events // per_socket, one)


async def abort_bodies(port: int, bodies: int) -> int:
    """Begin requests with a body and hang up in the middle of it; return how many."""
    paths = ("/api/webhooks/payment", "/api/users", "/api/purchases", "/auth/login")

    async def one(number: int) -> int:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source_address(number), 0))
            path = paths[number % len(paths)]
            writer.write(_begin_of_post(path, port, length=1_000) + b"{" * (number % 500))
            await writer.drain()
            writer.transport.abort()
            return 1
        return 0

    return await _a_few_at_a_time(bodies, one)


async def _a_few_at_a_time(number: int, one: Callable[[int], Awaitable[int]], most: int = 20) -> int:
    numbers = iter(range(number))

    async def work() -> int:
        return sum([await one(current) for current in numbers])

    return sum(await asyncio.gather(*(work() for _ in range(most))))


def _begin_of_post(path: str, port: int, length: int, more: str = "") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/json\r\n{more}"
    return f"{head}Content-Length: {length}\r\n\r\n".encode()


def fragment(data: bytes, *, is_first: bool) -> bytes:
    """Return a piece of a text message that more pieces follow (RFC 6455, 5.4)."""
    return bytes([TEXT if is_first else 0]) + struct.pack("!BQ", 0x80 | 127, len(data)) + bytes(4) + data


async def unfinished_messages(port: int, path: str, sockets: int, bytes_per_second: int) -> int:
    """Send messages of up to 32 MB each without an end; return how many connections the store has ended.

    All together send `bytes_per_second`, as over one line.
    """
    piece, pause = 64_000, 64_000 * sockets / bytes_per_second

    async def one(_number: int) -> int:
        async with await RawSocket.open(port, source_address(0), path) as raw:
            ended = asyncio.create_task(raw.read_until_closed())
            for number in range(32_000_000 // piece):
                await raw.send(fragment(b"A" * piece, is_first=not number))
                await asyncio.wait({ended}, timeout=pause)
                if ended.done():
                    break
            with suppress(TimeoutError):
                await asyncio.wait_for(ended, TIMEOUT_SECONDS)
                return 1
        return 0

    return sum(await asyncio.gather(*map(one, range(sockets))))


async def slow_bodies(port: int, requests: int, seconds: float) -> int:
    """Send bodies a byte at a time; return how many the store has ended by itself."""

    async def one(_number: int) -> int:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source_address(0), 0))
        except OSError:
            return 0
        writer.write(_begin_of_post("/api/users", port, length=1_000))
        answer = asyncio.create_task(reader.read(1))
        with suppress(OSError):
            for _ in range(int(seconds)):
                writer.write(b" ")
                await writer.drain()
                if (await asyncio.wait({answer}, timeout=1))[0]:
                    break
        ended = answer.done()
        answer.cancel()
        writer.transport.abort()
        return ended

    return sum(await asyncio.gather(*map(one, range(requests))))


async def half_open(port: int, total: int, at_once: int) -> int:
    """Begin TLS handshakes and say no more; return how many. The oldest end when more than `at_once` are open."""
    begun = b"\x16\x03\x01\x02\x00\x01"
    open_ones: deque[asyncio.StreamWriter] = deque()

    async def one(number: int) -> int:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source_address(number), 0))
            writer.write(begun)
            open_ones.append(writer)
            if len(open_ones) > at_once:
                open_ones.popleft().transport.abort()
            return 1
        return 0

    done = await _a_few_at_a_time(total, one, most=50)
    for writer in open_ones:
        writer.transport.abort()
    return done


async def idle(port: int, count: int, seconds: float) -> int:
    """Keep connections open that say nothing; return how many."""
    async with idle_connections(port, count) as opened:
        await asyncio.sleep(seconds)
    return opened


async def binary_attachments(port: int) -> int:
    """Promise attachments, send 250 of 900 kB, then frames of 2 MB; return how many bytes were sent."""
    promise = frame('459999999999-/_event,["event",{"_placeholder":true,"num":0}]')
    floods = [promise, frame(b"\x00" * 900_000) * 250], [frame("42/_event," + "A" * 2_000_000) * 20]
    sent = 0
    for number, flood in enumerate(floods):
        with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            async with await RawSocket.open(port, source_address(number)) as raw:
                for data in flood:
                    await raw.send(data)
                    sent += len(data)
                await asyncio.wait_for(raw.read_until_closed(), TIMEOUT_SECONDS)
    return sent


async def post_at_once(port: int, path: str, bodies: list[object], source: str) -> dict[int, int]:
    """Send all these requests at the same time; return how often each status was answered."""
    answers = await asyncio.gather(*(_post(port, path, body, {}, source) for body in bodies))
    return dict(sorted(Counter(answers).items()))


async def post_steadily(
    port: int, path: str, body: object, headers: dict[str, str], seconds: int
) -> tuple[dict[int, int], float]:
    """Send a request 20 times a second; return how often each status was answered, and the median of the times."""
    times, answers = [], Counter[int]()
    for _ in range(20 * seconds):
        begin = time.perf_counter()
        answers[await _post(port, path, body, headers, source_address(60_002))] += 1
        times.append(time.perf_counter() - begin)
        await asyncio.sleep(0.05)
    return dict(answers), sorted(times)[len(times) // 2]


async def _post(port: int, path: str, body: object, headers: dict[str, str], source: str) -> int:
    data = json.dumps(body).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name == "authorization")
    writer.write(_begin_of_post(path, port, len(data), more + "Connection: close\r\n") + data)
    status = (await reader.readline()).split()[1]
    writer.close()
    return int(status)


async def until_connected(port: int, count: int, attack: "asyncio.Future[Any]") -> None:
    """Wait until so many connections to a port of this machine are open, or the attack is done."""
    while not attack.done() and _connections_to(port) < count:  # noqa: ASYNC110 - it happens in another process
        await asyncio.sleep(0.005)


def _connections_to(port: int) -> int:
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return sum(line.split()[2].endswith(f":{port:04X}") and line.split()[3] == "01" for line in lines)


class Attackers:
    """A process for what attackers do: measuring in the same one would measure them."""

    def __init__(self) -> None:
        """Start it."""
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def start(self, attack: Callable[..., Coroutine[Any, Any, T]], *arguments: object) -> "asyncio.Future[T]":
        """Begin an attack: a function of this module, with its arguments."""
        return asyncio.get_running_loop().run_in_executor(self._pool, _run, attack, arguments)


def _run(attack: Callable[..., Coroutine[Any, Any, T]], arguments: tuple[object, ...]) -> T:
    allow_many_sockets()
    return asyncio.run(attack(*arguments))
