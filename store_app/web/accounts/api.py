"""Accounts and sessions over the API."""

from datetime import datetime

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from store_app.accounts import service
from store_app.db.threads import in_database_thread
from store_app.network import client_address
from store_app.orders import service as orders
from store_app.web.http.problems import BAD_BODY, problems
from store_app.web.http.session_cookie import RequiredUser, clear_session_cookie

router = APIRouter(prefix="/api", tags=["accounts"])


class Credentials(BaseModel):
    """A user name and a password. The service checks them, so that the API and the forms refuse the same."""

    username: str = Field(examples=["Kira"])
    password: str = Field(examples=["a long one, please"])


class UserOut(BaseModel):
    """A new account."""

    id: str
    username: str


class SessionOut(BaseModel):
    """A session. Send the token as `Authorization: Bearer <token>`."""

    token: str
    expires_at: datetime
    user_id: str


@router.post(
    "/users", status_code=201, summary="Create an account", responses=problems(*BAD_BODY, 409, 422, 429, 503)
)
async def create_user(credentials: Credentials, request: Request) -> UserOut:
    """Create an account; the name must be free in every letter case."""
    user = await service.register(credentials.username, credentials.password, client_address(request))
    return UserOut(id=user.id, username=user.username)


@router.delete(
    "/users/{user_id}", status_code=204, summary="Close your account", responses=problems(401, 403, 422)
)
async def close_account(user_id: str, current_user: RequiredUser) -> Response:
    """Close your own account and end all its sessions. Orders stay as records."""
    await in_database_thread(orders.close_account, current_user, user_id)
    return _signed_out()


@router.post("/sessions", status_code=201, summary="Sign in", responses=problems(*BAD_BODY, 401, 422, 429, 503))
async def create_session(credentials: Credentials, request: Request) -> SessionOut:
    """Sign in and get a token."""
    address = client_address(request)
    signed_in = await service.sign_in(credentials.username, credentials.password, address)
    return SessionOut(token=signed_in.token, expires_at=signed_in.expires_at, user_id=signed_in.user_id)


@router.delete("/sessions", status_code=204, summary="Sign out everywhere", responses=problems(401))
async def end_all_sessions(current_user: RequiredUser) -> Response:
    """End all your sessions, and close their open tabs and websockets."""
    await in_database_thread(service.sign_out_everywhere, current_user)
    return _signed_out()


@router.delete("/sessions/current", status_code=204, summary="Sign out", responses=problems(401))
async def end_session(current_user: RequiredUser) -> Response:
    """End the session of this request, and close its open tabs and websockets."""
    await in_database_thread(service.sign_out, current_user)
    return _signed_out()


def _signed_out() -> Response:
    response = Response(status_code=204)
    clear_session_cookie(response)
    return response
