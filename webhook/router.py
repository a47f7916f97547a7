"""POST /api/webhooks/payment: where the payment provider knocks."""

import logging

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.types import ASGIApp, Receive, Scope, Send

from webhook.group_commit import get_group_commit
from webhook.intake import Arrival

logger = logging.getLogger(__name__)
PATH = "/api/webhooks/payment"
router = APIRouter(tags=["webhook"])

MAX_BODY_BYTES = 256 * 1024


def _error(status: int, code: str, message: str) -> JSONResponse:
    """Return an error in the provider's own format (xsolla.md, section 2)."""
    return JSONResponse({"error": {"code": code, "message": message}}, status_code=status)


async def _read_body(request: Request) -> bytes | None:
    """Return the raw body, or None once it grows too large; a promised length is not believed."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)


@router.post(
    PATH,
    status_code=204,
    summary="Take a notification of the payment provider",
    responses={
        204: {"description": "Done, now or earlier."},
        400: {"description": "Refused for good; the code says why."},
        413: {"description": "The body is over 256 kB."},
        503: {"description": "A passing fault of ours: send it again."},
    },
)
async def take_notification(request: Request) -> Response:
    """Verify the signature over the raw bytes, keep the delivery, move the order, commit; then answer.

    `Authorization: Signature <sha1(body + secret)>`. A repeat answers 204 and changes nothing.
    """
    body = await _read_body(request)
    if body is None:
        return _error(413, "INVALID_PARAMETER", "The body is larger than 256 kB.")
    signatures = request.headers.getlist("authorization")
    signature = signatures[0].encode("latin-1", "replace") if len(signatures) == 1 else None
    try:
        outcome = await get_group_commit().submit(Arrival.of(body, signature, dict(request.headers)))
    except (DBAPIError, PoolTimeoutError):
        logger.exception("the database failed while taking a notification; the provider will send it again")
        return _error(503, "TEMPORARY_FAULT", "The store cannot take this now. Send it again.")
    except Exception:
        logger.exception("a fault of ours while taking a notification; the provider will send it again")
        return _error(500, "SERVER_ERROR", "The store has a problem. Send it again.")
    if outcome.answer is not None:
        return JSONResponse(outcome.answer, status_code=outcome.status)
    if outcome.status == 204:
        return Response(status_code=204)
    logger.warning("notification refused: %s %s", outcome.code, outcome.reason)
    return _error(outcome.status, outcome.code, outcome.reason)


class WebhookFastPath:
    """ASGI middleware that hands a delivery straight to `take_notification`.

    The way through FastAPI leads to the same function, and documents it. But finding the route and passing the
    layers around it costs as much as taking a notification does, which needs none of them.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "POST":
            answer = await take_notification(Request(scope, receive))
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)
