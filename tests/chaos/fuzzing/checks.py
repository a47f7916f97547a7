"""Checks of the responses to malformed requests: each returns what is wrong, or an empty string."""

import json
from collections.abc import Callable
from http import HTTPStatus

from tests.chaos.fuzzing.transport import Request, Response

MAX_NOTIFICATION_BYTES = 256 * 1024
PROBLEM_TYPE = "application/problem+json"
Check = Callable[[Response], str]


def _server_error(request: Request, response: Response) -> str:
    if response.status >= 500:
        return "a server error"
    return "no response" if not response.status and request.is_http else ""


def _provider_error(response: Response, status: int, *codes: str) -> str:
    """Check that a response is an error in the provider's format, with one of the codes if any are given."""
    if response.status != status:
        return f"not {status}"
    try:
        error = json.loads(response.body)["error"]
        code, message = error["code"], error["message"]
    except (ValueError, KeyError, TypeError):
        return "not the provider's format"
    if response.content_type != "application/json" or not message:
        return "not the provider's format"
    return "" if not codes or code in codes else f"not {' or '.join(codes)}"


def _too_large(request: Request, response: Response) -> str | None:
    if len(request.body) <= MAX_NOTIFICATION_BYTES:
        return None
    return _provider_error(response, 413, "INVALID_PARAMETER")


def unsigned(request: Request) -> Check:
    """Check that a notification without a valid signature is refused for that reason."""

    def check(response: Response) -> str:
        if not request.is_http or response.status >= 500 or not response.status:
            return _server_error(request, response)
        too_large = _too_large(request, response)
        return _provider_error(response, 400, "INVALID_SIGNATURE") if too_large is None else too_large

    return check


def signed(request: Request) -> Check:
    """Check that a signed notification is accepted, or refused for another reason in the provider's format."""

    def check(response: Response) -> str:
        if error := _server_error(request, response):
            return error
        if not request.is_http:
            return ""
        if (too_large := _too_large(request, response)) is not None:
            return too_large
        if response.status == 204:
            return "204 with a body" if response.body else ""
        if response.status == 200:
            return "" if response.body.startswith(b'{"user":{"id":') else "not a response to user_search"
        wrong = _provider_error(response, 400)
        return wrong or ("the signature was valid" if b"INVALID_SIGNATURE" in response.body else "")

    return check


def reaches_the_api(request: Request) -> bool:
    """Whether the API must refuse this request with a problem document; the webhook has a format of its own."""
    path = request.target.partition(b"?")[0]
    # A mounted app matches no path with a line break: that 404 comes from outside the API.
    is_routed = b"%0A" not in path.upper()
    return request.is_http and is_routed and path.startswith(b"/api/") and path != b"/api/webhooks/payment"


def api(request: Request) -> Check:
    """Check that the API has no server error and refuses with problem documents."""

    def check(response: Response) -> str:
        if error := _server_error(request, response):
            return error
        refused = response.status >= 400 and request.method != b"HEAD"
        return _problem(response) if refused and reaches_the_api(request) else ""

    return check


def _problem(response: Response) -> str:
    if response.content_type != PROBLEM_TYPE:
        return "not a problem document"
    try:
        document = json.loads(response.body)
    except ValueError:
        return "not JSON"
    expected = (response.status, HTTPStatus(response.status).phrase, "about:blank")
    found = tuple(document.get(name) for name in ("status", "title", "type"))
    if found != expected or not document.get("detail") or not document.get("code"):
        return "an incomplete problem document"
    return ""
