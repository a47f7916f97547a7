"""GET /livez, /health and /metrics."""

from functools import lru_cache
from hmac import compare_digest
from http import HTTPStatus

import redis.asyncio as redis
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from store_app.addresses import is_this_machine
from store_app.db.engine import get_engine
from store_app.db.threads import in_database_thread
from store_app.settings import get_settings
from store_app.web.http.problems import problems

router = APIRouter(tags=["health"])


@router.get("/livez", response_class=PlainTextResponse, summary="The process is alive")
async def livez() -> PlainTextResponse:
    """Answer without any check."""
    return PlainTextResponse("ok\n")


@lru_cache
def _newest_migration() -> str | None:
    return ScriptDirectory.from_config(Config("alembic.ini")).get_current_head()


def _migration_problem() -> str:
    with get_engine().connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    newest = _newest_migration()
    return "" if current == newest else f"the database is at migration {current}, the code at {newest}"


async def _database_problem() -> str:
    try:
        return await in_database_thread(_migration_problem)
    except SQLAlchemyError as error:
        return f"the database does not answer ({type(error).__name__})"


async def _redis_problem() -> str:
    url = get_settings().redis_url
    if not url:
        return ""
    try:
        async with redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as connection:
            await connection.echo("ready")
    except RedisError as error:
        return f"Redis does not answer ({type(error).__name__})"
    return ""


def _may_read_metrics(request: Request) -> bool:
    settings = get_settings()
    if settings.environment != "production":
        return True
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if settings.metrics_token and scheme.lower() == "bearer":
        return compare_digest(token.strip().encode(), settings.metrics_token.encode())
    # A proxy on this machine asks for others.
    is_forwarded = any(name in request.headers for name in ("x-forwarded-for", "forwarded", "x-real-ip", "via"))
    return not is_forwarded and is_this_machine(request.client.host if request.client else "unknown")


@router.get("/health", summary="Ready for requests", responses={503: {"description": "Not ready; the reasons."}})
async def health() -> Response:
    """Check the database, its migrations and, where it is set, Redis."""
    problems = [problem for problem in (await _database_problem(), await _redis_problem()) if problem]
    return JSONResponse({"ready": not problems, "problems": problems}, status_code=503 if problems else 200)


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    summary="Prometheus metrics of this process",
    responses=problems(404),
)
async def metrics(request: Request) -> Response:
    """Return the process's metrics in Prometheus's text format.

    In production: to this machine, and to whoever has METRICS_TOKEN as bearer token. For others there are none.
    """
    if not _may_read_metrics(request):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
