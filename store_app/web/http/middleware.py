"""ASGI middleware around the whole application: origins, body size, addresses of pages, headers."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import HTTPException as EndpointError
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from store_app import network
from store_app.logs import note_security_event
from store_app.settings import get_settings
from store_app.web.http.problems import problem

# Far above any real request. Without a limit, one client could exhaust the memory.
MAX_BODY_BYTES = 1024 * 1024


def middleware(serve: Callable[..., Awaitable[None]]) -> Callable[..., ASGIApp]:
    """Make ASGI middleware of a function whose first argument is the application that it wraps."""

    def wrap(app: ASGIApp, **options: Any) -> ASGIApp:
        return partial(serve, app, **options)

    return wrap


@middleware
async def guard_origin(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse requests that a page of another site makes with a user's cookie (ASVS 3.5).

    Requests without an `Origin` header, such as those of other servers, pass.
    """
    if scope["type"] in {"http", "websocket"}:
        origin = HTTPConnection(scope).headers.get("origin")
        if origin is not None and origin not in get_settings().allowed_origins:
            note_security_event("refused_origin", "a request of a page of another site was refused")
            await _refuse_origin(scope, receive, send)
            return
    await app(scope, receive, send)


async def _refuse_origin(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": "origin"})
        return
    response = problem(403, "foreign-origin", "This address answers only the store's own pages.")
    await response(scope, receive, send)


@middleware
async def ignore_disconnects(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """End a request whose client disconnects while its body is read: nobody waits for a response."""
    # Not an error of the store: it must not be logged with a traceback.
    with suppress(ClientDisconnect):
        await app(scope, receive, send)


@middleware
async def limit_body(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse bodies over `MAX_BODY_BYTES`, or over `BODY_TIMEOUT_SECONDS`, with a problem document.

    Counts while the body is read: Content-Length is not trusted. A route with a smaller limit answers by itself.
    """
    if scope["type"] == "http":
        # The webhook answers in the provider's format.
        is_timed = not scope["path"].startswith("/api/webhooks/")
        receive = _LimitedBody(receive, is_timed=is_timed).receive
    await app(scope, receive, send)


class _LimitedBody:
    """The body of a request, whose size and time are limited."""

    def __init__(self, receive: Receive, *, is_timed: bool) -> None:
        self._receive, self._is_timed = receive, is_timed
        self._size = 0
        self._deadline: float | None = None

    async def receive(self) -> Message:
        # FastAPI reports any exception but its own as invalid JSON.
        try:
            async with asyncio.timeout_at(self._next_deadline()):
                message = await self._receive()
        except TimeoutError:
            raise EndpointError(HTTPStatus.REQUEST_TIMEOUT, "The body took too long to arrive.") from None
        self._is_timed = self._is_timed and message.get("more_body", False)
        self._size += len(message.get("body", b""))
        if self._size > MAX_BODY_BYTES:
            raise EndpointError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is larger than 1 MiB.")
        return message

    def _next_deadline(self) -> float | None:
        """Return when the body must be whole; None once it is, while the app waits for a disconnect."""
        if not self._is_timed:
            return None
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + network.BODY_TIMEOUT_SECONDS
        return self._deadline


@middleware
async def clean_urls(app: ASGIApp, scope: Scope, receive: Receive, send: Send, *, paths: Collection[str]) -> None:
    """Serve `/cart` from `cart.html`: the folder of that name, also built, would redirect to `/cart/`.

    `paths` are the addresses of the pages that are built as files.
    """
    if scope["type"] == "http" and scope["path"] in paths:
        scope = at_path(f"{scope['path']}.html", scope)
    await app(scope, receive, send)


def at_path(path: str, scope: Scope) -> Scope:
    """Return the scope of the same request for another path."""
    return {**scope, "path": path, "raw_path": path.encode()}


_ONE_YEAR = b"public, max-age=31536000, immutable"
# Without a header browsers guess how long a page is fresh, and would show one of an older build.
_REVALIDATED = (b"text/html", b"text/css")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


@middleware
async def add_headers(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Add the headers that every response carries, and have browsers cache files that have a hash in their name.

    The outermost middleware: Reflex's own layers each add "Origin" to `Vary`, which must be sent once.
    """

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = _completed(message.get("headers", ()), scope["path"])
        await send(message)

    await app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def _completed(headers: Iterable[tuple[bytes, bytes]], path: str) -> list[tuple[bytes, bytes]]:
    # On the bytes themselves: `MutableHeaders` searches all of them for each name, on every response.
    vary, kept, present = [], [], {}
    for name, value in headers:
        present[name] = value
        if name == b"vary":
            vary += [one.strip() for one in value.split(b",")]
        else:
            kept.append((name, value))
    if vary:
        kept.append((b"vary", b", ".join(dict.fromkeys(vary))))
    kept += [header for header in _HEADERS if header[0] not in present]
    if path.startswith("/assets/"):
        return [*(header for header in kept if header[0] != b"cache-control"), (b"cache-control", _ONE_YEAR)]
    if b"cache-control" not in present:
        if path.startswith(("/api/", "/auth/")):
            kept.append((b"cache-control", b"no-store"))
        elif present.get(b"content-type", b"").startswith(_REVALIDATED):
            kept.append((b"cache-control", b"no-cache"))
    return kept
