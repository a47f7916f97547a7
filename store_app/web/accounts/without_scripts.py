"""The sign-in and register forms of browsers without scripts, and of others until the State has answered.

Their pages are built once, for all query strings: the one of an address comes from the next request's `Referer`.
"""

import html
import logging
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from store_app import routes
from store_app.web.accounts.state import problems_of
from store_app.web.http.built_pages import built_page
from store_app.web.http.middleware import middleware

logger = logging.getLogger(__name__)
_PAGES = {routes.LOGIN, routes.REGISTER}
_HANDED_ON = ("next", "buy")
_NOT_KEPT = {"Cache-Control": "no-store"}


def handed_on(request: Request) -> dict[str, str]:
    """Return `next` and `buy` of the form that a request comes from; empty if it comes from another page."""
    try:
        page = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return {}
    if routes.split(page.path)[1] not in _PAGES:
        return {}
    query = parse_qs(page.query)
    return {name: query[name][0] for name in _HANDED_ON if name in query}


@middleware
async def serve_forms(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Hand on from one form to the other what comes afterwards, and say what was wrong without scripts too."""
    response: Response | None = None
    if scope["type"] == "http" and scope["method"] == "GET" and scope["path"] in _PAGES:
        try:
            response = _response(Request(scope))
        except OSError as error:
            logger.warning("a page is served without its content: %s", type(error).__name__)
    await (response or app)(scope, receive, send)


def _response(request: Request) -> Response | None:
    path = request.scope["path"]
    if not request.scope["query_string"] and (query := handed_on(request)):
        return RedirectResponse(f"{routes.localized(path)}?{urlencode(query, errors='replace')}", 303, _NOT_KEPT)
    problems = problems_of(request.query_params.get("problem", ""))
    if not problems:
        return None
    words = "".join(f"<p>{html.escape(problem.sentence)}</p>" for problem in problems)
    shown = f'<noscript><div role="alert" class="text-bad text-center p-3">{words}</div></noscript>'
    text = built_page(f"{path.removeprefix('/')}.html").replace("<body>", f"<body>{shown}", 1)
    return Response(text, headers=_NOT_KEPT, media_type="text/html")
