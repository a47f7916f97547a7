"""The simulator as an ASGI application, and the server that runs it."""

import errno
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from simulator.api import control_api, merchant_api, store_api
from simulator.api.requests import ApiError
from simulator.context import build_simulator
from simulator.page import dashboard, payment_page
from simulator.records import Clock, utc_now
from simulator.settings import Settings, is_loopback, load

_ROUTERS = (
    store_api.router,
    merchant_api.router,
    payment_page.router,
    control_api.router,
    dashboard.router,
)


class CannotListen(Exception):
    """The server cannot listen on its address; the message is one sentence."""


def create_app(settings: Settings | None = None, *, clock: Clock = utc_now) -> FastAPI:
    """Create a simulator with its own memory; the default settings are read from the environment."""
    app = FastAPI(title="Payment simulator", lifespan=_lifespan)
    app.state.simulator = build_simulator(settings or load(Settings), clock)
    app.exception_handler(ApiError)(_error_response)
    if app.state.simulator.settings.listens_on_loopback:
        app.add_middleware(_LoopbackNamesOnly)
    for router in _ROUTERS:
        app.include_router(router)
    return app


def application() -> FastAPI:
    """Create the application inside the server process, with its log on standard error."""
    logging.basicConfig(level=logging.INFO, format="simulator %(levelname)s %(message)s")
    # The HTTP client would log each delivery a second time.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return create_app()


def serve(settings: Settings) -> None:
    """Run the server until a signal stops it; raise CannotListen before anything is started."""
    _require_free_port(settings.simulator_host, settings.simulator_port)
    print(f"Payment simulator: {settings.simulator_url}", flush=True)
    if not settings.listens_on_loopback:
        print(
            f"WARNING: THE SIMULATOR LISTENS ON {settings.simulator_host}, NOT ONLY ON THIS MACHINE: whoever can "
            "connect to it can have the store grant items.",
            flush=True,
        )
    Granian(
        f"{__name__}:{application.__name__}",
        address=settings.simulator_host,
        port=settings.simulator_port,
        interface=Interfaces.ASGI,
        # The orders are in the memory of the worker, so there must be exactly one.
        workers=1,
        factory=True,
        websockets=False,
        log_level=LogLevels.warning,
        workers_kill_timeout=5,
    ).serve()


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await app.state.simulator.close()


class _LoopbackNamesOnly:
    """Refuses requests for other host names than this machine's.

    A page of another site could give its own name the address 127.0.0.1 (DNS rebinding) and would then have the
    simulator's origin.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not is_loopback(_host_name(Headers(scope=scope).get("host", ""))):
            refusal = JSONResponse({"detail": "The simulator answers only for localhost."}, 421)
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _host_name(host: str) -> str:
    """Return the name or address in a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


async def _error_response(_: Request, error: ApiError) -> JSONResponse:
    return JSONResponse(error.body(), status_code=error.status)


def _require_free_port(host: str, port: int) -> None:
    """Check the port first: the server itself would share a port on which another process listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotListen(_describe(error, host, port)) from None


def _describe(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use: stop the process that listens on it, or set SIMULATOR_PORT to another."
    return f"Cannot listen on {host}:{port}: {error.strerror or error}."
