"""WS /ws: a user's own messages, as JSON, for clients other than the store's pages."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from store_app.accounts.service import CurrentUser, find_current_user, session_is_open
from store_app.db.outbox import Message
from store_app.db.threads import in_database_thread, read
from store_app.live.hub import hub
from store_app.web.http.session_cookie import current_user_of

router = APIRouter()
TOKEN_TIMEOUT_SECONDS = 5.0
# A close code of the range for applications (RFC 6455, 7.4.2).
NOT_SIGNED_IN = 4401
# The messages that /ws promises. Pages receive others too.
EVENTS = {"purchase_success", "purchase_refunded", "order_canceled"}


@dataclass(eq=False, slots=True)
class SocketClient:
    """A `/ws` client."""

    socket: WebSocket
    user_id: str
    session_hash: str
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, message: Message) -> None:
        """Send a message, if the session is still open."""
        if message.payload["event"] not in EVENTS:
            return
        if not await read(session_is_open, self.session_hash):
            self.close()
        else:
            await self.socket.send_json(message.payload)

    def close(self) -> None:
        """Close the connection."""
        self.ended.set()

    async def wait_until_closed(self) -> None:
        """Wait until the client disconnects or the session ends. Whatever the client sends is ignored."""
        async with asyncio.TaskGroup() as tasks:
            ended = tasks.create_task(self.ended.wait())
            disconnected = tasks.create_task(self._receive_until_disconnect())
            await asyncio.wait({ended, disconnected}, return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
            disconnected.cancel()

    async def _receive_until_disconnect(self) -> None:
        # Not `receive_text`, which raises for binary messages.
        while (await self.socket.receive())["type"] != "websocket.disconnect":
            pass


async def _token_in_first_message(socket: WebSocket) -> str | None:
    with suppress(TimeoutError, ValueError, KeyError, RecursionError):
        first = json.loads(await asyncio.wait_for(socket.receive_text(), TOKEN_TIMEOUT_SECONDS))
        if isinstance(first, dict) and isinstance(first.get("token"), str):
            return str(first["token"])
    return None


async def _current_user(socket: WebSocket) -> CurrentUser | None:
    """Return the user of the cookie or Authorization header, else of the token in the first message."""
    if current_user := await current_user_of(socket):
        return current_user
    return await in_database_thread(find_current_user, await _token_in_first_message(socket))


@router.websocket("/ws")
async def messages(socket: WebSocket) -> None:
    """Send a user's own messages until either side disconnects. GET /api/purchases shows what was missed."""
    await socket.accept()
    with suppress(WebSocketDisconnect):
        current_user = await _current_user(socket)
        if current_user is None:
            await socket.close(NOT_SIGNED_IN, 'send {"token": "..."} first')
            return
        client = SocketClient(socket, current_user.user_id, current_user.session_hash)
        hub.add(client)
        try:
            await client.wait_until_closed()
        finally:
            hub.remove(client)
        if client.ended.is_set():
            await socket.close(NOT_SIGNED_IN, "signed out")
