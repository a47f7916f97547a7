"""How the payment page looks in each state of an order."""

from html import escape as text

from starlette.responses import HTMLResponse

from simulator.amounts import SALES_TAX_PERCENT, break_down, in_words
from simulator.markup import actions, button, card, facts, link, notice, page, paragraph
from simulator.records import Line, Order
from simulator.return_address import way_back

_STORE = "Back to the store"


def open_page(order: Order, home: str) -> HTMLResponse:
    """The order with its buttons; after a decline it says so and offers another try."""
    declined = ""
    if order.just_declined:
        declined = notice("The payment was declined.", "Nothing was charged. You can try again.")
    return page("Pay for your order", declined + _summary(order) + _choices(order, home))


def refused_page(order: Order, home: str, argv: str) -> HTMLResponse:
    """The store did not confirm the buyer: no payment, and why."""
    content = notice("The store did not confirm the buyer, so nothing was charged.", argv)
    again = link(_address(order, ""), "Try again", first=True)
    return page("Payment is not possible now", content + again + actions(_back(order, home)), status=422)


def paid_page(order: Order, home: str) -> HTMLResponse:
    """Nothing is left to pay."""
    argv = card(paragraph("This order is paid. You can close this page."))
    back = link(way_back(order, home), _STORE, first=True)
    return page("Already paid", argv + _summary(order) + back)


def closed_page(order: Order, home: str, status: str) -> HTMLResponse:
    """The order was canceled or refunded, or its token expired."""
    argv = f"This order is {status}, so it cannot be paid. Go back to the store and start again."
    back = link(way_back(order, home), _STORE, first=True)
    return page("This payment page is closed", card(paragraph(argv)) + back, status=410)


def unknown_page(home: str) -> HTMLResponse:
    """No order has this token."""
    argv = (
        "No order belongs to this address. The simulator forgets its orders when it is restarted: "
        "go back to the store and start the payment again."
    )
    return page("Payment page not found", card(paragraph(argv)) + link(home, _STORE, first=True), status=404)


def _summary(order: Order) -> str:
    return card(facts(_names(order)), _table(order))


def _names(order: Order) -> list[tuple[str, str]]:
    names = [("Order", str(order.id))]
    if order.sale.store_order is not None:
        names.append(("Order at the store", order.sale.store_order))
    return [*names, ("Buyer", order.sale.buyer.name or order.sale.buyer.id)]


def _table(order: Order) -> str:
    head = '<tr><th scope="col">Item</th><th scope="col">Quantity</th><th scope="col">Price</th></tr>'
    return f"<table><thead>{head}</thead><tbody>{_rows(order)}</tbody><tfoot>{_totals(order)}</tfoot></table>"


def _rows(order: Order) -> str:
    return "".join(_row(line, order.sale.currency) for line in order.sale.lines)


def _row(line: Line, currency: str) -> str:
    each = ""
    if line.quantity > 1:
        each = f'<small class="muted">{in_words(line.price, currency)} each</small>'
    return (
        f"<tr><td>{text(line.name)}{each}</td><td>{line.quantity}</td>"
        f"<td>{in_words(line.amount, currency)}</td></tr>"
    )


def _totals(order: Order) -> str:
    split = break_down(order.sale.total, order.sale.currency)
    sums = [
        ("total", "Total", split.price),
        ("tax", f"Sales tax, {SALES_TAX_PERCENT} %", split.sales_tax),
        ("payment", "You pay", split.payment),
    ]
    return "".join(
        f'<tr class="{kind}"><th scope="row" colspan="2">{label}</th>'
        f"<td>{in_words(amount, split.currency)}</td></tr>"
        for kind, label, amount in sums
    )


def _choices(order: Order, home: str) -> str:
    split = break_down(order.sale.total, order.sale.currency)
    pay = button(_address(order, "pay"), f"Pay {in_words(split.payment, split.currency)}", first=True)
    others = [button(_address(order, "decline"), "Decline")]
    if order.just_declined:
        others.append(_back(order, home))
    others.append(button(_address(order, "close"), "Close"))
    return f'<div class="pay">{pay}{actions(*others)}</div>'


def _back(order: Order, home: str) -> str:
    return link(way_back(order, home), _STORE)


def _address(order: Order, act: str) -> str:
    return f"/paystation4/{act}?token={order.token}"
