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
from store_app.web.http.middleware import middleware
from store_app.web.http.session_cookie import current_user_of
from store_app.web.live.tabs import Tab

EVENT_PATH = "/_event"
# A close code of the range for applications (RFC 6455, 7.4.2), at which Reflex's client reconnects.
SESSION_ENDED = 4001


def _with_token(scope: Scope, token: str) -> Scope:
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    query["token"] = [token]
    return {**scope, "query_string": urlencode(query, doseq=True).encode()}


Refresh = Callable[[Tab, outbox.Message], Awaitable[None]]


@middleware
async def guard_event_socket(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, *, refresh: Refresh
) -> None:
    """Guard Reflex's event socket; `refresh` shows a message in a tab."""
    if scope["type"] != "websocket" or not scope["path"].startswith(EVENT_PATH):
        await app(scope, receive, send)
        return
    current_user = await current_user_of(HTTPConnection(scope))
    connection = EndableConnection(receive, SESSION_ENDED)
    tab = Tab(secrets.token_hex(16), current_user, connection.disconnect, refresh)
    tab.register()
    try:
        await app(_with_token(scope, tab.token), connection.receive, send)
    finally:
        tab.unregister()
        await connection.close(send)


class EndableConnection:
    """A connection that the server can end: the app then receives a disconnect, as if the client had left."""

    def __init__(self, receive: Receive, close_code: int) -> None:
        self._receive, self._close_code = receive, close_code
        self._ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def receive(self) -> Message:
        received: asyncio.Future[Any] = asyncio.ensure_future(self._receive())
        try:
            await asyncio.wait({received, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            disconnect = {"type": "websocket.disconnect", "code": self._close_code}
            return received.result() if received.done() else disconnect
        finally:
            received.cancel()

    def disconnect(self) -> None:
        """Have `receive` return a disconnect."""
        if not self._ended.done():
            self._ended.set_result(None)

    async def close(self, send: Send) -> None:
        """Tell the client, if it was the server that ended the connection."""
        if self._ended.done():
            await send({"type": "websocket.close", "code": self._close_code, "reason": "signed out"})
