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
from store_app.db.threads import in_database_thread
from store_app.errors import Invalid, Refusal
from store_app.network import client_address
from store_app.web.http.session_cookie import (
    clear_session_cookie,
    current_user_of,
    set_session_cookie,
)

router = APIRouter(prefix="/auth", include_in_schema=False)


class SignInForm(BaseModel):
    """What the browser posts; `next` is the page to go to afterwards."""

    username: str = ""
    password: str = ""
    next: str = routes.STORE


PostedForm = Annotated[SignInForm, Form()]


async def _end_session(request: Request) -> None:
    if current_user := await current_user_of(request):
        await in_database_thread(service.sign_out, current_user)


async def _answer(
    request: Request, form: SignInForm, page: str, signing_in: Awaitable[SignedIn]
) -> RedirectResponse:
    """Sign in, or go back to the form on `page`, with the user name and the problem in the query string."""
    next_path = routes.own_path(form.next)
    try:
        signed_in = await signing_in
    except Refusal as refusal:
        problem = refusal.field if isinstance(refusal, Invalid) else refusal.code
        query = {"problem": problem, "name": form.username[:32], "next": next_path}
        return RedirectResponse(f"{page}?{urlencode(query, errors='replace')}", 303)
    # Each sign-in opens a new session, and ends the one that the browser had.
    await _end_session(request)
    response = RedirectResponse(next_path, 303)
    set_session_cookie(response, signed_in)
    return response


@router.post("/login")
async def login(request: Request, form: PostedForm) -> RedirectResponse:
    """Sign in."""
    signing_in = service.sign_in(form.username, form.password, client_address(request))
    return await _answer(request, form, routes.LOGIN, signing_in)


@router.post("/register")
async def register(request: Request, form: PostedForm) -> RedirectResponse:
    """Create an account and sign in."""
    return await _answer(request, form, routes.REGISTER, _register(form, client_address(request)))


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
    response = RedirectResponse(routes.STORE, 303)
    clear_session_cookie(response)
    return response
