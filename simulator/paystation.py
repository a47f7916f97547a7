"""The payment page: where the buyer pays, declines or leaves."""

from http import HTTPStatus

from fastapi import APIRouter, Response
from starlette.responses import RedirectResponse

from simulator import paystation_page as pages
from simulator.errors import BuyerRefused, NotNow
from simulator.records import Order, OrderStatus
from simulator.return_address import closed, way_back
from simulator.simulator import Simulator, TheSimulator

router = APIRouter(prefix="/paystation4", include_in_schema=False)


@router.get("")
@router.get("/")
async def show(simulator: TheSimulator, token: str = "") -> Response:
    """Show the order; the store is asked about the buyer as soon as the page opens."""
    home = simulator.settings.public_url
    order = simulator.books.by_token(token)
    if order is None:
        return pages.unknown_page(home)
    if _status(simulator, order) is OrderStatus.NEW:
        try:
            await simulator.payments.validate(order)
        except BuyerRefused as refusal:
            return pages.refused_page(order, home, str(refusal))
    # Looked at after the question to the store: another tab may have paid meanwhile.
    return _page_of(simulator, order)


@router.post("/pay")
async def pay(simulator: TheSimulator, token: str = "") -> Response:
    """Take the money and lead back to the store; a second click leads back as well."""
    home = simulator.settings.public_url
    order = simulator.books.by_token(token)
    if order is None:
        return pages.unknown_page(home)
    try:
        await simulator.payments.pay(order)
    except BuyerRefused as refusal:
        return pages.refused_page(order, home, str(refusal))
    except NotNow:
        return _page_of(simulator, order)
    return _see(way_back(order, home))


@router.post("/decline")
async def decline(simulator: TheSimulator, token: str = "") -> Response:
    """Decline a try, then show the page again, which says so."""
    order = simulator.books.by_token(token)
    if order is None:
        return pages.unknown_page(simulator.settings.public_url)
    try:
        await simulator.payments.decline(order)
    except NotNow:
        return _page_of(simulator, order)
    return _see(f"/paystation4/?token={order.token}")


@router.post("/close")
async def close(simulator: TheSimulator, token: str = "") -> Response:
    """Leave without paying."""
    home = simulator.settings.public_url
    order = simulator.books.by_token(token)
    return pages.unknown_page(home) if order is None else _see(closed(order, home))


def _page_of(simulator: Simulator, order: Order) -> Response:
    home = simulator.settings.public_url
    status = _status(simulator, order)
    if status is OrderStatus.NEW:
        return pages.open_page(order, home)
    if status in {OrderStatus.PAID, OrderStatus.DONE}:
        return pages.paid_page(order, home)
    return pages.closed_page(order, home, "refunded" if order.is_refunded else status)


def _status(simulator: Simulator, order: Order) -> OrderStatus:
    return order.status_at(simulator.books.clock())


def _see(address: str) -> RedirectResponse:
    """Lead on with GET, so that reloading repeats no act."""
    return RedirectResponse(address, HTTPStatus.SEE_OTHER, {"Referrer-Policy": "same-origin"})
