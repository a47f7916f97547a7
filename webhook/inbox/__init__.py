"""The inbox: every delivery is kept, as it came, with its outcome."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from sqlalchemy import bindparam, delete, exists, insert, update
from sqlmodel import col, select

from store_app.db.unit_of_work import UnitOfWork, unit_of_work
from store_app.models import AttentionFlag, Verdict, WebhookDelivery, utc_now
from store_app.payments.provider import Outcome, PaymentProvider, RefusalReason
from store_app.payments.registry import get_provider

# Anyone can send a body with a wrong signature: only the beginning of it is kept.
UNVERIFIED_BODY_KEPT = 2_000
# ... and only the newest of those deliveries, so that a flood cannot fill the disk.
UNVERIFIED_KEPT = 1_000
KEPT_FOR = timedelta(days=400)
MAX_HEADERS_LENGTH = 8_000
_PRUNED_EVERY = 50
# Below the statement timeout of PostgreSQL, even when years are deleted at once.
_MAX_PRUNED = 5_000
INSERT = insert(WebhookDelivery).inline()
_INSERT_NOW = insert(WebhookDelivery).returning(col(WebhookDelivery.id))
_SETTLE = (
    update(AttentionFlag)
    .where(col(AttentionFlag.delivery_id) == bindparam("delivery_id_"), col(AttentionFlag.settled_at).is_(None))
    .values(settled_at=bindparam("settled_at"), settled_by="store", note="applied when its payment was recorded")
)
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
    work: UnitOfWork, delivery: Delivery, outcome: Outcome, transaction_id: str = "", event_number: int = 0
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
        if work.connection().execute(_INSERT_NOW, row).scalar_one() % _PRUNED_EVERY == 0:
            _prune_unverified(work)
    elif _needs_attention(outcome):
        delivery_id = work.connection().execute(_INSERT_NOW, row).scalar_one()
        flag = AttentionFlag(delivery_id=delivery_id, reason=f"{outcome.verdict}: {outcome.reason}"[:300])
        work.add(flag)
    else:
        work.at_end[INSERT].append(row)


def _needs_attention(outcome: Outcome) -> bool:
    """Whether staff must look at a genuine delivery: nothing was done, and no order is flagged for it."""
    undone = outcome.verdict in {Verdict.UNMATCHED, Verdict.FAILED, Verdict.REFUSED}
    return undone and outcome.order_id is None and outcome.refusal is not RefusalReason.UNKNOWN_USER


def settle(work: UnitOfWork, delivery_id: int) -> None:
    """Settle the flag of a delivery that was applied late."""
    work.execute(_SETTLE, {"delivery_id_": delivery_id, "settled_at": utc_now()})


def _prune_unverified(work: UnitOfWork) -> None:
    unverified = col(WebhookDelivery.verdict) == Verdict.BAD_SIGNATURE
    newest = select(WebhookDelivery.id).where(unverified).order_by(col(WebhookDelivery.id).desc())
    oldest_kept = work.exec(newest.offset(UNVERIFIED_KEPT).limit(1)).first()
    if oldest_kept is not None:
        work.execute(delete(WebhookDelivery).where(unverified, col(WebhookDelivery.id) <= oldest_kept))


def prune() -> int:
    """Delete deliveries older than 400 days, except those that staff have yet to look at; return how many."""
    old = col(WebhookDelivery.received_at) < utc_now() - KEPT_FOR
    flags = (col(AttentionFlag.delivery_id) == col(WebhookDelivery.id),)
    unsettled = exists().where(*flags, col(AttentionFlag.settled_at).is_(None))
    ids = select(WebhookDelivery.id).where(old, ~unsettled).limit(_MAX_PRUNED)
    pruned = 0
    while True:
        with unit_of_work() as work:
            portion = work.exec(ids).all()
            work.execute(delete(AttentionFlag).where(col(AttentionFlag.delivery_id).in_(portion)))
            work.execute(delete(WebhookDelivery).where(col(WebhookDelivery.id).in_(portion)))
        pruned += len(portion)
        if len(portion) < _MAX_PRUNED:
            return pruned
