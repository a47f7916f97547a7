"""The forms with which browsers buy and change the cart before the page's scripts run; each answers 303.

A visitor's cart is changed by these forms only: no event of a page can set its cookie.
"""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from store_app import routes
from store_app.checkout import cart
from store_app.checkout import service as checkout
from store_app.db.threads import in_database_thread
from store_app.errors import InOpenOrder, Refusal
from store_app.languages import gettext as _
from store_app.network import client_address
from store_app.web.http import cart_cookie
from store_app.web.http.plain_page import plain_page
from store_app.web.http.session_cookie import current_user_of

router = APIRouter(include_in_schema=False)
Sku = Annotated[str, Form(max_length=200)]


@router.post(routes.BUY)
async def buy(request: Request, sku: Sku) -> Response:
    """Place an order for one item, and go to the payment page."""
    if (current_user := await current_user_of(request)) is None:
        return RedirectResponse(routes.login(routes.item(sku), buy=sku), 303)
    try:
        paying = await checkout.buy(current_user, {sku: 1}, address=client_address(request))
    except InOpenOrder as refusal:
        return RedirectResponse(routes.order(refusal.order_id), 303)
    except Refusal as refusal:
        return _refused(refusal, sku)
    return RedirectResponse(routes.to_pay(paying.order_id, paying.payment_url), 303)


@router.post(routes.ADD_TO_CART)
async def add_to_cart(request: Request, sku: Sku) -> Response:
    """Add an item to the cart, and go there."""
    return await _change_cart(request, cart.add, cart.add_to_guest_cart, sku)


@router.post(routes.REMOVE_FROM_CART)
async def remove_from_cart(request: Request, sku: Sku) -> Response:
    """Remove an item from the cart, and go there."""
    return await _change_cart(request, cart.remove, cart.remove_from_guest_cart, sku)


@router.post(routes.SET_QUANTITY)
async def set_quantity(
    request: Request,
    sku: Sku,
    quantity: Annotated[int, Form()],
    next_path: Annotated[str, Form(alias="next")] = "",
) -> Response:
    """Change how many of a consumable are in the cart, and go to `next`, or to the cart if it is empty."""
    to = routes.own_path(next_path) if next_path else ""
    return await _change_cart(request, cart.set_quantity, cart.set_guest_quantity, sku, quantity, to=to)


async def _change_cart(
    request: Request,
    change: Callable[..., object],
    change_guest_cart: Callable[..., dict[str, int]],
    sku: str,
    *arguments: int,
    to: str = "",
) -> Response:
    """Change the user's cart, or the guest cart in its cookie, and go to the address `to`, or to the cart."""
    response = RedirectResponse(to or routes.localized(routes.CART), 303)
    try:
        if current_user := await current_user_of(request):
            await in_database_thread(change, current_user.user_id, sku, *arguments)
        else:
            guest_cart = cart_cookie.guest_cart_of(request.cookies)
            changed = await in_database_thread(change_guest_cart, guest_cart, sku, *arguments)
            cart_cookie.set_cart_cookie(response, changed)
    except Refusal as refusal:
        return _refused(refusal, sku)
    return response


@router.post("/orders/{order_id}/pay")
async def pay(request: Request, order_id: str) -> Response:
    """Go to the payment page of an order."""
    if (current_user := await current_user_of(request)) is None:
        return RedirectResponse(routes.login(routes.order(order_id)), 303)
    try:
        paying = await checkout.open_payment_page(current_user, order_id, address=client_address(request))
    except Refusal as refusal:
        return plain_page(refusal.status, str(refusal), routes.order(order_id), _("To the order"))
    return RedirectResponse(routes.to_pay(paying.order_id, paying.payment_url), 303)


def _refused(refusal: Refusal, sku: str) -> Response:
    return plain_page(refusal.status, str(refusal), routes.item(sku), _("Back to the item"))
