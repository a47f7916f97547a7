"""The developer's window: the latest orders, and buttons that make things happen to them."""

from html import escape as text
from http import HTTPStatus
from itertools import groupby
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse

from simulator.amounts import in_words
from simulator.api.requests import GUARDS, not_found
from simulator.context import Simulator, TheSimulator
from simulator.page.markup import STYLE, actions, button, choice, link, notice, page, paragraph
from simulator.payments import BuyerRefused, NotNow
from simulator.records import Clock, Delivery, Order, OrderStatus, Outcome
from simulator.scenarios import Scenario
from simulator.scenarios.runner import fitting, run

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


def window(orders: list[Order], clock: Clock, refusal: str | None = None) -> HTMLResponse:
    """The latest orders, each with its deliveries and buttons."""
    told = "" if refusal is None else notice("That was not possible.", refusal)
    content = "".join(_article(order, order.status_at(clock())) for order in orders)
    empty = paragraph("No orders yet. Buy something in the store: its payment appears here.", "card")
    return page(
        "Latest orders",
        told + (content or empty) + actions(link("/", "Refresh")),
        status=200 if refusal is None else 409,
        wide=True,
    )


def _article(order: Order, status: OrderStatus) -> str:
    return (
        f'<article class="card"><div class="head"><h2>Order {order.id}: {text(status)}</h2>'
        f"<span>{in_words(order.sale.total, order.sale.currency)}</span></div>"
        f'<p class="muted">{text(_about(order))}</p>{_deliveries(order)}{_buttons(order, status)}</article>'
    )


def _about(order: Order) -> str:
    items = ", ".join(f"{line.quantity} x {line.name}" for line in order.sale.lines)
    store_order = f"store order {order.sale.store_order}, " if order.sale.store_order else ""
    return f"{items}; {store_order}buyer {order.sale.buyer.id}, {order.created_at:%Y-%m-%d %H:%M:%S} UTC"


def _deliveries(order: Order) -> str:
    lines = ((line, len(list(equal))) for line, equal in groupby(map(_delivery, order.deliveries)))
    shown = (line if count == 1 else f"{count} x {line}" for line, count in lines)
    return f"<ul>{''.join(f'<li>{text(each)}</li>' for each in shown)}</ul>"


def _delivery(delivery: Delivery) -> str:
    answer = "no answer" if delivery.last_status is None else f"answer {delivery.last_status}"
    tries = len(delivery.attempts)
    count = "1 try" if tries == 1 else f"{tries} tries"
    return f"{delivery.type}: {delivery.outcome}, {answer}, {count}"


def _buttons(order: Order, status: OrderStatus) -> str:
    scenarios: list[tuple[str, str]] = []
    if status is OrderStatus.NEW:
        scenarios += [("happy", "Pay"), ("decline", "Decline")]
    if order.payment is not None and not order.is_refunded:
        scenarios.append(("refund", "Refund"))
    if order.newest_chain:
        scenarios.append(("duplicate", "Send again"))
    if any(_is_on_its_way(delivery) for delivery in order.deliveries):
        scenarios.append(("release", "Send now what is held"))
    buttons = [button(f"/orders/{order.id}/{name}", label) for name, label in scenarios]
    return actions(*buttons, _choice(order, status))


def _is_on_its_way(delivery: Delivery) -> bool:
    return delivery.outcome is Outcome.WAITING and not delivery.attempts


def _choice(order: Order, status: OrderStatus) -> str:
    names = [scenario.value for scenario in fitting(order, status)]
    return choice(f"/orders/{order.id}/scenario", f"Scenario for order {order.id}", names) if names else ""
