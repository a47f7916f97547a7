"""What an order's page shows: pure functions from rows to small view models, and all its words."""

from dataclasses import dataclass, field
from datetime import datetime

from store_app import money, routes
from store_app.models import OrderStatus
from store_app.orders.queries import OrderDetails, OrderLine
from store_app.web.catalogue.view import cover_of


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
    """A line of the timeline: when, and what, in words."""

    at: str = ""
    words: str = ""


@dataclass
class OrderView:
    """Everything the order page shows. `status` is the order's; `tone` chooses a colour."""

    order_id: str = ""
    number: str = ""
    status: str = ""
    status_words: str = ""
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


@dataclass(frozen=True, slots=True)
class _Words:
    chip: str
    tone: str
    heading: str
    text: str


_NOT_CHARGED = "You were not charged."
WORDS: dict[str, _Words] = {
    OrderStatus.PENDING: _Words(
        "Waiting for payment",
        "wait",
        "Complete your payment",
        "Pay on the payment page. This page updates by itself when the payment is confirmed.",
    ),
    OrderStatus.PAID: _Words("Paid", "good", "It is in your library", "Payment received. Thank you."),
    OrderStatus.PARTIALLY_REFUNDED: _Words(
        "Partly refunded",
        "good",
        "Partly refunded",
        "A part of the money goes back to your payment method, often in 3 to 10 days. You keep what you bought.",
    ),
    OrderStatus.REFUNDED: _Words(
        "Refunded",
        "info",
        "Refunded",
        "The money goes back to your payment method, often in 3 to 10 days. The items left your library.",
    ),
    OrderStatus.CHARGED_BACK: _Words(
        "Charged back",
        "bad",
        "Payment taken back",
        "Your bank or card issuer took this payment back, so the items left your library.",
    ),
    OrderStatus.CANCELED: _Words("Canceled", "info", "Payment canceled", _NOT_CHARGED),
    OrderStatus.EXPIRED: _Words(
        "Expired",
        "info",
        "This order has expired",
        f"{_NOT_CHARGED} If money left your account, tell us the order number.",
    ),
    OrderStatus.FAILED: _Words(
        "Declined",
        "bad",
        "Payment did not go through",
        f"The bank or payment service refused it. {_NOT_CHARGED}",
    ),
}
_UNDER_REVIEW = _Words(
    "Being checked",
    "wait",
    "We are checking this order",
    "Your payment arrived but does not match the order. A person looks at it; you need not pay again.",
)

_STEPS: dict[str, str] = {
    "placed": "Order made",
    OrderStatus.PENDING: "New payment page opened",
    OrderStatus.PAID: "Payment confirmed by Xsolla, items added to your library",
    OrderStatus.PARTIALLY_REFUNDED: "Part of the payment refunded",
    OrderStatus.REFUNDED: "Payment refunded, items taken out of your library",
    OrderStatus.CHARGED_BACK: "Payment charged back, items taken out of your library",
    OrderStatus.CANCELED: "Order canceled",
    OrderStatus.EXPIRED: "Order expired",
    OrderStatus.FAILED: "Payment declined",
}


def moment(at: datetime) -> str:
    """Return a moment as people read it: "23 Nov 2026 18:52 UTC"."""
    return f"{at.day} {at:%b %Y %H:%M} UTC"


def order_view(details: OrderDetails) -> OrderView:
    """Return what the page of an order shows."""
    order, status = details.order, details.order.status
    unpaid = status in {OrderStatus.PENDING, OrderStatus.FAILED}
    checked = bool(order.needs_attention) and unpaid
    words = _UNDER_REVIEW if checked else WORDS[status]
    return OrderView(
        order_id=order.id,
        number=order.number,
        status="checking" if checked else status,
        status_words=words.chip,
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
        steps=[StepView(f"{event.at:%H:%M:%S}", _STEPS[event.kind]) for event in details.events],
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
