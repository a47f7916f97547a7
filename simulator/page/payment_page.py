"""The payment page: where the buyer pays, declines or leaves, and the address that leads back."""

from html import escape as text
from http import HTTPStatus
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from fastapi import APIRouter, Response
from starlette.responses import HTMLResponse, RedirectResponse

from simulator.amounts import SALES_TAX_PERCENT, break_down, in_words
from simulator.context import Simulator, TheSimulator
from simulator.page.markup import actions, button, card, facts, link, notice, page, paragraph
from simulator.payments import BuyerRefused, NotNow
from simulator.records import Line, Order, OrderStatus

router = APIRouter(prefix="/paystation4", include_in_schema=False)


@router.get("")
@router.get("/")
async def show(simulator: TheSimulator, token: str = "") -> Response:
    """Show the order; the store is asked about the buyer as soon as the page opens."""
    home = simulator.settings.public_url
    order = simulator.books.by_token(token)
    if order is None:
        return unknown_page(home)
    if _status(simulator, order) is OrderStatus.NEW:
        try:
            await simulator.payments.validate(order)
        except BuyerRefused as refusal:
            return refused_page(order, home, str(refusal))
    # Looked at after the question to the store: another tab may have paid meanwhile.
    return _page_of(simulator, order)


@router.post("/pay")
async def pay(simulator: TheSimulator, token: str = "") -> Response:
    """Take the money and lead back to the store; a second click leads back as well."""
    home = simulator.settings.public_url
    order = simulator.books.by_token(token)
    if order is None:
        return unknown_page(home)
    try:
        await simulator.payments.pay(order)
    except BuyerRefused as refusal:
        return refused_page(order, home, str(refusal))
    except NotNow:
        return _page_of(simulator, order)
    return _see(way_back(order, home))


@router.post("/decline")
async def decline(simulator: TheSimulator, token: str = "") -> Response:
    """Decline a try, then show the page again, which says so."""
    order = simulator.books.by_token(token)
    if order is None:
        return unknown_page(simulator.settings.public_url)
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
    return unknown_page(home) if order is None else _see(closed(order, home))


def _page_of(simulator: Simulator, order: Order) -> Response:
    home = simulator.settings.public_url
    status = _status(simulator, order)
    if status is OrderStatus.NEW:
        return open_page(order, home)
    if status in {OrderStatus.PAID, OrderStatus.DONE}:
        return paid_page(order, home)
    return closed_page(order, home, "refunded" if order.is_refunded else status)


def _status(simulator: Simulator, order: Order) -> OrderStatus:
    return order.status_at(simulator.books.clock())


def _see(address: str) -> RedirectResponse:
    """Lead on with GET, so that reloading repeats no act."""
    return RedirectResponse(address, HTTPStatus.SEE_OTHER, {"Referrer-Policy": "same-origin"})


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


def way_back(order: Order, home: str) -> str:
    """Lead back after a payment or a decline, with its status; without either, as after Close."""
    if order.payment is not None:
        return _back_with(order, home, order.payment.id, "done")
    if order.just_declined:
        return _back_with(order, home, order.transactions[-1].id, "troubled")
    return closed(order, home)


def closed(order: Order, home: str) -> str:
    """Lead back after Close: an empty invoice number and no status."""
    return with_query(_base(order, home), [("user_id", order.sale.buyer.id), ("invoice_id", "")])


def _back_with(order: Order, home: str, transaction_id: int, status: str) -> str:
    query = [("user_id", order.sale.buyer.id)]
    if order.sale.external_id is not None:
        query.append(("foreigninvoice", order.sale.external_id))
    query += [("invoice_id", str(transaction_id)), ("status", status)]
    return with_query(_base(order, home), query)


def _base(order: Order, home: str) -> str:
    return order.sale.return_url or home


def with_query(address: str, extra: list[tuple[str, str]]) -> str:
    """Add query parameters to an address, keeping those it has."""
    parts = urlsplit(address)
    query = parse_qsl(parts.query, keep_blank_values=True) + extra
    return urlunsplit(parts._replace(query=urlencode(query)))
