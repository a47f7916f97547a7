"""The inbox: every delivery is kept, as it came, with what was made of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert
from sqlmodel import Session, col, select

from store_app.db.unit_of_work import insert_at_end, unit_of_work
from store_app.models import Verdict, WebhookDelivery, utc_now

# Anyone can send a body with a wrong signature: of those only the beginning is kept.
UNVERIFIED_BODY_KEPT = 2_000
# ... and of the deliveries themselves the newest, so that a flood cannot fill the disk.
UNVERIFIED_KEPT = 1_000
KEPT_FOR = timedelta(days=400)
MAX_HEADERS_LENGTH = 8_000
_PRUNED_EVERY = 50
INSERT = insert(WebhookDelivery).inline()
_INSERT_UNVERIFIED = insert(WebhookDelivery).returning(col(WebhookDelivery.id))
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
        return cls(body, json.dumps(kept)[:MAX_HEADERS_LENGTH])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was made of a delivery and how it is answered; `code` is the provider's, for a 400."""

    verdict: Verdict
    status: int = 204
    code: str = ""
    reason: str = ""
    order_id: str | None = None
    # What a successful answer says; nothing for a 204.
    answer: dict[str, Any] | None = None


def keep(session: Session, delivery: Delivery, kind: str, outcome: Outcome, transaction_id: str = "") -> None:
    """Write a delivery and its outcome into the inbox, in the caller's transaction."""
    proven = outcome.verdict is not Verdict.BAD_SIGNATURE
    row = {
        "received_at": delivery.received_at,
        "notification_type": kind,
        "transaction_id": transaction_id,
        "took_ms": round((utc_now() - delivery.received_at).total_seconds() * 1000),
        "order_id": outcome.order_id,
        "verdict": outcome.verdict,
        "reason": outcome.reason[:300],
        "answered": outcome.status,
        "headers": delivery.headers,
        "body": delivery.body if proven else delivery.body[:UNVERIFIED_BODY_KEPT],
    }
    if not proven:
        delivery_id = session.connection().execute(_INSERT_UNVERIFIED, row).scalar_one()
        if delivery_id % _PRUNED_EVERY == 0:
            _prune_unverified(session)
    elif outcome.verdict is Verdict.UNMATCHED:
        # Its payment may come in this very transaction, and looks for it.
        session.connection().execute(INSERT, row)
    else:
        insert_at_end(session, INSERT, row)


def _prune_unverified(session: Session) -> None:
    unverified = col(WebhookDelivery.verdict) == Verdict.BAD_SIGNATURE
    newest = select(WebhookDelivery.id).where(unverified).order_by(col(WebhookDelivery.id).desc())
    oldest_kept = session.exec(newest.offset(UNVERIFIED_KEPT).limit(1)).first()
    if oldest_kept is not None:
        session.execute(delete(WebhookDelivery).where(unverified, col(WebhookDelivery.id) <= oldest_kept))


def prune() -> int:
    """Forget deliveries older than 400 days; returns how many."""
    with unit_of_work() as session:
        old = delete(WebhookDelivery).where(col(WebhookDelivery.received_at) < utc_now() - KEPT_FOR)
        return len(session.execute(old.returning(col(WebhookDelivery.id))).all())
