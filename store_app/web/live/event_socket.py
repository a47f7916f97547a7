"""The guard in front of Reflex's event socket.

Reflex uses the `?token=` of a handshake as the key of a state, without any check: a client that knows or guesses a
token gets that state. So the guard replaces the token with a random one. A state then belongs to one connection,
and no other connection can name it. A page that reconnects loads its data from the database, as a new page does.

The guard also looks up the user of each connection, from the cookie in the handshake, and registers the connection
as a listener of that user's messages.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlencode

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from store_app.db import outbox
from store_app.network import client_address
from store_app.web.http.middleware import middleware
from store_app.web.http.session_cookie import current_user_of
from store_app.web.live import unfinished_messages
from store_app.web.live.connection_limits import REASON, TOO_MANY_CONNECTIONS, address_slot, user_slot
from store_app.web.live.event_limits import (
    MAX_UNFINISHED_EVENTS,
    MAX_WAITING_FRAMES,
    POLICY_VIOLATION,
    UnwantedFrame,
    address_limiter,
    check_form,
    connection_limiter,
    count_frame,
    frame_count,
    is_allowed,
    is_frame,
)
from store_app.web.live.tabs import Tab

EVENT_PATH = "/_event"
# A close code of the range for applications (RFC 6455, 7.4.2), at which Reflex's client reconnects.
SESSION_ENDED = 4001
SECONDS_TO_TAKE_A_MESSAGE = 30
# As if the client had gone without a word (RFC 6455, 7.4.1).
_LOST: Message = {"type": "websocket.disconnect", "code": 1006}


def _with_token(scope: Scope, token: str) -> Scope:
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    query["token"] = [token]
    return {**scope, "query_string": urlencode(query, doseq=True).encode()}


Refresh = Callable[[Tab, outbox.Message], Awaitable[None]]


@middleware
async def guard_event_socket(
    app: ASGIApp,
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    refresh: Refresh,
    forget: Callable[[Tab], None],
) -> None:
    """Guard Reflex's event socket; `refresh` shows a message in a tab, `forget` ends what a tab left."""
    if scope["type"] != "websocket" or not scope["path"].startswith(EVENT_PATH):
        await app(scope, receive, send)
        return
    handshake = HTTPConnection(scope)
    address = client_address(handshake)
    async with address_slot(address) as address_may:
        current_user = await current_user_of(handshake) if address_may else None
        async with user_slot(current_user.user_id if current_user else "") as user_may:
            if not (address_may and user_may):
                await _refuse(receive, send)
                return
            connection = EndableConnection(receive, SESSION_ENDED, scope.get("client"))
            tab = Tab(secrets.token_hex(16), current_user, address, connection.disconnect, refresh)
            try:
                await _serve(app, scope, send, connection, tab)
            finally:
                forget(tab)
                await connection.close(send)


async def _refuse(receive: Receive, send: Send) -> None:
    # Accepted first: a client is told the reason only of a connection that was open.
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": TOO_MANY_CONNECTIONS, "reason": REASON})


async def _serve(app: ASGIApp, scope: Scope, send: Send, connection: "EndableConnection", tab: Tab) -> None:
    tab.register()
    receiver = BoundedReceiver(connection, tab)
    reading = asyncio.create_task(receiver.run())
    try:
        await app(_with_token(scope, tab.token), receiver.receive, connection.sender(send))
    finally:
        reading.cancel()
        tab.unregister()


class BoundedReceiver:
    """Receives what a page sends, no faster than the tab's events are done and their answers taken.

    It reads ahead, to notice at once that the client sends too much or has gone; what waits then is dropped.
    """

    def __init__(self, connection: "EndableConnection", tab: Tab) -> None:
        """Read from `connection` while `run` runs."""
        self._connection, self._tab = connection, tab
        self._limiter, self._address_limiter = connection_limiter(), address_limiter(tab.address)
        self._waiting: asyncio.Queue[Message] = asyncio.Queue()
        self._waiting_frames = 0
        self._disconnect: Message | None = None
        self._gone = asyncio.Event()
        connection.sent = tab.event_ended

    async def run(self) -> None:
        """Read until the connection ends."""
        message = _LOST
        try:
            while (message := await self._connection.receive())["type"] != "websocket.disconnect":
                try:
                    await self._take(message)
                except UnwantedFrame as unwanted:
                    self._connection.disconnect(unwanted.code, "the store's pages send no such frames")
        finally:
            # Whatever ended it, `receive` must not wait for another frame.
            self._disconnect = message if message["type"] == "websocket.disconnect" else _LOST
            self._gone.set()
            self._tab.event_ended.set()
            self._waiting.put_nowait(self._disconnect)

    async def _take(self, message: Message) -> None:
        """Keep a message for `receive`.

        Raises:
            UnwantedFrame: no page sends such a message, or so many.
        """
        if is_frame(message):
            check_form(message)
            await count_frame(self._limiter, message)
        if self._waiting_frames + frame_count(message) > MAX_WAITING_FRAMES:
            # To read on only when one is done would leave what the client sent in the buffers of the operating
            # system, to be worked off after it has gone: that it has would be read last.
            raise UnwantedFrame(POLICY_VIOLATION)
        self._waiting_frames += frame_count(message)
        self._waiting.put_nowait(message)

    async def receive(self) -> Message:
        """Return the next message that a page of the store sends, when there is no more than may be unfinished."""
        while True:
            while self._is_busy() and self._disconnect is None:
                self._tab.event_ended.clear()
                await self._tab.event_ended.wait()
            message = await self._next()
            if self._disconnect is not None:
                return self._disconnect
            # Read only now: reading is work, too.
            if is_allowed(message):
                return message

    def _is_busy(self) -> bool:
        return len(self._tab.unfinished) >= MAX_UNFINISHED_EVENTS or self._connection.is_sending

    async def _next(self) -> Message:
        """Return the next message, in its address's turn."""
        if self._disconnect is not None:
            return self._disconnect
        message = await self._waiting.get()
        self._waiting_frames -= frame_count(message)
        if is_frame(message):
            await self._wait_for_turn(frame_count(message))
        return message

    async def _wait_for_turn(self, frames: int) -> None:
        """Wait until the address may send so many more frames, or the client has gone."""
        if self._address_limiter.has_capacity(frames):
            await self._address_limiter.acquire(frames)
            return
        turn = asyncio.ensure_future(self._address_limiter.acquire(frames))
        gone = asyncio.ensure_future(self._gone.wait())
        await asyncio.wait({turn, gone}, return_when=asyncio.FIRST_COMPLETED)
        turn.cancel()
        gone.cancel()


class EndableConnection:
    """A connection that the server can end: the app then receives a disconnect, as if the client had left."""

    def __init__(self, receive: Receive, close_code: int, peer: tuple[str, int] | None = None) -> None:
        """Take what `receive` returns; `peer` is the client's address and port."""
        self.is_sending, self.sent = False, asyncio.Event()
        self.delivered, self.delivered_before, self.received_before, self.unfinished = 0, 0, -1, 0
        unfinished_messages.watch(peer, self)
        self._receive, self._close_code, self._reason = receive, close_code, "signed out"
        self._ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def receive(self) -> Message:
        received: asyncio.Future[Any] = asyncio.ensure_future(self._receive())
        try:
            await asyncio.wait({received, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            if not received.done():
                return {"type": "websocket.disconnect", "code": self._close_code}
            message: Message = received.result()
            self.delivered += unfinished_messages.length(message)
            return message
        finally:
            received.cancel()

    def disconnect(self, code: int = 0, reason: str = "") -> None:
        """Have `receive` return a disconnect; `code` and `reason` say why, unless the session has ended."""
        if not self._ended.done():
            self._close_code, self._reason = code or self._close_code, reason or self._reason
            self._ended.set_result(None)

    def sender(self, send: Send) -> Send:
        """Return a `send` that closes with our own code, if it was the server that ended the connection.

        It ends the connection of a client that does not take what it is sent. `is_sending` says that it waits for
        the client; `sent` is set when it no longer does.
        """

        async def with_own_code(message: Message) -> None:
            if message["type"] == "websocket.close" and self._ended.done():
                message = {**message, "code": self._close_code, "reason": self._reason}
            self.is_sending = True
            limit = asyncio.get_running_loop().call_later(
                SECONDS_TO_TAKE_A_MESSAGE, self.disconnect, POLICY_VIOLATION, "what was sent was not taken"
            )
            try:
                await send(message)
            finally:
                limit.cancel()
                self.is_sending = False
                self.sent.set()

        return with_own_code

    async def close(self, send: Send) -> None:
        """Tell the client, if it was the server that ended the connection."""
        if self._ended.done():
            await send({"type": "websocket.close", "code": self._close_code, "reason": self._reason})
