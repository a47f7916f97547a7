"""The session cookie, and the user and the network address of a request."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.requests import HTTPConnection, cookie_parser
from starlette.responses import Response

from store_app.accounts.service import SESSION_LIFETIME, CurrentUser, SignedIn, find_current_user
from store_app.db.threads import in_database_thread
from store_app.errors import NotSignedIn
from store_app.web.http import cookies


def cookie_name() -> str:
    """Return the name of the session cookie."""
    return cookies.host_name("session")


def token_of_cookies(header: str) -> str | None:
    """Return the session token in a Cookie header."""
    return cookie_parser(header).get(cookie_name())


def set_session_cookie(response: Response, signed_in: SignedIn) -> None:
    """Give the browser a new session."""
    cookies.set_cookie(response, cookie_name(), signed_in.token, SESSION_LIFETIME)


def clear_session_cookie(response: Response) -> None:
    """Have the browser delete the session cookie."""
    cookies.delete_cookie(response, cookie_name())


def session_token(connection: HTTPConnection) -> str | None:
    """Return the session token of a request or websocket: the bearer token if there is one, else the cookie."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return connection.cookies.get(cookie_name())


async def current_user_of(connection: HTTPConnection) -> CurrentUser | None:
    """Return the user of a request or websocket, if its session is open."""
    return await in_database_thread(find_current_user, session_token(connection))


async def _required_user(request: Request) -> CurrentUser:
    current_user = await current_user_of(request)
    if current_user is None:
        raise NotSignedIn
    return current_user


RequiredUser = Annotated[CurrentUser, Depends(_required_user)]
