"""The language of each request: that of the page's address; for the API, that of `Accept-Language`."""

import re
from collections.abc import Iterable
from datetime import timedelta
from urllib.parse import SplitResult, quote, urlsplit

from babel import negotiate_locale
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from store_app import languages, routes
from store_app.settings import get_settings
from store_app.web.http.built_pages import no_page
from store_app.web.http.cookies import set_cookie
from store_app.web.http.middleware import at_path, middleware

# Holds the language that was chosen in the footer.
COOKIE = "language"
_ONE_YEAR = timedelta(days=365)
_MAX_ACCEPT_LANGUAGE = 200


def pattern_of(paths: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern of addresses, where a segment in brackets matches any text, as in "/item/[sku]"."""
    # Without the slash of the store page: "//" is none of its addresses.
    patterns = (re.sub(r"\\\[\w+\\\]", "[^/]+", re.escape(path.rstrip("/"))) for path in paths)
    return re.compile(f"(?:{'|'.join(patterns)})/?")


@middleware
async def choose_language(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, *, pages: re.Pattern[str], forms: re.Pattern[str]
) -> None:
    """Handle a request in its language; `pages` and `forms` match the addresses that exist in every language.

    The application gets the address without the language. A browser that asks for an English page is redirected to
    the language that was chosen in the footer, or else to the one that it prefers.
    """
    if scope["type"] != "http":
        await app(scope, receive, send)
        return
    path = scope["path"]
    language, rest = routes.split(path)
    answer: Response | None = None
    if path.startswith(routes.LANGUAGE):
        answer = _switch(path.removeprefix(routes.LANGUAGE), Headers(scope=scope))
    elif pages.fullmatch(rest):
        answer = _redirect(language, rest, scope)
    elif language != languages.ENGLISH and not forms.fullmatch(rest):
        with languages.override(language):
            answer = no_page()
    elif path.startswith("/api/"):
        header = Headers(scope=scope).get("accept-language", "")
        language = preferred(header, get_settings().offered_languages)
    if rest != path:
        scope = at_path(rest, scope)
    with languages.override(language):
        await (answer or app)(scope, receive, send)


def _redirect(language: str, rest: str, scope: Scope) -> Response | None:
    """Return the redirect to the page in another language; None if it is served in this one."""
    offered, headers = get_settings().offered_languages, Headers(scope=scope)
    wanted = language
    if language not in offered:
        wanted = offered[0]
    elif language == languages.ENGLISH and "text/html" in headers.get("accept", ""):
        chosen = cookie_parser(headers.get("cookie", "")).get(COOKIE)
        wanted = chosen if chosen in offered else preferred(headers.get("accept-language", ""), offered)
    if wanted == language or scope["method"] not in {"GET", "HEAD"}:
        return None
    query = scope["query_string"].decode("latin-1")
    # The path is decoded: "/item/a%3Fb" has no query.
    path = quote(rest)
    address = routes.in_language(f"{path}?{query}" if query else path, wanted)
    return RedirectResponse(address, 302, {"Cache-Control": "no-store"})


def preferred(accept_language: str, offered: tuple[str, ...]) -> str:
    """Return the offered language that an `Accept-Language` header prefers, else the first (RFC 9110, 12.5.4)."""
    weighted = []
    # Spaces and the case of letters mean nothing in it.
    for part in "".join(accept_language[:_MAX_ACCEPT_LANGUAGE].lower().split()).split(","):
        tag, _semicolon, weight = part.partition(";q=")
        try:
            weighted.append((float(weight or 1), tag))
        except ValueError:
            continue
    tags = [tag for weight, tag in sorted(weighted, key=lambda one: -one[0]) if weight > 0]
    # Babel returns a language as the browser writes it, which is not the name of a catalogue.
    found = (negotiate_locale(tags, offered, sep="-") or "").lower()
    return next((language for language in offered if language.lower() == found), offered[0])


def _switch(language: str, headers: Headers) -> Response:
    """Return the redirect to the page with the link, in another language, which a cookie remembers."""
    if language not in get_settings().offered_languages:
        return no_page()
    came_from = _split(headers.get("referer", ""))
    path = came_from.path if f"{came_from.scheme}://{came_from.netloc}" in get_settings().allowed_origins else "/"
    with languages.override(language):
        address = routes.own_path_here(f"{path}?{came_from.query}" if came_from.query else path)
    answer = RedirectResponse(address, 303, {"Cache-Control": "no-store"})
    set_cookie(answer, COOKIE, language, _ONE_YEAR)
    return answer


def _split(address: str) -> SplitResult:
    """Return the parts of an address that any client can send; all are empty if it is none."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")
