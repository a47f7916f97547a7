"""What every route shares: RFC 9457 problems, the guard of origins, headers, `Link` to the next page."""

import logging
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import FastAPI, Query, Request
from fastapi import HTTPException as EndpointError
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from store_app import routes
from store_app.errors import Invalid, Refusal, TooManyTries
from store_app.settings import get_settings

logger = logging.getLogger(__name__)

PROBLEM_TYPE = "application/problem+json"
# No request of ours comes near it; without a limit one caller could fill the memory.
LARGEST_BODY = 1024 * 1024
# How every route that reads JSON may answer besides: the bytes are no text, or too many.
BAD_BODY = (400, 413)
Limit = Annotated[int, Query(ge=1, le=100, description="How many to return at most.")]
CursorParameter = Annotated[
    str, Query(max_length=500, description='From the `Link: <...>; rel="next"` of the page before.')
]


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = Field("about:blank", examples=["about:blank"])
    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["Dragon Sword is in your library already."])
    code: str = Field(examples=["already-owned"])


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI responses for these statuses."""
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {PROBLEM_TYPE: {"schema": _SCHEMA}}}
        for status in statuses
    }


_SCHEMA = Problem.model_json_schema()


def problem(
    status: int, code: str, detail: str, headers: dict[str, str] | None = None, **more: Any
) -> JSONResponse:
    """Return a problem document."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    return JSONResponse({**body, **more}, status_code=status, headers=headers, media_type=PROBLEM_TYPE)


def link_to_next(request: Request, cursor: str) -> dict[str, str]:
    """Return the `Link` header to the next page; none at the end."""
    if not cursor:
        return {}
    query = urlencode({**request.query_params, "cursor": cursor})
    return {"Link": f'<{get_settings().public_url}{request.url.path}?{query}>; rel="next"'}


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every error of `app` with a problem document."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    for fault in (OperationalError, InterfaceError, PoolTimeoutError):
        app.add_exception_handler(fault, _database_fault)
    app.add_exception_handler(Exception, _bug)


def add_api_floor(app: FastAPI) -> None:
    """Answer what no route under /api answers; call it last. Else the pages, mounted behind, would."""
    for path in ("/api", "/api/{rest:path}"):
        app.router.routes.append(Route(path, _Nowhere(app), include_in_schema=False))


class _Nowhere:
    """The end of the API, for methods that nobody has heard of too: what is no function has every method."""

    def __init__(self, api: FastAPI) -> None:
        self._api = api

    async def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        other_method = any(route.matches(scope)[0] is Match.PARTIAL for route in self._api.routes)
        raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED if other_method else HTTPStatus.NOT_FOUND)


def _refused(_request: Request, refusal: Any) -> JSONResponse:
    headers = {"Retry-After": str(refusal.retry_after)} if isinstance(refusal, TooManyTries) else {}
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    more = {"field": refusal.field} if isinstance(refusal, Invalid) else {}
    if order_id := getattr(refusal, "order_id", None):
        more["order_id"] = order_id
    return problem(refusal.status, refusal.code, str(refusal), headers, **more)


def _invalid(_request: Request, error: Any) -> JSONResponse:
    first = error.errors()[0]
    # What was sent is not repeated: it may be large, or not fit for JSON. Nor are names of fields, as they were.
    where = ".".join(str(part) for part in first["loc"])[:100].encode("utf-8", "replace").decode()
    return problem(422, "invalid", f"{where}: {first['msg']}", field=where)


def _http_error(_request: Request, error: Any) -> JSONResponse:
    return problem(error.status_code, "http-error", str(error.detail), dict(error.headers or {}))


def _database_fault(_request: Request, error: Exception) -> JSONResponse:
    logger.error("the database failed: %s", error)
    return problem(503, "database-unavailable", "The store cannot do this now. Try again.", {"Retry-After": "5"})


def _bug(_request: Request, _error: Exception) -> JSONResponse:
    return problem(500, "internal-error", "Sorry, there is a problem. Your cart and orders are safe.")


class OriginGuard:
    """Refuses what a page of another site asks in a player's name (ASVS 3.5); servers send no Origin."""

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
    answer = problem(403, "foreign-origin", "This address answers only the store's own pages.")
    await answer(scope, receive, send)


class BodyLimit:
    """Refuses bodies over `LARGEST_BODY` while they are read; the error becomes a problem document like any other.

    A promised length is not believed. What reads no further than a smaller limit of its own may still answer.
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
            if size > LARGEST_BODY:
                # FastAPI takes anything but its own error for JSON that cannot be read.
                raise EndpointError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is larger than 1 MiB.")
            return message

        await self._app(scope, receive_within_limit if scope["type"] == "http" else receive, send)


class PlainPages:
    """Serves `/cart` as it is: the built pages are files and folders, and would send it to `/cart/`."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"] in _PLAIN_PAGES:
            scope = {**scope, "path": f"{scope['path']}.html", "raw_path": f"{scope['path']}.html".encode()}
        await self._app(scope, receive, send)


_PLAIN_PAGES = {routes.CART, routes.LIBRARY, routes.LOGIN, routes.REGISTER, routes.ACCOUNT}
_ONE_YEAR = "public, max-age=31536000, immutable"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class ResponseHeaders:
    """Adds the headers that every answer carries, and lets browsers keep what has its hash in its name."""

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
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith("/assets/"):
                    headers["Cache-Control"] = _ONE_YEAR
                elif scope["path"].startswith(("/api/", "/auth/")):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)
