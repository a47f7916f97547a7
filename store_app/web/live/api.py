"""WS /ws: a user's own messages, as JSON, for clients other than the store's pages."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from starlette.websockets import WebSocketState

from store_app.accounts.service import CurrentUser, find_current_user, session_is_open
from store_app.db.outbox import Message
from store_app.db.threads import in_database_thread, read
from store_app.live.hub import hub
from store_app.network import client_address
from store_app.web.http.session_cookie import current_user_of
from store_app.web.live.connection_limits import REASON, TOO_MANY_CONNECTIONS, address_slot, user_slot
from store_app.web.live.event_limits import UnwantedFrame, connection_limiter, count_frame
from store_app.web.live.event_socket import EndableConnection

router = APIRouter()
TOKEN_TIMEOUT_SECONDS, MAX_TOKEN_MESSAGE_CHARACTERS = 5.0, 1_000
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
    close: Callable[[], None]

    async def send(self, message: Message) -> None:
        """Send a message, if the session is still open."""
        if message.payload["event"] not in EVENTS:
            return
        if not await read(session_is_open, self.session_hash):
            self.close()
        # Meanwhile the session may have ended, and the message about it closed the connection.
        elif self.socket.application_state is WebSocketState.CONNECTED:
            await self.socket.send_json(message.payload)


async def _token_in_first_message(connection: EndableConnection) -> str | None:
    with suppress(TimeoutError, ValueError, RecursionError):
        message = await asyncio.wait_for(connection.receive(), TOKEN_TIMEOUT_SECONDS)
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"])
        text = message.get("text") or ""
        first = json.loads(text) if len(text) <= MAX_TOKEN_MESSAGE_CHARACTERS else None
        if isinstance(first, dict) and isinstance(first.get("token"), str):
            return str(first["token"])
    return None


async def _current_user(socket: WebSocket, connection: EndableConnection) -> CurrentUser | None:
    """Return the user of the cookie or Authorization header, else of the token in the first message."""
    if current_user := await current_user_of(socket):
        return current_user
    return await in_database_thread(find_current_user, await _token_in_first_message(connection))


@router.websocket("/ws")
async def messages(socket: WebSocket) -> None:
    """Send a user's own messages until either side disconnects. GET /api/purchases shows what was missed."""
    async with address_slot(client_address(socket)) as has_slot:
        # Accepted first: a client is told the reason only of a connection that was open.
        await socket.accept()
        if not has_slot:
            await socket.close(TOO_MANY_CONNECTIONS, REASON)
            return
        connection = EndableConnection(socket.receive, NOT_SIGNED_IN, socket.scope.get("client"))
        with suppress(WebSocketDisconnect):
            await _serve(socket, connection)
        if socket.application_state is WebSocketState.CONNECTED:
            await connection.close(socket.send)


async def _ignore_frames(connection: EndableConnection) -> None:
    """Ignore what a client sends until it disconnects; disconnect one that sends too much."""
    limiter = connection_limiter()
    while (message := await connection.receive())["type"] != "websocket.disconnect":
        try:
            await count_frame(limiter, message)
        except UnwantedFrame as unwanted:
            connection.disconnect(unwanted.code, "too many frames")


async def _serve(socket: WebSocket, connection: EndableConnection) -> None:
    current_user = await _current_user(socket, connection)
    if current_user is None:
        await socket.close(NOT_SIGNED_IN, 'send {"token": "..."} first')
        return
    async with user_slot(current_user.user_id) as has_slot:
        if not has_slot:
            await socket.close(TOO_MANY_CONNECTIONS, REASON)
            return
        client = SocketClient(socket, current_user.user_id, current_user.session_hash, connection.disconnect)
        hub.add(client)
        try:
            await _ignore_frames(connection)
        finally:
            hub.remove(client)
