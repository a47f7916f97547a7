"""View models of the account page, and the pure functions that make them."""

from dataclasses import dataclass

from store_app import money, routes
from store_app.models import Order
from store_app.web.orders.view import moment
from store_app.web.ui.words import ORDER_WORDS


@dataclass
class OrderRow:
    """An order in the list of the user's orders."""

    number: str = ""
    href: str = ""
    placed: str = ""
    total: str = ""
    status: str = ""
    tone: str = ""


def order_row(order: Order) -> OrderRow:
    """Return an order as a row of the list."""
    words = ORDER_WORDS[order.status]
    return OrderRow(
        number=order.number,
        href=routes.order(order.id),
        placed=moment(order.created_at),
        total=money.display(order.total, order.currency),
        status=words.chip,
        tone=words.tone,
    )
