"""View models of an order, and the pure functions that make them."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from store_app import money, routes
from store_app.models import OPEN, Order, OrderStatus
from store_app.orders.queries import OrderDetails, OrderLine
from store_app.web.catalogue.view import ItemLink, item_link
from store_app.web.ui.words import (
    NOT_PAYABLE,
    ORDER_WORDS,
    UNDER_REVIEW,
    OrderWords,
    obstacle_text,
    step_words,
)


@dataclass
class LineView(ItemLink):
    """A line of an order or receipt."""

    quantity: int = 1
    price: str = ""
    status: str = ""


@dataclass
class StepView:
    """A line of the timeline: the time and the event."""

    at: str = ""
    text: str = ""


@dataclass
class OrderRow:
    """An order in the list of the user's orders. `tone` chooses the color of its status."""

    number: str = ""
    href: str = ""
    placed: str = ""
    total: str = ""
    status_label: str = ""
    tone: str = ""


@dataclass
class OrderView(OrderRow):
    """What the order page shows. `status` is the status of the order, or "checking"."""

    order_id: str = ""
    status: str = ""
    heading: str = ""
    text: str = ""
    can_pay: bool = False
    can_cancel: bool = False
    can_retry: bool = False
    can_start_again: bool = False
    in_library: bool = False
    settled: bool = False
    lines: list[LineView] = field(default_factory=list)
    steps: list[StepView] = field(default_factory=list)


def moment(at: datetime) -> str:
    """Return a time as users read it: "23 Nov 2026 18:52 UTC"."""
    return f"{at.day} {at:%b %Y %H:%M} UTC"


def _words(order: Order, *, under_review: bool, obstacle: str = "") -> OrderWords:
    if under_review:
        return UNDER_REVIEW
    return replace(NOT_PAYABLE, text=obstacle_text(obstacle)) if obstacle else ORDER_WORDS[order.status]


def order_row(order: Order, *, under_review: bool) -> OrderRow:
    """Return an order as a row of the list."""
    words = _words(order, under_review=under_review)
    return OrderRow(
        number=order.number,
        href=routes.order(order.id),
        placed=moment(order.created_at),
        total=money.display(order.total, order.currency),
        status_label=words.chip,
        tone=words.tone,
    )


def order_view(details: OrderDetails, provider_name: str) -> OrderView:
    """Return what the page of an order shows."""
    order, status, checked = details.order, details.order.status, details.payability.under_review
    words = _words(order, under_review=checked, obstacle=details.payability.outdated)
    payable = not (checked or details.payability.outdated)
    return OrderView(
        **{**vars(order_row(order, under_review=checked)), "status_label": words.chip, "tone": words.tone},
        order_id=order.id,
        status="checking" if checked else status,
        heading=words.heading,
        text=words.text,
        can_pay=status == OrderStatus.PENDING and payable,
        can_cancel=status in OPEN and not checked,
        can_retry=status == OrderStatus.FAILED and payable,
        can_start_again=status in {OrderStatus.CANCELED, OrderStatus.EXPIRED},
        in_library=status in {OrderStatus.PAID, OrderStatus.PARTIALLY_REFUNDED},
        settled=status not in OPEN,
        lines=[_line_view(line, order.currency) for line in details.lines],
        steps=[
            StepView(f"{event.at:%H:%M:%S}", step_words(event.kind, provider_name)) for event in details.events
        ],
    )


def _line_view(line: OrderLine, currency: str) -> LineView:
    return LineView(
        **item_link(line),
        quantity=line.quantity,
        price=money.display(line.unit_price * line.quantity, currency),
        status="Already owned, being checked" if line.status == "held" else "",
    )
