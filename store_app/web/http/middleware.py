"""ASGI middleware around the whole application: origins, addresses of pages, headers."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from store_app import languages, routes
from store_app.logs import note_security_event
from store_app.settings import get_settings
from store_app.web.http.built_pages import FALLBACK
from store_app.web.http.content_security import NOT_A_PAGE, policy_of_built_page
from store_app.web.http.problems import problem


def middleware(serve: Callable[..., Awaitable[None]]) -> Callable[..., ASGIApp]:
    """Make ASGI middleware of a function whose first argument is the application that it wraps."""

    def wrap(app: ASGIApp, **options: Any) -> ASGIApp:
        return partial(serve, app, **options)

    return wrap


@middleware
async def guard_origin(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse requests that a page of another site makes with a user's cookie (ASVS 3.5).

    Requests of other programs than browsers, which have neither header, pass.
    """
    if scope["type"] in {"http", "websocket"} and _is_foreign(scope):
        note_security_event("refused_origin", "a request of a page of another site was refused")
        await _refuse_origin(scope, receive, send)
        return
    await app(scope, receive, send)


def _is_foreign(scope: Scope) -> bool:
    origins = [value for name, value in scope["headers"] if name == b"origin"]
    if origins:
        return len(origins) > 1 or origins[0].decode("latin-1") not in get_settings().allowed_origins
    # Browsers leave out Origin only when they just follow a link, which may lead here from the payment page.
    if scope["type"] == "http" and scope["method"] in _SAFE_METHODS:
        return False
    sites = {value for name, value in scope["headers"] if name == b"sec-fetch-site"}
    return not sites <= _OWN_SITES


_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
# `none`: the user typed the address. Another host of the same site is not the store.
_OWN_SITES = {b"same-origin", b"none"}


# Whoever watches over the store calls these by its address.
_FOR_MACHINES = {"/livez", "/health", "/metrics"}


@middleware
async def guard_host(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse requests for another host than the store's own, in production.

    A cache in front of the store could else be made to keep an answer that names the host of an attacker.
    """
    if scope["type"] in {"http", "websocket"} and scope["path"] not in _FOR_MACHINES:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        allowed = get_settings().allowed_hosts
        if allowed and not (len(hosts) == 1 and hosts[0].decode("latin-1").lower() in allowed):
            note_security_event("refused_host", "a request for another host was refused")
            await _refuse_host(len(hosts), scope, receive, send)
            return
    await app(scope, receive, send)


async def _refuse_host(hosts: int, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": "host"})
        return
    # Without a Host header, or with two, a request is not valid (RFC 9112, 3.2).
    status = HTTPStatus.MISDIRECTED_REQUEST if hosts == 1 else HTTPStatus.BAD_REQUEST
    response = problem(status, "unknown-host", "This store answers only for the host of its PUBLIC_URL.")
    await response(scope, receive, send)


async def _refuse_origin(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": "origin"})
        return
    response = problem(403, "foreign-origin", "This address answers only the store's own pages.")
    await response(scope, receive, send)


@middleware
async def clean_urls(app: ASGIApp, scope: Scope, receive: Receive, send: Send, *, paths: Collection[str]) -> None:
    """Serve `/cart` from `cart.html`: the folder of that name, also built, would redirect to `/cart/`.

    `paths` are the addresses of the pages that are built as files.
    """
    if scope["type"] == "http":
        # With a slash at its end too, or the file would be that of the English page.
        path, in_english = scope["path"].rstrip("/") or routes.STORE, languages.current() == languages.ENGLISH
        if path in paths or (path == routes.STORE and not in_english):
            scope = at_path(f"{routes.localized(path)}.html", scope)
    await app(scope, receive, send)


def at_path(path: str, scope: Scope) -> Scope:
    """Return the scope of the same request for another path."""
    return {**scope, "path": path, "raw_path": path.encode()}


_ONE_YEAR = b"public, max-age=31536000, immutable"
_ONE_DAY = b"public, max-age=86400, stale-while-revalidate=604800"
# Of the release: their names have no hash.
_SELDOM_CHANGED = ("/covers/", "/drawings/", "/fonts/")
# An answer about a file that does not exist yet must not be kept: the next release may have it.
_FOUND = {200, 206, 304}
# Without a header browsers guess how long a page is fresh, and would show one of an older build.
_REVALIDATED = (b"text/html", b"text/css")
_NOT_USED = ("accelerometer", "camera", "geolocation", "gyroscope", "magnetometer", "microphone", "payment", "usb")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", ", ".join(f"{feature}=()" for feature in _NOT_USED).encode()),
)
# Without `includeSubDomains`: other hosts of the domain are not the store's to decide about.
_HTTPS_ONLY = (b"strict-transport-security", b"max-age=31536000")


@middleware
async def add_headers(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Add the headers that every response carries, and have browsers cache files that have a hash in their name.

    The outermost middleware: Reflex's own layers each add "Origin" to `Vary`, which must be sent once.
    """

    waiting = scope["type"] == "http" and _has_body(scope)

    async def receive_and_note() -> Message:
        nonlocal waiting
        message = await receive()
        waiting = message.get("more_body", False)
        return message

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = _completed(message.get("headers", ()), scope["path"], message["status"])
            # The server ends a connection on which a body is left unread: a client that was not told so would send
            # its next request on it (RFC 9112, 9.6).
            if waiting:
                message["headers"].append((b"connection", b"close"))
        await send(message)

    if scope["type"] == "http":
        await app(scope, receive_and_note if waiting else receive, send_with_headers)
    else:
        await app(scope, receive, send)


def _has_body(scope: Scope) -> bool:
    # HTTP/2 has no such header: there a refused request is one stream of many.
    if scope["method"] in _SAFE_METHODS or scope["http_version"] == "2":
        return False
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


def _completed(headers: Iterable[tuple[bytes, bytes]], path: str, status: int) -> list[tuple[bytes, bytes]]:
    # On the bytes themselves: `MutableHeaders` searches all of them for each name, on every response.
    vary, kept, present = [], [], {}
    for name, value in headers:
        present[name] = value
        if name == b"vary":
            vary += [one.strip() for one in value.split(b",")]
        elif name != b"cache-control":
            kept.append((name, value))
    if vary:
        kept.append((b"vary", b", ".join(dict.fromkeys(vary))))
    kept += [header for header in _HEADERS if header[0] not in present]
    if get_settings().secure_cookies:
        kept.append(_HTTPS_ONLY)
    is_page = present.get(b"content-type", b"").startswith(b"text/html")
    # A browser would put the headers of "not modified" on the page that it has.
    if status != HTTPStatus.NOT_MODIFIED and b"content-security-policy" not in present:
        # At an address without a page it is that page which says so, even where a file has this name.
        page = FALLBACK if status == HTTPStatus.NOT_FOUND else path
        kept.append((b"content-security-policy", policy_of_built_page(page) if is_page else NOT_A_PAGE))
    if cache_control := _cache_control(path, status, present):
        kept.append((b"cache-control", cache_control))
    return kept


def _cache_control(path: str, status: int, present: Mapping[bytes, bytes]) -> bytes:
    """Return how long a response may be kept; empty: as browsers think best."""
    if path.startswith("/assets/"):
        return _ONE_YEAR if status in _FOUND else b"no-store"
    if given := present.get(b"cache-control"):
        return given
    _language, rest = routes.split(path)
    if rest.startswith(("/api/", "/auth/")):
        return b"no-store"
    if path.startswith(_SELDOM_CHANGED) and status in _FOUND:
        return _ONE_DAY
    return b"no-cache" if present.get(b"content-type", b"").startswith(_REVALIDATED) else b""
