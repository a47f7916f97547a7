"""The developer's window: the latest orders, and buttons that make things happen to them."""

from http import HTTPStatus
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from starlette.responses import PlainTextResponse, RedirectResponse

from simulator.errors import BuyerRefused, NotNow, not_found
from simulator.guard import GUARDS
from simulator.markup import STYLE
from simulator.records import Order
from simulator.scenarios import Scenario, run
from simulator.simulator import Simulator, TheSimulator
from simulator.window_page import window

router = APIRouter(include_in_schema=False)

_SHOWN = 50


@router.get("/", dependencies=GUARDS)
async def show(simulator: TheSimulator) -> Response:
    """List the latest orders."""
    return _window(simulator, None)


@router.post("/orders/{order_id}/scenario", dependencies=GUARDS)
async def choose(order_id: int, request: Request, simulator: TheSimulator) -> Response:
    """Run the scenario that was chosen in the form."""
    chosen = parse_qs((await request.body()).decode("ascii", "replace")).get("name", [""])[0]
    if chosen not in set(Scenario):
        return _window(simulator, "Choose a scenario first.")
    return await act(order_id, Scenario(chosen), simulator)


@router.post("/orders/{order_id}/release", dependencies=GUARDS)
async def release(order_id: int, simulator: TheSimulator) -> Response:
    """Let notifications go that are held for later."""
    simulator.payments.release(_find(simulator, order_id))
    return RedirectResponse("/", HTTPStatus.SEE_OTHER)


@router.post("/orders/{order_id}/{scenario}", dependencies=GUARDS)
async def act(order_id: int, scenario: Scenario, simulator: TheSimulator) -> Response:
    """Run a scenario and show the list again; deliveries go on in the background."""
    order = _find(simulator, order_id)
    try:
        await run(simulator.payments, order, scenario)
    except (BuyerRefused, NotNow) as refusal:
        return _window(simulator, str(refusal))
    return RedirectResponse("/", HTTPStatus.SEE_OTHER)


@router.get("/style.css")
async def style() -> Response:
    """The looks of all pages."""
    return PlainTextResponse(STYLE, media_type="text/css", headers={"Cache-Control": "max-age=60"})


@router.get("/livez")
async def alive() -> Response:
    """Say that the process answers."""
    return PlainTextResponse("ok\n")


def _find(simulator: Simulator, order_id: int) -> Order:
    order = simulator.books.orders.get(order_id)
    if order is None:
        raise not_found(f"Order {order_id}")
    return order


def _window(simulator: Simulator, refusal: str | None) -> Response:
    return window(simulator.books.latest(_SHOWN), simulator.books.clock, refusal)
