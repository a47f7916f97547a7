"""Problem documents (RFC 9457), and the pages of lists."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from store_app.db.pagination import MAX_CURSOR_LENGTH
from store_app.errors import Refusal
from store_app.languages import gettext as _
from store_app.languages import marked
from store_app.settings import get_settings

logger = logging.getLogger(__name__)
# The titles of problem documents: the phrases of their statuses, two of which Python 3.13 renamed.
TITLES = (
    *(marked("Bad Request"), marked("Unauthorized"), marked("Forbidden"), marked("Not Found")),
    *(marked("Method Not Allowed"), marked("Request Timeout"), marked("Conflict")),
    *(marked("Request Entity Too Large"), marked("Content Too Large")),
    *(marked("Unprocessable Entity"), marked("Unprocessable Content")),
    *(marked("Too Many Requests"), marked("Internal Server Error"), marked("Service Unavailable")),
)

PROBLEM_TYPE = "application/problem+json"
# Every route that reads JSON can also answer these: the body is not UTF-8, or too large.
BAD_BODY = (400, 408, 413)
Limit = Annotated[int, Query(ge=1, le=100, description="How many to return at most.")]
CursorParameter = Annotated[
    str,
    Query(max_length=MAX_CURSOR_LENGTH, description='From the `Link: <...>; rel="next"` of the previous page.'),
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
    body = Problem(title=_(HTTPStatus(status).phrase), status=status, detail=detail, code=code).model_dump()
    return JSONResponse({**body, **more}, status_code=status, headers=headers, media_type=PROBLEM_TYPE)


def list_response(request: Request, found: Sequence[Mapping[str, Any]], next_cursor: str) -> JSONResponse:
    """Return a page of a list, as JSON; the `Link` header leads to the next one."""
    response = JSONResponse(found)
    if next_cursor:
        query = urlencode({**request.query_params, "cursor": next_cursor})
        response.headers["Link"] = f'<{get_settings().public_url}{request.url.path}?{query}>; rel="next"'
    return response


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every error in `app` with a problem document."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    for error in (OperationalError, InterfaceError, PoolTimeoutError):
        app.add_exception_handler(error, _database_error)
    app.add_exception_handler(Exception, _internal_error)


def add_api_fallback(app: FastAPI) -> None:
    """Answer unmatched paths under /api, which Reflex's pages would answer otherwise. Call it after all routes."""
    for path in ("/api", "/api/{rest:path}"):
        app.router.routes.append(Route(path, _ApiFallback(app), include_in_schema=False))


class _ApiFallback:
    """Answers unmatched /api paths with 404 or 405. A class, because Starlette limits plain functions to GET."""

    def __init__(self, api: FastAPI) -> None:
        self._api = api

    async def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        other_method = any(route.matches(scope)[0] is Match.PARTIAL for route in self._api.routes)
        raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED if other_method else HTTPStatus.NOT_FOUND)


def _refused(_request: Request, refusal: Any) -> JSONResponse:
    return problem(refusal.status, refusal.code, str(refusal), refusal.headers, **refusal.members)


def _invalid(_request: Request, error: Any) -> JSONResponse:
    first = error.errors()[0]
    # The rejected value is left out: it can be large, or impossible to write as JSON. So can the names of fields.
    where = ".".join(str(part) for part in first["loc"])[:100].encode("utf-8", "replace").decode()
    return problem(422, "invalid", f"{where}: {first['msg']}", field=where)


def _http_error(_request: Request, error: Any) -> JSONResponse:
    return problem(error.status_code, "http-error", str(error.detail), dict(error.headers or {}))


def _database_error(_request: Request, error: Exception) -> JSONResponse:
    logger.error("the database failed: %s", error)
    return problem(
        503, "database-unavailable", _("The store cannot do this now. Try again."), {"Retry-After": "5"}
    )


def _internal_error(_request: Request, _error: Exception) -> JSONResponse:
    return problem(500, "internal-error", _("Sorry, there is a problem. Your cart and orders are safe."))
