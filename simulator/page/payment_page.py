"""The payment page, where the user pays, declines or closes, and the return URL that leads back to the store."""

from html import escape
from http import HTTPStatus
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from fastapi import APIRouter, Response
from starlette.responses import HTMLResponse, RedirectResponse

from simulator.amounts import SALES_TAX_PERCENT, break_down, for_display
from simulator.context import Simulator, SimulatorDep
from simulator.page.markup import buttons, card, definitions, link, notice, page, paragraph, post_button
from simulator.payments import ActionRefused, UserRefused
from simulator.records import Line, Order, OrderStatus

router = APIRouter(prefix="/paystation4", include_in_schema=False)

_BACK = "Back to the store"


@router.get("")
@router.get("/")
async def show(simulator: SimulatorDep, token: str = "") -> Response:
    """Show the order; the store is asked about the user whenever the page opens."""
    store_url = simulator.settings.public_url
    order = simulator.repository.by_token(token)
    if order is None:
        return _unknown_order_page(store_url)
    if _status(simulator, order) is OrderStatus.NEW:
        try:
            await simulator.payments.validate_user(order)
        except UserRefused as refusal:
            return _user_refused_page(order, store_url, str(refusal))
    # The status is read again, because the order may have been paid in another tab meanwhile.
    return _order_page(simulator, order)


@router.post("/pay")
async def pay(simulator: SimulatorDep, token: str = "") -> Response:
    """Take the money and redirect to the store; a second click redirects as well."""
    store_url = simulator.settings.public_url
    order = simulator.repository.by_token(token)
    if order is None:
        return _unknown_order_page(store_url)
    try:
        await simulator.payments.pay(order)
    except UserRefused as refusal:
        return _user_refused_page(order, store_url, str(refusal))
    except ActionRefused:
        return _order_page(simulator, order)
    return _redirect(return_url(order, store_url))


@router.post("/decline")
async def decline(simulator: SimulatorDep, token: str = "") -> Response:
    """Decline the payment, and show the page with a notice about it."""
    order = simulator.repository.by_token(token)
    if order is None:
        return _unknown_order_page(simulator.settings.public_url)
    try:
        await simulator.payments.decline(order)
    except ActionRefused:
        return _order_page(simulator, order)
    return _redirect(_address(order, ""))


@router.post("/close")
async def close(simulator: SimulatorDep, token: str = "") -> Response:
    """Redirect to the store without paying."""
    store_url = simulator.settings.public_url
    order = simulator.repository.by_token(token)
    return _unknown_order_page(store_url) if order is None else _redirect(_closed_url(order, store_url))


def return_url(order: Order, store_url: str) -> str:
    """Return the URL to the store, with the status of the payment or decline, if there was one."""
    if order.payment is not None:
        return _status_url(order, store_url, order.payment.id, "done")
    if order.is_declined:
        return _status_url(order, store_url, order.transactions[-1].id, "troubled")
    return _closed_url(order, store_url)


def _closed_url(order: Order, store_url: str) -> str:
    """Return the URL for a closed payment page: it has an empty invoice id and no status."""
    return _with_query(order, store_url, [("user_id", order.sale.user.id), ("invoice_id", "")])


def _status_url(order: Order, store_url: str, transaction_id: int, status: str) -> str:
    query = [("user_id", order.sale.user.id)]
    if order.sale.external_id is not None:
        query.append(("foreigninvoice", order.sale.external_id))
    query += [("invoice_id", str(transaction_id)), ("status", status)]
    return _with_query(order, store_url, query)


def _with_query(order: Order, store_url: str, added: list[tuple[str, str]]) -> str:
    """Return the order's return URL, with query parameters added to those it has."""
    parts = urlsplit(order.sale.return_url or store_url)
    query = parse_qsl(parts.query, keep_blank_values=True) + added
    return urlunsplit(parts._replace(query=urlencode(query)))


def _status(simulator: Simulator, order: Order) -> OrderStatus:
    return order.status_at(simulator.repository.clock())


def _redirect(address: str) -> RedirectResponse:
    """Redirect with 303, so that reloading the target does not repeat the POST request."""
    return RedirectResponse(address, HTTPStatus.SEE_OTHER, {"Referrer-Policy": "same-origin"})


def _order_page(simulator: Simulator, order: Order) -> HTMLResponse:
    store_url = simulator.settings.public_url
    status = _status(simulator, order)
    if status is OrderStatus.NEW:
        return _open_page(order, store_url)
    if status in {OrderStatus.PAID, OrderStatus.DONE}:
        return _paid_page(order, store_url)
    return _closed_page(order, store_url, "refunded" if order.is_refunded else status)


def _open_page(order: Order, store_url: str) -> HTMLResponse:
    declined = ""
    if order.is_declined:
        declined = notice("The payment was declined.", "Nothing was charged. You can try again.")
    return page("Pay for your order", declined + _summary(order) + _payment_buttons(order, store_url))


def _user_refused_page(order: Order, store_url: str, reason: str) -> HTMLResponse:
    content = notice("The store did not confirm the user, so nothing was charged.", reason)
    content += link(_address(order, ""), "Try again", primary=True) + buttons(_back_link(order, store_url))
    return page("Payment is not possible now", content, status=HTTPStatus.UNPROCESSABLE_ENTITY)


def _paid_page(order: Order, store_url: str) -> HTMLResponse:
    content = card(paragraph("This order is paid. You can close this page.")) + _summary(order)
    return page("Already paid", content + _back_link(order, store_url, primary=True))


def _closed_page(order: Order, store_url: str, status: str) -> HTMLResponse:
    text = f"This order is {status}, so it cannot be paid. Go back to the store and start again."
    content = card(paragraph(text)) + _back_link(order, store_url, primary=True)
    return page("This payment page is closed", content, status=HTTPStatus.GONE)


def _unknown_order_page(store_url: str) -> HTMLResponse:
    text = (
        "No order belongs to this address. The simulator forgets its orders when it is restarted: "
        "go back to the store and start the payment again."
    )
    content = card(paragraph(text)) + link(store_url, _BACK, primary=True)
    return page("Payment page not found", content, status=HTTPStatus.NOT_FOUND)


def _summary(order: Order) -> str:
    return card(definitions(_ids(order)), _table(order))


def _ids(order: Order) -> list[tuple[str, str]]:
    ids = [("Order", str(order.id))]
    if order.sale.store_order_id is not None:
        ids.append(("Order at the store", order.sale.store_order_id))
    return [*ids, ("User", order.sale.user.name or order.sale.user.id)]


def _table(order: Order) -> str:
    head = '<tr><th scope="col">Item</th><th scope="col">Quantity</th><th scope="col">Price</th></tr>'
    rows = "".join(_row(line, order.sale.currency) for line in order.sale.lines)
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody><tfoot>{_totals(order)}</tfoot></table>"


def _row(line: Line, currency: str) -> str:
    each = ""
    if line.quantity > 1:
        each = f'<small class="muted">{for_display(line.price, currency)} each</small>'
    return (
        f"<tr><td>{escape(line.name)}{each}</td><td>{line.quantity}</td>"
        f"<td>{for_display(line.amount, currency)}</td></tr>"
    )


def _totals(order: Order) -> str:
    split = break_down(order.sale.total, order.sale.currency)
    rows = [
        ("total", "Total", split.price),
        ("tax", f"Sales tax, {SALES_TAX_PERCENT} %", split.sales_tax),
        ("payment", "You pay", split.payment),
    ]
    return "".join(
        f'<tr class="{css_class}"><th scope="row" colspan="2">{label}</th>'
        f"<td>{for_display(amount, split.currency)}</td></tr>"
        for css_class, label, amount in rows
    )


def _payment_buttons(order: Order, store_url: str) -> str:
    split = break_down(order.sale.total, order.sale.currency)
    amount = for_display(split.payment, split.currency)
    pay_button = post_button(_address(order, "pay"), f"Pay {amount}", primary=True)
    others = [post_button(_address(order, "decline"), "Decline")]
    if order.is_declined:
        others.append(_back_link(order, store_url))
    others.append(post_button(_address(order, "close"), "Close"))
    return f'<div class="pay">{pay_button}{buttons(*others)}</div>'


def _back_link(order: Order, store_url: str, *, primary: bool = False) -> str:
    return link(return_url(order, store_url), _BACK, primary=primary)


def _address(order: Order, action: str) -> str:
    return f"/paystation4/{action}?token={order.token}"
