"""The inbox: every delivery is kept, as it came, with what was made of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import insert
from sqlmodel import Session

from store_app.models import Verdict, WebhookDelivery, utc_now

# Anyone can send a body with a wrong signature: of those only the beginning is kept.
UNPROVEN_BODY_KEPT = 2_000
LONGEST_HEADERS = 8_000
_INSERT = insert(WebhookDelivery)
_SECRET_HEADERS = {"authorization", "cookie"}


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as it reached us. Header names are lower-case; the signature is not among them."""

    body: bytes
    headers: str
    received_at: datetime = field(default_factory=utc_now)

    @classmethod
    def of(cls, body: bytes, headers: Mapping[str, str]) -> "Delivery":
        """Make one from a request's body and headers."""
        kept = {name: value for name, value in headers.items() if name not in _SECRET_HEADERS}
        return cls(body, json.dumps(kept)[:LONGEST_HEADERS])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was made of a delivery and how it is answered; `code` is the provider's, for a 400."""

    verdict: Verdict
    status: int = 204
    code: str = ""
    reason: str = ""
    order_id: str | None = None


def keep(session: Session, delivery: Delivery, kind: str, outcome: Outcome) -> None:
    """Write a delivery and its outcome into the inbox, in the caller's transaction."""
    proven = outcome.verdict is not Verdict.BAD_SIGNATURE
    row = {
        "received_at": delivery.received_at,
        "notification_type": kind,
        "order_id": outcome.order_id,
        "verdict": outcome.verdict,
        "reason": outcome.reason[:300],
        "answered": outcome.status,
        "headers": delivery.headers,
        "body": delivery.body if proven else delivery.body[:UNPROVEN_BODY_KEPT],
    }
    session.connection().execute(_INSERT, row)
