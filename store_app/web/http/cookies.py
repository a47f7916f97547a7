"""The cookies of the store: no script can read them, and no form of another site sends them."""

from datetime import timedelta

from starlette.responses import Response

from store_app.settings import get_settings


def host_name(name: str) -> str:
    """Return the name of a cookie that only this host can set and gets: over https, with the prefix `__Host-`."""
    return f"__Host-{name}" if get_settings().secure_cookies else name


def set_cookie(response: Response, name: str, value: str, lifetime: timedelta) -> None:
    """Have the browser keep a cookie."""
    response.set_cookie(
        name,
        value,
        max_age=int(lifetime.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=get_settings().secure_cookies,
    )


def delete_cookie(response: Response, name: str) -> None:
    """Have the browser delete a cookie."""
    response.delete_cookie(name, httponly=True, samesite="lax", secure=get_settings().secure_cookies)
