"""A message for a connection that has just been closed."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message as Frame
from starlette.websockets import WebSocket

from store_app.db.outbox import Message
from store_app.web.live import api
from store_app.web.live.api import SocketClient


@pytest.mark.parametrize("closed_before", [True, False])
def test_a_message_comes_before_the_close_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, closed_before: bool
) -> None:
    sent: list[str] = []

    async def receive() -> Frame:
        return {"type": "websocket.connect"}

    async def send(frame: Frame) -> None:
        sent.append(frame["type"])

    async def session_is_open(*_arguments: Any) -> bool:
        # It was, when the database was asked.
        if closed_before:
            await socket.close()
        return True

    socket = WebSocket({"type": "websocket", "headers": []}, receive, send)
    monkeypatch.setattr(api, "read", session_is_open)
    client = SocketClient(socket, "user", "session", lambda: None)
    payload: dict[str, Any] = {"event": "purchase_success", "order_id": "1", "items": []}

    async def run() -> None:
        await socket.accept()
        await client.send(Message(1, "user", payload))

    asyncio.run(run())
    assert sent == ["websocket.accept", "websocket.close" if closed_before else "websocket.send"]
