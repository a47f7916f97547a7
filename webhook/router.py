"""POST /api/webhooks/payment: the notifications of the payment provider.

`/api/webhooks/payment` takes deliveries of every configured provider, by their signature, so that it can stay
registered when PAYMENT_PROVIDER changes. `/api/webhooks/<name>` takes those of one.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from store_app import network
from store_app.errors import NotFound
from store_app.logs import MAX_CLIENT_TEXT, counted, note_security_event
from store_app.models import Verdict
from store_app.payments.provider import Outcome, PaymentProvider, RefusalReason
from store_app.payments.registry import PROVIDERS, configured_providers, get_provider
from store_app.settings import BadSettings
from webhook.group_commit import get_group_commit
from webhook.inbox import Delivery

logger = logging.getLogger(__name__)
PATH = "/api/webhooks/payment"
router = APIRouter(tags=["webhook"])

MAX_NOTIFICATION_BYTES = 256 * 1024
_TOO_LARGE = Outcome(Verdict.REFUSED, "The body is larger than 256 kB.", RefusalReason.TOO_LARGE)
_FOREIGN = Outcome(Verdict.REFUSED, "This address may not send deliveries.", RefusalReason.FOREIGN_ADDRESS)
_TOO_SLOW = Outcome(Verdict.FAILED, "The body took too long to arrive. Send it again.", RefusalReason.UNAVAILABLE)
_TOO_MANY_BODIES = Outcome(
    Verdict.FAILED, "Too many bodies are under way. Send it again.", RefusalReason.UNAVAILABLE
)
_UNAVAILABLE = Outcome(Verdict.FAILED, "The store cannot take this now. Send it again.", RefusalReason.UNAVAILABLE)
_INTERNAL_ERROR = Outcome(Verdict.FAILED, "The store has a problem. Send it again.", RefusalReason.INTERNAL_ERROR)


async def _read_body(request: Request) -> bytes | None:
    """Return the raw body, or None once it grows too large; Content-Length is not trusted."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_NOTIFICATION_BYTES:
            return None
    return bytes(body)


def _headers(request: Request) -> dict[str, str]:
    """Return the headers by lower-case name; repeated ones are joined (RFC 9110, 5.3)."""
    joined: dict[str, str] = {}
    for name, value in request.headers.items():
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


@router.post(
    PATH,
    status_code=204,
    summary="Take a notification of the payment provider",
    responses={
        204: {"description": "Accepted: done, a repeat, ignored, or kept for staff."},
        400: {"description": "Refused for good; the code says why."},
        403: {"description": "WEBHOOK_ALLOWED_NETWORKS does not have the sender's address."},
        413: {"description": "The body is over 256 kB."},
        503: {"description": "Retryable: send it again."},
    },
)
async def take_notification(request: Request) -> Response:
    """Verify the signature over the raw bytes, keep the delivery, apply it to its order, commit; then answer.

    Signature and answers follow the provider's own contract. A repeat answers success and changes nothing.
    """
    return await _take(configured_providers(), request)


@router.post("/api/webhooks/{provider}", status_code=204, include_in_schema=False)
async def take_notification_of(provider: str, request: Request) -> Response:
    """Do the same for the provider of this name."""
    if provider not in PROVIDERS:
        raise NotFound("There is no such payment provider.")
    try:
        return await _take([get_provider(provider)], request)
    except BadSettings as problem:
        logger.error("a delivery for a payment provider that is not configured: %s", problem)  # noqa: TRY400
        return JSONResponse({"detail": "This payment provider is not configured. Try again."}, status_code=503)


async def _take(providers: Sequence[PaymentProvider], request: Request) -> Response:
    try:
        signer, outcome = await _read_and_receive(providers, request)
    except ClientDisconnect:
        # Nobody waits for this answer; the provider sends the delivery again.
        return Response(status_code=HTTPStatus.BAD_REQUEST)
    if outcome.refusal:
        _log_refusal(outcome.refusal, outcome.reason)
    answer = signer.respond(outcome)
    if answer.body is None:
        return Response(status_code=answer.status)
    return JSONResponse(answer.body, status_code=answer.status)


async def _read_and_receive(
    providers: Sequence[PaymentProvider], request: Request
) -> tuple[PaymentProvider, Outcome]:
    address = network.client_address(request)
    if not network.may_deliver(address):
        # Before the body is read, so that it costs neither a signature nor a row of the inbox.
        return providers[0], _FOREIGN
    try:
        async with asyncio.timeout(network.BODY_TIMEOUT_SECONDS):
            with network.open_body(address):
                body = await _read_body(request)
    except TimeoutError:
        return providers[0], _TOO_SLOW
    except network.TooManyOpenBodies:
        return providers[0], _TOO_MANY_BODIES
    return (providers[0], _TOO_LARGE) if body is None else await _receive(providers, body, request)


def _log_refusal(refusal: RefusalReason, reason: str) -> None:
    if refusal in {RefusalReason.BAD_SIGNATURE, RefusalReason.FOREIGN_ADDRESS}:
        note_security_event(refusal, "a delivery was refused")
    else:
        kind = f"delivery refused: {refusal}"
        logger.warning("%s: %s", kind, reason[:MAX_CLIENT_TEXT], extra=counted(kind))


def _signer(providers: Sequence[PaymentProvider], body: bytes, headers: Mapping[str, str]) -> PaymentProvider:
    """Return the provider that signed a delivery; the first one when none did, or when there is no other."""
    others = (provider for provider in providers[1:] if provider.verify(body, headers))
    return (
        providers[0] if len(providers) == 1 or providers[0].verify(body, headers) else next(others, providers[0])
    )


async def _receive(
    providers: Sequence[PaymentProvider], body: bytes, request: Request
) -> tuple[PaymentProvider, Outcome]:
    signer, headers = providers[0], _headers(request)
    try:
        signer = _signer(providers, body, headers)
        return signer, await get_group_commit().submit(Delivery.of(signer, body, headers))
    except (DBAPIError, PoolTimeoutError):
        logger.exception("the database failed while taking a delivery; the provider will send it again")
        return signer, _UNAVAILABLE
    except Exception:
        logger.exception("an unexpected error while processing a delivery; the provider will send it again")
        return signer, _INTERNAL_ERROR


async def fast_path(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve as ASGI middleware that hands a delivery straight to `take_notification`.

    FastAPI's route calls the same function and documents the endpoint. This middleware skips routing and the inner
    middleware, which would take as long as the rest of the work on the event loop and are not needed here.
    """
    if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "POST":
        app = await take_notification(Request(scope, receive))
    await app(scope, receive, send)
