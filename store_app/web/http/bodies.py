"""Reading the body of a request before the application is called: its size, its time and how many at once.

A client that sends slowly, or not at all, then keeps a few kilobytes, not the state of a whole request.
"""

import asyncio
from http import HTTPStatus

from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from store_app import network
from store_app.web.http.middleware import middleware
from store_app.web.http.problems import problem

# Far above any real request. Without a limit, one client could exhaust the memory.
MAX_BODY_BYTES = 1024 * 1024
_WITHOUT_BODY = {"GET", "HEAD", "OPTIONS"}
# The webhook reads its bodies by itself, and answers in the provider's format.
_OTHER_FORMAT = "/api/webhooks/"


class _TooLarge(Exception):
    """The body is larger than `MAX_BODY_BYTES`."""


@middleware
async def read_body_first(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Call the application with the whole body; refuse one that is too large, too slow or one too many."""
    if scope["type"] != "http" or scope["method"] in _WITHOUT_BODY or scope["path"].startswith(_OTHER_FORMAT):
        await app(scope, receive, send)
        return
    try:
        with network.open_body(network.client_address(HTTPConnection(scope))):
            async with asyncio.timeout(network.BODY_TIMEOUT_SECONDS):
                body = await _whole_body(receive)
    except ClientDisconnect:
        # The client has gone, or the body cannot be read, for which it may still wait.
        refusal = problem(HTTPStatus.BAD_REQUEST, "http-error", "The body cannot be read.")
    except _TooLarge:
        refusal = problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "http-error", "The body is larger than 1 MiB.")
    except TimeoutError:
        refusal = problem(HTTPStatus.REQUEST_TIMEOUT, "http-error", "The body took too long to arrive.")
    except network.TooManyOpenBodies:
        detail = "Too many requests of your network wait for the rest of their body. Try again."
        refusal = problem(HTTPStatus.TOO_MANY_REQUESTS, "too-many-tries", detail, {"Retry-After": "1"})
    else:
        await app(scope, _with_body(body, receive), send)
        return
    await refusal(scope, receive, send)


async def _whole_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        # Counted while it is read: Content-Length is not trusted.
        if len(body) > MAX_BODY_BYTES:
            raise _TooLarge
        if not message.get("more_body", False):
            return bytes(body)


def _with_body(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` whose first message is the body."""
    whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_body_first() -> Message:
        return whole.pop() if whole else await receive()

    return receive_body_first
