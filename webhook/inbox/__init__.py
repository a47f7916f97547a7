"""The inbox: every delivery is kept, as it came, with its outcome."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from sqlalchemy import delete, insert
from sqlmodel import Session, col, select

from store_app.db.unit_of_work import insert_at_end, unit_of_work
from store_app.models import Verdict, WebhookDelivery, utc_now
from store_app.payments.provider import Outcome, PaymentProvider
from store_app.payments.registry import get_provider

# Anyone can send a body with a wrong signature: only the beginning of it is kept.
UNVERIFIED_BODY_KEPT = 2_000
# ... and only the newest of those deliveries, so that a flood cannot fill the disk.
UNVERIFIED_KEPT = 1_000
KEPT_FOR = timedelta(days=400)
MAX_HEADERS_LENGTH = 8_000
_PRUNED_EVERY = 50
INSERT = insert(WebhookDelivery).inline()
_INSERT_UNVERIFIED = insert(WebhookDelivery).returning(col(WebhookDelivery.id))
# Credentials and signatures, by whatever name a provider sends them.
_SECRET_HEADER = re.compile("auth|cookie|key|secret|signature|token")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as it came. `headers` is JSON text, with names in lower case and without credentials."""

    # The registered name of the payment provider.
    provider: str
    body: bytes
    headers: str
    signature_valid: bool
    received_at: datetime = field(default_factory=utc_now)

    @classmethod
    def of(cls, provider: PaymentProvider, body: bytes, headers: Mapping[str, str]) -> Self:
        """Make one from a request's body and headers, and verify its signature."""
        kept = {name: value for name, value in headers.items() if not _SECRET_HEADER.search(name)}
        return cls(provider.name, body, json.dumps(kept)[:MAX_HEADERS_LENGTH], provider.verify(body, headers))


def keep(
    session: Session, delivery: Delivery, outcome: Outcome, transaction_id: str = "", event_number: int = 0
) -> None:
    """Write one event of a delivery with its outcome into the inbox, in the caller's transaction."""
    row = {
        "received_at": delivery.received_at,
        "provider": delivery.provider,
        "event_number": event_number,
        "notification_type": outcome.notification_type,
        "transaction_id": transaction_id,
        "took_ms": round((utc_now() - delivery.received_at).total_seconds() * 1000),
        "order_id": outcome.order_id,
        "verdict": outcome.verdict,
        "reason": outcome.reason[:300],
        "response_status": get_provider(delivery.provider).respond(outcome).status,
        "headers": delivery.headers,
        "body": delivery.body if delivery.signature_valid else delivery.body[:UNVERIFIED_BODY_KEPT],
    }
    if not delivery.signature_valid:
        delivery_id = session.connection().execute(_INSERT_UNVERIFIED, row).scalar_one()
        if delivery_id % _PRUNED_EVERY == 0:
            _prune_unverified(session)
    elif outcome.verdict is Verdict.UNMATCHED:
        # Inserted now, not at the end: its payment may be in the same batch and must find this row.
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
    """Delete deliveries older than 400 days; return how many."""
    with unit_of_work() as session:
        old = delete(WebhookDelivery).where(col(WebhookDelivery.received_at) < utc_now() - KEPT_FOR)
        return len(session.execute(old.returning(col(WebhookDelivery.id))).all())
