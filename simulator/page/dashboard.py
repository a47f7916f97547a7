"""The dashboard: the latest orders with their notifications, and buttons that run scenarios on them."""

from html import escape
from http import HTTPStatus
from itertools import groupby
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse

from simulator.amounts import for_display
from simulator.api.requests import CONTROL_GUARDS, order_not_found
from simulator.context import Simulator, SimulatorDep
from simulator.page.markup import STYLE, buttons, card, link, notice, page, paragraph, post_button, select_form
from simulator.payments import ActionRefused, UserRefused
from simulator.records import Notification, NotificationStatus, Order, OrderStatus
from simulator.scenarios import Scenario
from simulator.scenarios.runner import possible_scenarios, run

router = APIRouter(include_in_schema=False)

_MAX_ORDERS = 50


@router.get("/", dependencies=CONTROL_GUARDS)
async def show(simulator: SimulatorDep) -> Response:
    """Show the latest orders."""
    return _dashboard(simulator)


@router.post("/orders/{order_id}/scenario", dependencies=CONTROL_GUARDS)
async def run_selected(order_id: int, request: Request, simulator: SimulatorDep) -> Response:
    """Run the scenario that was selected in the form."""
    selected = parse_qs((await request.body()).decode("ascii", "replace")).get("name", [""])[0]
    if selected not in set(Scenario):
        return _dashboard(simulator, "Choose a scenario first.")
    return await run_scenario(order_id, Scenario(selected), simulator)


@router.post("/orders/{order_id}/release", dependencies=CONTROL_GUARDS)
async def release(order_id: int, simulator: SimulatorDep) -> Response:
    """Send held notifications now."""
    simulator.payments.release(_find(simulator, order_id))
    return RedirectResponse("/", HTTPStatus.SEE_OTHER)


@router.post("/orders/{order_id}/{scenario}", dependencies=CONTROL_GUARDS)
async def run_scenario(order_id: int, scenario: Scenario, simulator: SimulatorDep) -> Response:
    """Run a scenario and show the dashboard again; notifications continue in the background."""
    order = _find(simulator, order_id)
    try:
        await run(simulator.payments, order, scenario)
    except (UserRefused, ActionRefused) as refusal:
        return _dashboard(simulator, str(refusal))
    return RedirectResponse("/", HTTPStatus.SEE_OTHER)


@router.get("/style.css")
async def style() -> Response:
    """Return the style sheet of all pages."""
    return PlainTextResponse(STYLE, media_type="text/css", headers={"Cache-Control": "max-age=60"})


@router.get("/livez")
async def livez() -> Response:
    """Answer, which shows that the process is running."""
    return PlainTextResponse("ok\n")


def _find(simulator: Simulator, order_id: int) -> Order:
    order = simulator.repository.orders.get(order_id)
    if order is None:
        raise order_not_found(order_id)
    return order


def _dashboard(simulator: Simulator, refusal: str | None = None) -> HTMLResponse:
    now = simulator.repository.clock()
    error = "" if refusal is None else notice("That is not possible.", refusal)
    orders = "".join(_article(each, each.status_at(now)) for each in simulator.repository.latest(_MAX_ORDERS))
    empty = card(paragraph("No orders yet. Buy something in the store, and its payment appears here."))
    return page(
        "Latest orders",
        error + (orders or empty) + buttons(link("/", "Refresh")),
        status=HTTPStatus.OK if refusal is None else HTTPStatus.CONFLICT,
        wide=True,
    )


def _article(order: Order, status: OrderStatus) -> str:
    return (
        f'<article class="card"><div class="head"><h2>Order {order.id}: {escape(status)}</h2>'
        f"<span>{for_display(order.sale.total, order.sale.currency)}</span></div>"
        f'<p class="muted">{escape(_summary(order))}</p>{_notifications(order)}{_buttons(order, status)}</article>'
    )


def _summary(order: Order) -> str:
    items = ", ".join(f"{line.quantity} x {line.name}" for line in order.sale.lines)
    store_order = f"store order {order.sale.store_order_id}, " if order.sale.store_order_id else ""
    return f"{items}; {store_order}user {order.sale.user.id}, {order.created_at:%Y-%m-%d %H:%M:%S} UTC"


def _notifications(order: Order) -> str:
    lines = ((line, len(list(equal))) for line, equal in groupby(map(_notification, order.notifications)))
    counted = (line if count == 1 else f"{count} x {line}" for line, count in lines)
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in counted)}</ul>"


def _notification(notification: Notification) -> str:
    status = notification.last_response_status
    response = "no response" if status is None else f"response {status}"
    deliveries = len(notification.deliveries)
    count = "1 delivery" if deliveries == 1 else f"{deliveries} deliveries"
    return f"{notification.type}: {notification.status}, {response}, {count}"


def _buttons(order: Order, status: OrderStatus) -> str:
    actions: list[tuple[str, str]] = []
    if status is OrderStatus.NEW:
        actions += [("happy", "Pay"), ("decline", "Decline")]
    if order.payment is not None and not order.is_refunded:
        actions.append(("refund", "Refund"))
    if order.latest_notifications:
        actions.append(("duplicate", "Send again"))
    if any(_is_not_sent_yet(notification) for notification in order.notifications):
        actions.append(("release", "Send held notifications now"))
    forms = [post_button(f"/orders/{order.id}/{name}", label) for name, label in actions]
    return buttons(*forms, _scenario_form(order, status))


def _is_not_sent_yet(notification: Notification) -> bool:
    return notification.status is NotificationStatus.WAITING and not notification.deliveries


def _scenario_form(order: Order, status: OrderStatus) -> str:
    names = [scenario.value for scenario in possible_scenarios(order, status)]
    label = f"Scenario for order {order.id}"
    return select_form(f"/orders/{order.id}/scenario", label, names) if names else ""
