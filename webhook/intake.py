"""From deliveries to their outcomes, in one transaction with the inbox.

A delivery that matches no order, because it names only a transaction that is not yet paid, is kept as unmatched;
`catch_up` applies it when its payment is recorded.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from sqlalchemy import bindparam, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from store_app.accounts.service import username_key
from store_app.db.engine import is_conflict
from store_app.db.unit_of_work import UnitOfWork, read_session, unit_of_work
from store_app.failpoints import failpoint
from store_app.models import Payment, User, Verdict, WebhookDelivery
from store_app.orders import payment_events
from store_app.payments.provider import Notification, Outcome, RefusalReason, UserQuestion, combine
from store_app.payments.registry import configured_providers, get_provider
from webhook.inbox import Delivery, keep, settle

logger = logging.getLogger(__name__)

# A lone delivery that PostgreSQL refused, because of others at the same moment, is tried so many times.
MAX_TRIES = 3
# Built once: building a statement costs more than running it.
_UNMATCHED_OF_PAYMENTS = (
    select(col(WebhookDelivery.id))
    .join(
        Payment,
        (col(Payment.transaction_id) == col(WebhookDelivery.transaction_id))
        & (col(Payment.provider) == col(WebhookDelivery.provider)),
    )
    .where(
        # Written out, so that the index of the few unmatched deliveries is used.
        text("verdict = 'unmatched'"),
        # Deliveries of a provider that is no longer configured cannot be processed, and would use up the LIMIT.
        col(WebhookDelivery.provider).in_(bindparam("providers", expanding=True)),
    )
    .order_by(col(WebhookDelivery.id))
    .limit(100)
)
_STILL_UNMATCHED = (
    select(WebhookDelivery)
    .where(col(WebhookDelivery.id) == bindparam("delivery_id"), text("verdict = 'unmatched'"))
    .with_for_update(skip_locked=True)
)
_KNOWN_USERS = select(User.id).where(
    col(User.id).in_(bindparam("user_ids", expanding=True)), col(User.closed_at).is_(None)
)
_UNVERIFIED = Notification(
    refusal=RefusalReason.BAD_SIGNATURE, reason="The signature does not match this body and the webhook secret."
)


def receive_all(deliveries: Sequence[Delivery]) -> list[Outcome]:
    """Keep and apply deliveries, in one transaction; return the outcome of each.

    Whatever this raises is retryable (5xx), and undoes all of them. One that fails alone is tried again after a
    conflict with others (a deadlock, or two orders granted at the same moment); after the last try it is kept as
    failed.
    """
    tries_left = MAX_TRIES if len(deliveries) == 1 else 1
    while True:
        tries_left -= 1
        try:
            return _receive(deliveries)
        except Exception as error:
            if tries_left and is_conflict(error):
                continue
            if len(deliveries) == 1 and deliveries[0].signature_valid:
                _keep_failed(deliveries[0], error)
            raise


def _receive(deliveries: Sequence[Delivery]) -> list[Outcome]:
    notifications = [_parse(delivery) for delivery in deliveries]
    with unit_of_work() as work:
        failpoint("webhook: transaction begun")
        outcomes = _process(work, deliveries, notifications)
        failpoint("webhook: before commit")
    failpoint("webhook: after commit")
    return outcomes


def _parse(delivery: Delivery) -> Notification:
    if not delivery.signature_valid:
        return _UNVERIFIED
    notification = get_provider(delivery.provider).parse(delivery.body)
    if any(event.provider != delivery.provider for event in notification.events):
        raise ValueError(f"the provider {delivery.provider} returned an event of another provider")
    return notification


def _process(
    work: UnitOfWork, deliveries: Sequence[Delivery], notifications: Sequence[Notification]
) -> list[Outcome]:
    """Apply the events of all notifications, answer the others, and keep each delivery with its outcome."""
    events = [event for notification in notifications for event in notification.events]
    applied = iter(payment_events.apply(work, events) if events else ())
    failpoint("webhook: order changed")
    known_users = _known_users(work, notifications)
    outcomes = []
    for delivery, notification in zip(deliveries, notifications, strict=True):
        of_events = [next(applied) for _ in notification.events] or [_answer(work, notification, known_users)]
        of_events = [replace(outcome, notification_type=notification.type) for outcome in of_events]
        for number, outcome in enumerate(of_events):
            transaction_id = notification.events[number].transaction_id if notification.events else ""
            keep(work, delivery, outcome, transaction_id, number)
        outcomes.append(combine(of_events) if len(of_events) > 1 else of_events[0])
    return outcomes


def _keep_failed(delivery: Delivery, error: Exception) -> None:
    # What it had done is undone; the delivery itself is kept, and the provider sends it again.
    reason = f"{type(error).__name__}: {error}"
    outcome = Outcome(Verdict.FAILED, reason, RefusalReason.UNAVAILABLE)
    with suppress(SQLAlchemyError), unit_of_work() as work:
        keep(work, delivery, outcome)


def process(work: UnitOfWork, delivery: Delivery, event_number: int) -> Outcome:
    """Apply one event of a delivery and keep it, in the caller's transaction."""
    notification = _parse(delivery)
    if not notification.events:
        return _process(work, [delivery], [notification])[0]
    event = notification.events[event_number]
    outcome = replace(payment_events.apply(work, [event])[0], notification_type=notification.type)
    keep(work, delivery, outcome, event.transaction_id, event_number)
    return outcome


def catch_up() -> int:
    """Apply the unmatched deliveries whose payment is recorded by now; return how many were looked at."""
    with read_session() as session:
        providers = [provider.name for provider in configured_providers()]
        late = session.execute(_UNMATCHED_OF_PAYMENTS, {"providers": providers}).scalars().all()
    for delivery_id in late:
        try:
            with unit_of_work() as work:
                _apply_late(work, delivery_id)
        except Exception:
            # One that fails must not keep the others from being applied.
            logger.exception("could not apply delivery %s; trying again", delivery_id)
    return len(late)


def _apply_late(work: UnitOfWork, delivery_id: int) -> None:
    # Skip a row that another worker holds: it applies the delivery.
    row = work.exec(_STILL_UNMATCHED, params={"delivery_id": delivery_id}).first()
    if row is None:
        return
    event = get_provider(row.provider).parse(row.body).events[row.event_number]
    (outcome,) = payment_events.apply(work, [event])
    row.verdict, row.reason, row.order_id = (
        outcome.verdict,
        "applied when its payment was recorded",
        outcome.order_id,
    )
    if outcome.verdict in {Verdict.DONE, Verdict.REPEAT}:
        settle(work, delivery_id)


def _answer(work: UnitOfWork, notification: Notification, known_users: set[str]) -> Outcome:
    """Return the outcome of a notification without events."""
    if notification.refusal:
        verdict = Verdict.BAD_SIGNATURE if notification is _UNVERIFIED else Verdict.REFUSED
        return Outcome(verdict, notification.reason, notification.refusal)
    if notification.question is None:
        return Outcome(Verdict.IGNORED, "the store does not use this notification type")
    if (user_id := _find_user(work, notification.question, known_users)) is None:
        return Outcome(Verdict.REFUSED, "There is no such user.", RefusalReason.UNKNOWN_USER)
    return Outcome(Verdict.DONE, user_id=user_id)


def _find_user(session: Session, question: UserQuestion, known_users: set[str]) -> str | None:
    """Return the id that was asked for, empty where only the existence was; None for an unknown user."""
    if question.username:
        named = select(User.id).where(User.username_key == username_key(question.username))
        return session.exec(named).first()
    return "" if question.user_id in known_users else None


def _known_users(work: UnitOfWork, notifications: Sequence[Notification]) -> set[str]:
    asked = [notification.question.user_id for notification in notifications if notification.question]
    return set(work.connection().execute(_KNOWN_USERS, {"user_ids": asked}).scalars()) if asked else set()
