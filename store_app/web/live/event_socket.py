"""The guard in front of Reflex's own websocket.

Reflex takes the `?token=` of a handshake as the address of a state and asks nothing more: whoever knows or
guesses a token is given that state. So the guard replaces it with a random one of its own: a state belongs to
one connection, and no other connection can ever name it. A page that reconnects builds itself from the cookie
and the database, as it does when it opens.

The guard also knows which user each connection belongs to, from the cookie of its own handshake, and makes it
a listener of that user's messages.
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
from store_app.web.http.session_cookie import session_token
from store_app.web.live.tabs import Tab

EVENT_PATH = "/_event"
# Of the range for applications (RFC 6455, 7.4.2); the client simply connects again.
SESSION_ENDED = 4001


def _with_own_token(scope: Scope, token: str) -> Scope:
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    query["token"] = [token]
    return {**scope, "query_string": urlencode(query, doseq=True).encode()}


class EventSocketGuard:
    """ASGI middleware around the whole app; it touches only Reflex's event socket."""

    def __init__(self, app: ASGIApp, refresh: Callable[[Tab, outbox.Message], Awaitable[None]]) -> None:
        """Wrap `app`; `refresh` shows a message in a tab."""
        self._app = app
        self._refresh = refresh

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "websocket" or not scope["path"].startswith(EVENT_PATH):
            await self._app(scope, receive, send)
            return
        current_user = await in_database_thread(find_current_user, session_token(HTTPConnection(scope)))
        line = _Line(receive)
        tab = Tab(secrets.token_hex(16), current_user, line.cut, self._refresh)
        tab.open()
        try:
            await self._app(_with_own_token(scope, tab.token), line.receive, send)
        finally:
            tab.gone()
            await line.hang_up(send)


class _Line:
    """The receiving side of a connection, which the server can cut: the app then sees the client leave."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._cut = asyncio.Event()
        self._waiting_for_cut: asyncio.Task[Any] | None = None

    async def receive(self) -> Message:
        if self._waiting_for_cut is None:
            self._waiting_for_cut = asyncio.create_task(self._cut.wait())
        heard = asyncio.ensure_future(self._receive())
        await asyncio.wait({heard, self._waiting_for_cut}, return_when=asyncio.FIRST_COMPLETED)
        if heard.done():
            return heard.result()
        heard.cancel()
        return {"type": "websocket.disconnect", "code": SESSION_ENDED}

    def cut(self) -> None:
        self._cut.set()

    async def hang_up(self, send: Send) -> None:
        if self._waiting_for_cut:
            self._waiting_for_cut.cancel()
        if self._cut.is_set():
            await send({"type": "websocket.close", "code": SESSION_ENDED, "reason": "signed out"})
