"""How the developer's window looks."""

from html import escape as text

from starlette.responses import HTMLResponse

from webhook.simulator.amounts import in_words
from webhook.simulator.clock import Clock
from webhook.simulator.markup import actions, button, link, notice, page, paragraph
from webhook.simulator.records import Delivery, Order, OrderStatus


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
    return f"<ul>{''.join(f'<li>{text(_delivery(each))}</li>' for each in order.deliveries)}</ul>"


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
    return actions(*(button(f"/orders/{order.id}/{name}", label) for name, label in scenarios))
