"""The page of an order for browsers without scripts: its status in words, in a `<noscript>` of the built page."""

import html
import logging

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from store_app import routes
from store_app.db.threads import read
from store_app.errors import NotFound
from store_app.languages import gettext as _
from store_app.orders.queries import find_order
from store_app.payments.registry import default_provider
from store_app.settings import get_settings
from store_app.web.http.built_pages import built_fallback
from store_app.web.http.middleware import middleware
from store_app.web.http.session_cookie import current_user_of
from store_app.web.orders.view import OrderView, order_view

logger = logging.getLogger(__name__)
_ORDER_PAGES = routes.order("")


@middleware
async def serve_orders(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Add the status of an order to its page, for its own user."""
    path = scope.get("path", "")
    if scope["type"] == "http" and scope["method"] == "GET" and path.startswith(_ORDER_PAGES):
        try:
            response = await _with_status(HTTPConnection(scope), path.removeprefix(_ORDER_PAGES).strip("/"))
        except (OSError, SQLAlchemyError) as error:
            # The page itself shows that the store does not answer, and recovers.
            logger.warning("a page is served without its content: %s", type(error).__name__)
        else:
            await response(scope, receive, send)
            return
    await app(scope, receive, send)


async def _with_status(request: HTTPConnection, order_id: str) -> Response:
    page, words = built_fallback(), ""
    current_user = await current_user_of(request)
    if current_user is None:
        words = _link(routes.login(routes.order(order_id)), _("Sign in to see this order"))
    else:
        try:
            details = await read(find_order, current_user.user_id, order_id)
            settings, provider = get_settings(), default_provider().display_name
            words = _words(order_view(details, provider, current_user.username, settings.seller))
        except NotFound:
            words = "<h1>" + _("Order not found") + "</h1>"
    text = page.replace("</body>", f"<noscript><main>{words}</main></noscript></body>", 1)
    return Response(text, headers={"Cache-Control": "no-store"}, media_type="text/html")


def _words(order: OrderView) -> str:
    number, paid = _("Order {number}.", number=order.number), order.receipt.paid
    amount = _("Paid {amount}.", amount=paid) if paid else _("Total {amount}.", amount=order.total)
    lines = "".join(f"<li>{html.escape(line.name)} x {line.quantity}: {line.price}</li>" for line in order.lines)
    parts = [
        f"<h1>{html.escape(order.heading)}</h1>",
        f"<p>{html.escape(order.text)}</p>",
        f"<p>{number} {amount}</p><ul>{lines}</ul>",
        _link(order.href, _("Look again")),
    ]
    if order.can_pay or order.can_retry:
        action = html.escape(f"{order.href}/pay")
        label = _("Open the payment page")
        parts.append(f'<form method="post" action="{action}"><button>{label}</button></form>')
    return "".join([*parts, _link(routes.localized(routes.STORE), _("Store"))])


def _link(href: str, label: str) -> str:
    return f'<p><a href="{html.escape(href)}">{html.escape(label)}</a></p>'
