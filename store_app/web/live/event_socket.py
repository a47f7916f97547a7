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

from store_app.accounts.service import find_current_user
from store_app.db import outbox
from store_app.db.threads import in_database_thread
from store_app.web.http.middleware import middleware
from store_app.web.http.session_cookie import session_token
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
    current_user = await in_database_thread(find_current_user, session_token(HTTPConnection(scope)))
    connection = _Connection(receive)
    tab = Tab(secrets.token_hex(16), current_user, connection.disconnect, refresh)
    tab.register()
    try:
        await app(_with_token(scope, tab.token), connection.receive, send)
    finally:
        tab.unregister()
        await connection.close(send)


class _Connection:
    """A connection that the server can end: the app then receives a disconnect, as if the client had left."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._disconnected = asyncio.Event()
        self._wait_for_disconnect: asyncio.Task[Any] | None = None

    async def receive(self) -> Message:
        if self._wait_for_disconnect is None:
            self._wait_for_disconnect = asyncio.create_task(self._disconnected.wait())
        received = asyncio.ensure_future(self._receive())
        await asyncio.wait({received, self._wait_for_disconnect}, return_when=asyncio.FIRST_COMPLETED)
        if received.done():
            return received.result()
        received.cancel()
        return {"type": "websocket.disconnect", "code": SESSION_ENDED}

    def disconnect(self) -> None:
        self._disconnected.set()

    async def close(self, send: Send) -> None:
        if self._wait_for_disconnect:
            self._wait_for_disconnect.cancel()
        if self._disconnected.is_set():
            await send({"type": "websocket.close", "code": SESSION_ENDED, "reason": "signed out"})
