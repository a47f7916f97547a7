"""What an answer to malformed input must be."""

import json
from collections.abc import Callable
from http import HTTPStatus

from tests.chaos.fuzzing.transport import Answer, Request

MAX_NOTIFICATION_BYTES = 256 * 1024
PROBLEM = "application/problem+json"
Judge = Callable[[Answer], str]


def _no_fault(request: Request, answer: Answer) -> str:
    if answer.status >= 500:
        return "a fault of ours"
    return "no answer" if not answer.status and request.is_http else ""


def _provider_error(answer: Answer, status: int, *codes: str) -> str:
    """Return what keeps an answer from being an error in the provider's format, with one of the codes if any."""
    if answer.status != status:
        return f"not {status}"
    try:
        error = json.loads(answer.body)["error"]
        code, message = error["code"], error["message"]
    except (ValueError, KeyError, TypeError):
        return "not the provider's format"
    if answer.content_type != "application/json" or not message:
        return "not the provider's format"
    return "" if not codes or code in codes else f"not {' or '.join(codes)}"


def _too_large(request: Request, answer: Answer) -> str | None:
    if len(request.body) <= MAX_NOTIFICATION_BYTES:
        return None
    return _provider_error(answer, 413, "INVALID_PARAMETER")


def unsigned(request: Request) -> Judge:
    """Expect that a notification without a signature is refused as such."""

    def apply(answer: Answer) -> str:
        if not request.is_http or answer.status >= 500 or not answer.status:
            return _no_fault(request, answer)
        too_large = _too_large(request, answer)
        return _provider_error(answer, 400, "INVALID_SIGNATURE") if too_large is None else too_large

    return apply


def signed(request: Request) -> Judge:
    """Expect that a signed notification is taken, or refused in the provider's format for another reason."""

    def apply(answer: Answer) -> str:
        if fault := _no_fault(request, answer):
            return fault
        if not request.is_http:
            return ""
        if (too_large := _too_large(request, answer)) is not None:
            return too_large
        if answer.status == 204:
            return "204 with a body" if answer.body else ""
        if answer.status == 200:
            return "" if answer.body.startswith(b'{"user":{"id":') else "not an answer to user_search"
        wrong = _provider_error(answer, 400)
        return wrong or ("the signature was right" if b"INVALID_SIGNATURE" in answer.body else "")

    return apply


def reaches_the_api(request: Request) -> bool:
    """Whether the API owes this request a problem document; the webhook has a format of its own."""
    path = request.target.partition(b"?")[0]
    # What is mounted has no address with a line break: that 404 comes from outside the API.
    mounted = b"%0A" not in path.upper()
    return request.is_http and mounted and path.startswith(b"/api/") and path != b"/api/webhooks/payment"


def api(request: Request) -> Judge:
    """Expect that the API has no fault and refuses with problem documents."""

    def apply(answer: Answer) -> str:
        if fault := _no_fault(request, answer):
            return fault
        refused = answer.status >= 400 and request.method != b"HEAD"
        return _problem(answer) if refused and reaches_the_api(request) else ""

    return apply


def _problem(answer: Answer) -> str:
    if answer.content_type != PROBLEM:
        return "not a problem document"
    try:
        said = json.loads(answer.body)
    except ValueError:
        return "not JSON"
    right = (answer.status, HTTPStatus(answer.status).phrase, "about:blank")
    named = tuple(said.get(name) for name in ("status", "title", "type"))
    if named != right or not said.get("detail") or not said.get("code"):
        return "not a whole problem document"
    return ""
