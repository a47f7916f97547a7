"""How request bodies are read: their size, their time, and how many at once; on the middleware itself."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from store_app import network
from store_app.web.http.bodies import MAX_BODY_BYTES, read_body_first

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the address of the connection: no proxy is trusted."""
    monkeypatch.setattr(network, "client_address", lambda connection: connection.client.host)


def _scope(address: str) -> Scope:
    path = "/api/users"
    return {"type": "http", "method": "POST", "path": path, "headers": [], "client": (address, 1)}


@pytest.fixture
def anyio_backend() -> str:
    """Run the asynchronous tests on asyncio."""
    return "asyncio"


def _chunks(*chunks: bytes, pause: float = 0) -> Receive:
    """Return a `receive` of a body in these chunks; afterwards the client disconnects."""
    left = list(chunks)

    async def receive() -> Message:
        await asyncio.sleep(pause)
        if not left:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    return receive


async def _answer(receive: Receive, address: str = "192.0.2.1") -> tuple[int, list[Any]]:
    """Return the status, and what the application received; it answers 200 itself."""
    sent: list[Message] = []
    received: list[Any] = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        received.extend([await receive(), await receive()])
        await send({"type": "http.response.start", "status": 200})

    async def send(message: Message) -> None:
        sent.append(message)

    await read_body_first(app)(_scope(address), receive, send)
    return (sent[0]["status"] if sent else 0), received


async def test_the_application_receives_the_whole_body_and_then_the_disconnect() -> None:
    status, received = await _answer(_chunks(b"a", b"", b"bc"))
    assert status == 200
    assert received == [{"type": "http.request", "body": b"abc", "more_body": False}, {"type": "http.disconnect"}]


async def test_many_quick_chunks_count_as_one_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "BODY_TIMEOUT_SECONDS", 0.2)
    assert await _answer(_chunks(*[b"x"] * 100, pause=0.05)) == (408, [])


async def test_waiting_for_a_disconnect_after_the_body_is_not_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "BODY_TIMEOUT_SECONDS", 0.15)
    status, received = await _answer(_chunks(b"x", pause=0.1))
    assert (status, len(received)) == (200, 2)


async def test_a_body_that_is_too_large_is_refused() -> None:
    assert await _answer(_chunks(b"x" * MAX_BODY_BYTES, b"")) != (413, [])
    assert await _answer(_chunks(b"x" * MAX_BODY_BYTES, b"x")) == (413, [])


async def test_a_body_that_ends_in_the_middle_does_not_reach_the_application() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    assert await _answer(receive) == (400, [])


async def test_an_address_may_have_so_many_bodies_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "MAX_OPEN_BODIES_PER_ADDRESS", 3)
    monkeypatch.setattr(network, "BODY_TIMEOUT_SECONDS", 0.3)
    slow = [asyncio.create_task(_answer(_chunks(b"x", b"", pause=1))) for _ in range(5)]
    await asyncio.sleep(0)
    assert (await _answer(_chunks(b"x"), address="192.0.2.2"))[0] == 200
    statuses = sorted(status for status, _ in await asyncio.gather(*slow))
    assert statuses == [408, 408, 408, 429, 429]
    # Those that ended no longer count.
    assert (await _answer(_chunks(b"x")))[0] == 200
