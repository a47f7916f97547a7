"""The routes to which the browser posts the sign-in, register and sign-out forms; each answers 303."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse

from store_app import routes
from store_app.accounts import service
from store_app.accounts.service import SignedIn, find_current_user
from store_app.db.threads import in_database_thread
from store_app.errors import Invalid, Refusal
from store_app.web.http.session_cookie import (
    clear_session_cookie,
    client_address,
    session_token,
    set_session_cookie,
)

router = APIRouter(prefix="/auth", include_in_schema=False)
Text = Annotated[str, Form()]
Next = Annotated[str, Form(alias="next")]


def _see_other(path: str) -> RedirectResponse:
    return RedirectResponse(path, status_code=303)


def _back(page: str, refusal: Refusal, username: str, next_path: str) -> RedirectResponse:
    """Redirect to the form, with the user name and the problem in the query string."""
    problem = refusal.field if isinstance(refusal, Invalid) else refusal.code
    query = {"problem": problem, "name": username[:32], "next": routes.own_path(next_path)}
    return _see_other(f"{page}?{urlencode(query, errors='replace')}")


async def _signed_in(request: Request, signed_in: SignedIn, next_path: str) -> RedirectResponse:
    # Each sign-in opens a new session, and ends the one that the browser had.
    if old := await in_database_thread(find_current_user, session_token(request)):
        await in_database_thread(service.sign_out, old)
    response = _see_other(routes.own_path(next_path))
    set_session_cookie(response, signed_in)
    return response


@router.post("/login")
async def login(
    request: Request, username: Text = "", password: Text = "", next_path: Next = "/"
) -> RedirectResponse:
    """Sign in."""
    try:
        signed_in = await service.sign_in(username, password, client_address(request))
    except Refusal as refusal:
        return _back(routes.LOGIN, refusal, username, next_path)
    return await _signed_in(request, signed_in, next_path)


@router.post("/register")
async def register(
    request: Request, username: Text = "", password: Text = "", next_path: Next = "/"
) -> RedirectResponse:
    """Create an account and sign in."""
    try:
        user = await service.register(username, password)
    except Refusal as refusal:
        return _back(routes.REGISTER, refusal, username, next_path)
    return await _signed_in(request, await in_database_thread(service.open_session, user.id), next_path)


@router.post("/logout")
async def logout(request: Request) -> RedirectResponse:
    """End the session, and close its open tabs."""
    if current_user := await in_database_thread(find_current_user, session_token(request)):
        await in_database_thread(service.sign_out, current_user)
    response = _see_other(routes.STORE)
    clear_session_cookie(response)
    return response
