"""View models of an order, and the pure functions that make them."""

from dataclasses import dataclass, field
from datetime import datetime

from store_app import money, routes
from store_app.models import OrderStatus
from store_app.orders.queries import OrderDetails, OrderLine
from store_app.web.catalogue.view import cover_of
from store_app.web.ui.words import ORDER_WORDS, UNDER_REVIEW, step_words


@dataclass
class LineView:
    """A line of an order or receipt."""

    sku: str = ""
    name: str = ""
    image: str = ""
    href: str = ""
    quantity: int = 1
    price: str = ""
    status: str = ""


@dataclass
class StepView:
    """A line of the timeline: the time and the event."""

    at: str = ""
    text: str = ""


@dataclass
class OrderView:
    """What the order page shows. `status` is the status of the order, or "checking"; `tone` chooses a color."""

    order_id: str = ""
    number: str = ""
    status: str = ""
    status_label: str = ""
    tone: str = ""
    heading: str = ""
    text: str = ""
    total: str = ""
    placed: str = ""
    payment_url: str = ""
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


def order_view(details: OrderDetails, provider_name: str) -> OrderView:
    """Return what the page of an order shows."""
    order, status = details.order, details.order.status
    unpaid = status in {OrderStatus.PENDING, OrderStatus.FAILED}
    checked = bool(order.needs_attention) and unpaid
    words = UNDER_REVIEW if checked else ORDER_WORDS[status]
    return OrderView(
        order_id=order.id,
        number=order.number,
        status="checking" if checked else status,
        status_label=words.chip,
        tone=words.tone,
        heading=words.heading,
        text=words.text,
        total=money.display(order.total, order.currency),
        placed=moment(order.created_at),
        payment_url=details.payment_url if status == OrderStatus.PENDING else "",
        can_pay=status == OrderStatus.PENDING and not checked,
        can_cancel=unpaid and not checked,
        can_retry=status == OrderStatus.FAILED and not checked,
        can_start_again=status in {OrderStatus.CANCELED, OrderStatus.EXPIRED},
        in_library=status in {OrderStatus.PAID, OrderStatus.PARTIALLY_REFUNDED},
        settled=not unpaid,
        lines=[_line_view(line, order.currency) for line in details.lines],
        steps=[
            StepView(f"{event.at:%H:%M:%S}", step_words(event.kind, provider_name)) for event in details.events
        ],
    )


def _line_view(line: OrderLine, currency: str) -> LineView:
    return LineView(
        sku=line.sku,
        name=line.name,
        image=cover_of(line.sku, line.image),
        href=routes.item(line.sku),
        quantity=line.quantity,
        price=money.display(line.unit_price * line.quantity, currency),
        status="Already owned, being checked" if line.status == "held" else "",
    )
