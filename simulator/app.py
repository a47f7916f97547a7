"""The simulator as an ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse

from simulator import control, items_api, merchant_api, paystation, store_api, window
from simulator.clock import Clock, utc_now
from simulator.errors import ApiError
from simulator.settings import Settings, load
from simulator.simulator import assemble


def create_app(settings: Settings | None = None, *, clock: Clock = utc_now) -> FastAPI:
    """Make a simulator with books of its own; without settings they are read from the environment."""
    app = FastAPI(title="Payment simulator", lifespan=_lifespan)
    app.state.simulator = assemble(settings or load(Settings), clock)
    app.exception_handler(ApiError)(_answer_refusal)
    for module in (store_api, items_api, merchant_api, paystation, control, window):
        app.include_router(module.router)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await app.state.simulator.close()


async def _answer_refusal(_: Request, error: ApiError) -> JSONResponse:
    return JSONResponse(error.body(), status_code=error.status)
