"""The simulator as an ASGI application, and the process that serves it."""

import errno
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels
from starlette.responses import JSONResponse

from simulator.api import control_api, merchant_api, store_api
from simulator.api.requests import ApiError
from simulator.context import assemble
from simulator.page import dashboard, payment_page
from simulator.records import Clock, utc_now
from simulator.settings import Settings, load

_TARGET = "simulator.app:application"


def create_app(settings: Settings | None = None, *, clock: Clock = utc_now) -> FastAPI:
    """Make a simulator with books of its own; without settings they are read from the environment."""
    app = FastAPI(title="Payment simulator", lifespan=_lifespan)
    app.state.simulator = assemble(settings or load(Settings), clock)
    app.exception_handler(ApiError)(_answer_refusal)
    for module in (store_api, merchant_api, payment_page, control_api, dashboard):
        app.include_router(module.router)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await app.state.simulator.close()


async def _answer_refusal(_: Request, error: ApiError) -> JSONResponse:
    return JSONResponse(error.body(), status_code=error.status)


class CannotListen(Exception):
    """The address cannot be listened on; the message is one sentence."""


def application() -> FastAPI:
    """Make the application inside the serving process, with its log on standard error."""
    logging.basicConfig(level=logging.INFO, format="simulator %(levelname)s %(message)s")
    # The HTTP client would repeat every line of the courier.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return create_app()


def serve(settings: Settings) -> None:
    """Run until a signal; raises CannotListen before anything is started."""
    _must_be_free(settings.simulator_host, settings.simulator_port)
    print(f"Payment simulator: {settings.simulator_url}", flush=True)
    Granian(
        _TARGET,
        address=settings.simulator_host,
        port=settings.simulator_port,
        interface=Interfaces.ASGI,
        # The books live in memory, so there is exactly one worker.
        workers=1,
        factory=True,
        websockets=False,
        log_level=LogLevels.warning,
        workers_kill_timeout=5,
    ).serve()


def _must_be_free(host: str, port: int) -> None:
    """Try the address first: the server itself would share a port that another one listens on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotListen(_reason(error, host, port)) from None


def _reason(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use: stop what listens there, or set SIMULATOR_PORT to another."
    return f"Cannot listen on {host}:{port}: {error.strerror or error}."
