"""The routes to which the browser posts the sign-in, register and sign-out forms; each answers 303."""

from collections.abc import Awaitable
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from pydantic import BaseModel
from starlette.responses import RedirectResponse

from store_app import routes
from store_app.accounts import service
from store_app.accounts.service import SignedIn
from store_app.checkout import cart
from store_app.checkout import service as checkout
from store_app.db.threads import in_database_thread
from store_app.errors import InOpenOrder, Invalid, Refusal
from store_app.network import client_address
from store_app.web.accounts.without_scripts import handed_on
from store_app.web.http import cart_cookie
from store_app.web.http.session_cookie import (
    clear_session_cookie,
    current_user_of,
    set_session_cookie,
)

router = APIRouter(prefix="/auth", include_in_schema=False)


class SignInForm(BaseModel):
    """What the browser posts; `next` is the page to go to afterwards, unless an item is to be bought."""

    username: str = ""
    password: str = ""
    next: str = ""
    buy: str = ""

    def complete(self, request: Request) -> "SignInForm":
        """Return the form with what its page had not filled in yet."""
        return self if self.next else self.model_copy(update=handed_on(request))


PostedForm = Annotated[SignInForm, Form()]


async def _end_session(request: Request) -> None:
    if current_user := await current_user_of(request):
        await in_database_thread(service.sign_out, current_user)


async def _answer(
    request: Request, form: SignInForm, page: str, signing_in: Awaitable[SignedIn]
) -> RedirectResponse:
    """Sign in, or go back to the form on `page`, with the user name and the problem in the query string."""
    try:
        signed_in = await signing_in
    except Refusal as refusal:
        return _back_to_form(form, page, refusal.field if isinstance(refusal, Invalid) else refusal.code)
    # Each sign-in opens a new session, and ends the one that the browser had.
    await _end_session(request)
    if guest_cart := cart_cookie.guest_cart_of(request.cookies):
        await in_database_thread(cart.merge_guest_cart, signed_in.user_id, guest_cart)
    address = await _go_on(form, signed_in, client_address(request)) or routes.own_path(form.next)
    response = RedirectResponse(address, 303)
    set_session_cookie(response, signed_in)
    if cart_cookie.cookie_name() in request.cookies:
        cart_cookie.clear_cart_cookie(response)
    return response


def _back_to_form(form: SignInForm, page: str, *problems: str) -> RedirectResponse:
    """Return the redirect to the form; its query has the codes of refusals, or names of fields, that are wrong."""
    query = {"problem": ",".join(problems), "name": form.username[:32], "next": routes.own_path(form.next)}
    query |= {"buy": form.buy[:64]} if form.buy else {}
    return RedirectResponse(f"{page}?{urlencode(query, errors='replace')}", 303)


async def _go_on(form: SignInForm, signed_in: SignedIn, address: str) -> str:
    """Buy what the user was about to buy; return the address where that leads, empty if to none."""
    current_user = await in_database_thread(service.find_current_user, signed_in.token)
    if current_user is None or not form.buy:
        return ""
    try:
        placed = await checkout.buy(current_user, {form.buy: 1}, address=address)
    except InOpenOrder as refusal:
        return routes.order(refusal.order_id)
    except Refusal:
        # The page of the item says what can be done with it.
        return ""
    return routes.to_pay(placed.order_id, placed.payment_url)


@router.post("/login")
async def login(request: Request, form: PostedForm) -> RedirectResponse:
    """Sign in."""
    form = form.complete(request)
    signing_in = service.sign_in(form.username, form.password, client_address(request))
    return await _answer(request, form, routes.localized(routes.LOGIN), signing_in)


@router.post("/register")
async def register(request: Request, form: PostedForm) -> RedirectResponse:
    """Create an account and sign in."""
    form = form.complete(request)
    if wrong := service.wrong_fields(form.username, form.password):
        return _back_to_form(form, routes.localized(routes.REGISTER), *wrong)
    return await _answer(
        request, form, routes.localized(routes.REGISTER), _register(form, client_address(request))
    )


async def _register(form: SignInForm, address: str) -> SignedIn:
    user = await service.register(form.username, form.password, address)
    return await in_database_thread(service.open_session, user.id)


@router.post("/logout")
async def logout(request: Request) -> RedirectResponse:
    """End the session, and close its open tabs."""
    await _end_session(request)
    return _signed_out()


@router.post("/logout-everywhere")
async def logout_everywhere(request: Request) -> RedirectResponse:
    """End all sessions of the user, and close their open tabs."""
    if current_user := await current_user_of(request):
        await in_database_thread(service.sign_out_everywhere, current_user)
    return _signed_out()


def _signed_out() -> RedirectResponse:
    response = RedirectResponse(routes.localized(routes.STORE), 303)
    clear_session_cookie(response)
    return response
