"""The time limit of request bodies, on the middleware itself."""

import asyncio
from typing import Any

import pytest
from fastapi import HTTPException
from starlette.types import Message, Receive, Scope, Send

from store_app import network
from store_app.web.http.middleware import limit_body

pytestmark = pytest.mark.anyio
SCOPE: Scope = {"type": "http", "path": "/api/users"}


@pytest.fixture
def anyio_backend() -> str:
    """Run the asynchronous tests on asyncio."""
    return "asyncio"


async def _send(_message: Message) -> None:
    pass


def _chunks(count: int, pause: float) -> Receive:
    messages = iter(range(1, count + 1))

    async def receive() -> Message:
        await asyncio.sleep(pause)
        return {"type": "http.request", "body": b"x", "more_body": next(messages) < count}

    return receive


async def _read(_scope: Scope, receive: Receive, _send: Send) -> None:
    while (await receive())["more_body"]:
        pass


async def test_many_quick_chunks_count_as_one_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "BODY_TIMEOUT_SECONDS", 0.2)
    with pytest.raises(HTTPException) as refusal:
        await limit_body(_read)(SCOPE, _chunks(100, 0.05), _send)
    assert refusal.value.status_code == 408


async def test_waiting_for_a_disconnect_after_the_body_is_not_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "BODY_TIMEOUT_SECONDS", 0.05)
    received: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await _read(scope, receive, send)
        received.append(await receive())

    async def receive() -> Message:
        if not started:
            started.append(True)
            return {"type": "http.request", "body": b"x", "more_body": False}
        await asyncio.sleep(0.2)
        return {"type": "http.disconnect"}

    started: list[bool] = []
    await limit_body(app)(SCOPE, receive, _send)
    assert received == [{"type": "http.disconnect"}]
