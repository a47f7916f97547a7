"""ASGI middleware around the whole application: origins, body size, addresses of pages, headers."""

from collections.abc import Collection
from contextlib import suppress
from http import HTTPStatus

from fastapi import HTTPException as EndpointError
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from store_app.settings import get_settings
from store_app.web.http.problems import problem

# Far above any real request. Without a limit, one client could exhaust the memory.
MAX_BODY_BYTES = 1024 * 1024


class OriginGuard:
    """Refuses requests that a page of another site makes with a user's cookie (ASVS 3.5).

    Requests without an `Origin` header, such as those of other servers, pass.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app
        self._allowed = set(get_settings().allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or websocket."""
        if scope["type"] in {"http", "websocket"}:
            origin = HTTPConnection(scope).headers.get("origin")
            if origin is not None and origin not in self._allowed:
                await _refuse_origin(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _refuse_origin(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": "origin"})
        return
    response = problem(403, "foreign-origin", "This address answers only the store's own pages.")
    await response(scope, receive, send)


class ClientDisconnects:
    """Ends a request whose client disconnects while its body is read: nobody waits for a response."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        # Not an error of the store: it must not be logged with a traceback.
        with suppress(ClientDisconnect):
            await self._app(scope, receive, send)


class BodyLimit:
    """Refuses bodies over `MAX_BODY_BYTES` with a problem document.

    Counts while the body is read: Content-Length is not trusted. A route with a smaller limit answers by itself.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        size = 0

        async def receive_within_limit() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MAX_BODY_BYTES:
                # FastAPI reports any exception but its own as invalid JSON.
                raise EndpointError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is larger than 1 MiB.")
            return message

        await self._app(scope, receive_within_limit if scope["type"] == "http" else receive, send)


class CleanUrls:
    """Serves `/cart` from `cart.html`: the folder of that name, also built, would redirect to `/cart/`."""

    def __init__(self, app: ASGIApp, paths: Collection[str]) -> None:
        """Wrap `app`; `paths` are the addresses of the pages that are built as files."""
        self._app = app
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"] in self._paths:
            scope = {**scope, "path": f"{scope['path']}.html", "raw_path": f"{scope['path']}.html".encode()}
        await self._app(scope, receive, send)


_ONE_YEAR = "public, max-age=31536000, immutable"
# Without a header browsers guess how long a page is fresh, and would show one of an older build.
_REVALIDATED = ("text/html", "text/css")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class ResponseHeaders:
    """Adds the headers that every response carries, and has browsers cache files that have a hash in their name.

    The outermost middleware: Reflex's own layers each add "Origin" to `Vary`, which must be sent once.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if vary := headers.getlist("Vary"):
                    headers["Vary"] = _each_once(vary)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith("/assets/"):
                    headers["Cache-Control"] = _ONE_YEAR
                elif scope["path"].startswith(("/api/", "/auth/")):
                    headers.setdefault("Cache-Control", "no-store")
                elif headers.get("Content-Type", "").startswith(_REVALIDATED):
                    headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _each_once(values: list[str]) -> str:
    names = [name.strip() for value in values for name in value.split(",")]
    return ", ".join(dict.fromkeys(names))
