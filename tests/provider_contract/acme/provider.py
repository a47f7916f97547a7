"""Acme Pay's adapter, as a studio would write one. Copied into `store_app/payments/acme/`, it is complete."""

import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import httpx
from pydantic_settings import BaseSettings, SettingsConfigDict

from store_app import money
from store_app.errors import ProviderRefused, ProviderUnavailable
from store_app.models import AttemptKind, PaymentAttempt
from store_app.payments.provider import (
    EventKind,
    Notification,
    Outcome,
    PaymentEvent,
    PaymentPage,
    PaymentRequest,
    RefusalReason,
    Response,
    UserQuestion,
)

NAME = "acme"
MAX_AGE_SECONDS = 300
_SIGNATURE = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")
_KINDS = {
    "charge.settled": EventKind.PAID,
    "charge.reversed": EventKind.REFUNDED,
    "charge.trimmed": EventKind.PARTIALLY_REFUNDED,
    "charge.clawed_back": EventKind.CHARGED_BACK,
    "charge.failed": EventKind.DECLINED,
    "inquiry.opened": EventKind.DISPUTED,
}
_RETURNS = {EventKind.REFUNDED, EventKind.PARTIALLY_REFUNDED, EventKind.CHARGED_BACK}
_RETRYABLE = {RefusalReason.UNAVAILABLE, RefusalReason.INTERNAL_ERROR}


class Settings(BaseSettings):
    """Acme's own settings."""

    model_config = SettingsConfigDict(env_prefix="ACME_", env_file=".env", extra="ignore")

    url: str
    key: str
    signing_secret: str
    return_url: str


def sign(body: bytes, secret: str, at: int) -> str:
    """Return the X-Acme-Signature header of a body."""
    digest = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


class AcmeProvider:
    """A `PaymentProvider` without a catalogue."""

    name = NAME
    display_name = "Acme Pay"
    attempt_kind = AttemptKind.CATALOGUE

    def __init__(self, settings: Settings, http: httpx.AsyncClient | None = None) -> None:
        """Use `settings` for the address and the credentials."""
        self._settings = settings
        self._http = http or httpx.AsyncClient(timeout=5)

    def verify(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """Whether the body was signed with the secret in the last five minutes."""
        match = _SIGNATURE.fullmatch(headers.get("x-acme-signature", ""))
        if match is None or abs(time.time() - int(match[1])) > MAX_AGE_SECONDS:
            return False
        return hmac.compare_digest(match[0], sign(body, self._settings.signing_secret, int(match[1])))

    def parse(self, body: bytes) -> Notification:
        """Read a delivery: several happenings, or a question about a user."""
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            return Notification(refusal=RefusalReason.MALFORMED, reason="The body is not a JSON object.")
        if "do_you_know" in data:
            return Notification("do_you_know", question=UserQuestion(user_id=_text(data["do_you_know"]) or "?"))
        happenings = data.get("happenings")
        if not isinstance(happenings, list) or not all(isinstance(happening, dict) for happening in happenings):
            return Notification(refusal=RefusalReason.MALFORMED, reason="happenings must be a list of objects.")
        events = tuple(event for happening in happenings if (event := _event(happening)))
        kind = "+".join(_text(happening.get("what")) for happening in happenings)[:64]
        return Notification(kind, events)

    def respond(self, outcome: Outcome) -> Response:
        """Return 200, or 422 for what is refused for good, or 503 for what is to be sent again."""
        if outcome.refusal is None:
            return Response(200, {"ok": True})
        again = outcome.refusal in _RETRYABLE
        return Response(503 if again else 422, {"ok": False, "again": again, "why": outcome.reason})

    async def open_payment_page(self, request: PaymentRequest) -> PaymentPage:
        """Open a checkout."""
        body = {
            "reference": request.external_id,
            "buyer": request.user_id,
            "title": f"Order {request.number}",
            "sum": {"minor": request.total, "ccy": request.currency},
            "back": f"{self._settings.return_url}/orders/{request.order_id}",
        }
        answer = await self._call("POST", "/v1/checkouts", body)
        return PaymentPage(answer["checkout"], answer["link"])

    async def find_payments(self, attempt: PaymentAttempt) -> Sequence[PaymentEvent]:
        """Ask for the checkout: its happenings so far."""
        answer = await self._call("GET", f"/v1/checkouts/{attempt.provider_order_id}")
        events = [_event(happening) for happening in answer["happenings"]]
        return [event for event in events if event and event.kind is not EventKind.DECLINED]

    async def find_refunds(self, attempt: PaymentAttempt, transaction_id: str) -> Sequence[PaymentEvent]:
        """Ask for the checkout: which of its happenings gave money of a charge back."""
        events = await self.find_payments(attempt)
        return [event for event in events if event.kind in _RETURNS and event.transaction_id == transaction_id]

    async def refund(self, transaction_id: str, reason: str, amount: Decimal | None = None) -> None:
        """Reverse a charge, whole or in part."""
        body = {"note": reason} if amount is None else {"note": reason, "amount": str(amount)}
        await self._call("POST", f"/v1/charges/{transaction_id}/reversals", body)

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self._settings.key}"}
        try:
            answer = await self._http.request(method, self._settings.url + path, json=body, headers=headers)
        except httpx.HTTPError:
            raise ProviderUnavailable from None
        if answer.status_code >= 500:
            raise ProviderUnavailable
        if not answer.is_success:
            raise ProviderRefused
        return answer.json()


def _event(happening: dict[str, Any]) -> PaymentEvent | None:
    kind = _KINDS.get(_text(happening.get("what")))
    if kind is None:
        return None
    price = happening.get("sum")
    price = price if isinstance(price, dict) else {}
    currency, minor = _text(price.get("ccy")), price.get("minor")
    amount = str(money.to_major(minor, currency)) if type(minor) is int and len(currency) == 3 else ""
    return PaymentEvent(
        kind,
        NAME,
        provider_order_id=_text(happening.get("checkout")),
        transaction_id=_text(happening.get("charge")),
        external_id=_text(happening.get("reference")),
        user_id=_text(happening.get("buyer")),
        amount=amount,
        currency=currency,
        charged=amount,
        charged_currency=currency,
        detail=_text(happening.get("happening")),
        reason=_text(happening.get("note")),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= 64 and value.isprintable() else ""


def create() -> AcmeProvider:
    """Return the provider of this process."""
    return AcmeProvider(Settings())
