"""View models of an order, and the pure functions that make them."""

from dataclasses import dataclass, field
from datetime import datetime

from babel.dates import format_datetime

from store_app import languages, money, routes
from store_app.languages import gettext as _
from store_app.models import OPEN, Order, OrderStatus
from store_app.orders.queries import OrderDetails, OrderLine, Payability
from store_app.web.catalogue.view import ItemLink, item_link
from store_app.web.ui.words import OrderWords, step_words, words_of


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
class ReceiptView:
    """What was paid and went back; amounts are texts, empty where there is nothing to say."""

    subtotal: str = ""
    tax: str = ""
    paid: str = ""
    refunded: str = ""
    paid_at: str = ""
    transactions: str = ""
    seller: str = ""
    buyer: str = ""


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
    receipt: ReceiptView = field(default_factory=ReceiptView)


def moment(at: datetime) -> str:
    """Return a time as users read it: "23 Nov 2026 18:52 UTC"."""
    # Translators: the pattern of a date and time, as Unicode's TR 35 describes it.
    return format_datetime(at, _("d MMM y HH:mm"), locale=languages.locale()) + " UTC"


def _words(order: Order, payability: Payability, refunded: str = "") -> OrderWords:
    return words_of(
        order.status,
        under_review=payability.under_review or payability.money_taken,
        obstacle=payability.outdated,
        refunded=refunded,
    )


def words_about(details: OrderDetails) -> OrderWords:
    """Return the words about an order, as every page and the API use them."""
    refunded = details.standing.refunded
    return _words(
        details.order, details.payability, money.display(refunded, details.order.currency) if refunded else ""
    )


def order_row(order: Order, payability: Payability) -> OrderRow:
    """Return an order as a row of the list."""
    words = _words(order, payability)
    return OrderRow(
        number=order.number,
        href=routes.order(order.id),
        placed=moment(order.created_at),
        total=money.display(order.total, order.currency),
        status_label=words.chip,
        tone=words.tone,
    )


def order_view(details: OrderDetails, provider_name: str, buyer: str, seller: str) -> OrderView:
    """Return what the page of an order shows to its buyer."""
    order, status, payability = details.order, details.order.status, details.payability
    receipt = _receipt(details, buyer, seller)
    words = words_about(details)
    checked = payability.under_review or payability.money_taken
    payable = not payability.obstacle
    return OrderView(
        **{**vars(order_row(order, payability)), "status_label": words.chip, "tone": words.tone},
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
            StepView(
                format_datetime(event.at, _("d MMM HH:mm:ss"), locale=languages.locale()),
                step_words(event.kind, provider_name),
            )
            for event in details.events
        ],
        receipt=receipt,
    )


def _receipt(details: OrderDetails, buyer: str, seller: str) -> ReceiptView:
    standing, currency = details.standing, details.order.currency
    if not standing.payments:
        return ReceiptView()
    return ReceiptView(
        subtotal=money.display(details.order.total, currency),
        tax=money.display(standing.tax, currency) if standing.tax else "",
        paid=money.display(standing.paid, currency),
        refunded=money.display(standing.refunded, currency) if standing.refunded else "",
        paid_at=next((moment(event.at) for event in details.events if event.kind == OrderStatus.PAID), ""),
        transactions=", ".join(standing.transactions),
        seller=seller,
        buyer=buyer,
    )


def _line_view(line: OrderLine, currency: str) -> LineView:
    return LineView(
        **item_link(line),
        quantity=line.quantity,
        price=money.display(line.unit_price * line.quantity, currency),
        status=_("Already owned, being checked") if line.status == "held" else "",
    )
