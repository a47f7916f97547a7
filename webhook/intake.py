"""From a delivery to its outcome, in one transaction with the inbox.

Deliveries that match no order, because they name only a transaction that is not yet paid, are kept as unmatched
and applied when its payment arrives.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from sqlalchemy import bindparam, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from store_app.accounts.service import username_key
from store_app.db.unit_of_work import read_session, unit_of_work
from store_app.failpoints import failpoint
from store_app.models import Payment, PaymentKind, User, Verdict, WebhookDelivery
from store_app.orders import payment_events
from store_app.payments.provider import (
    EventKind,
    Notification,
    Outcome,
    PaymentEvent,
    RefusalReason,
    UserQuestion,
    combine,
)
from store_app.payments.registry import configured_providers, get_provider
from webhook.inbox import Delivery, keep

logger = logging.getLogger(__name__)

# Built once: building a statement costs more than running it.
UNMATCHED = (
    select(WebhookDelivery.id)
    .where(
        WebhookDelivery.transaction_id == bindparam("transaction_id"),
        WebhookDelivery.provider == bindparam("provider"),
        # Written out, so that the index of the few unmatched deliveries is used.
        text("verdict = 'unmatched'"),
    )
    .order_by(col(WebhookDelivery.id))
)
_UNMATCHED_OF_PAYMENTS = (
    select(col(WebhookDelivery.id), col(Payment.order_id))
    .join(
        Payment,
        (col(Payment.transaction_id) == col(WebhookDelivery.transaction_id))
        & (col(Payment.provider) == col(WebhookDelivery.provider)),
    )
    .where(
        text("verdict = 'unmatched'"),
        # A row with an order id was already tried with this payment and still matched no order.
        col(WebhookDelivery.order_id).is_(None),
        # Deliveries of a provider that is no longer configured cannot be processed, and would use up the LIMIT.
        col(WebhookDelivery.provider).in_(bindparam("providers", expanding=True)),
        col(Payment.kind) == PaymentKind.PAYMENT,
    )
    .order_by(col(WebhookDelivery.id))
    .limit(100)
)
_STILL_UNMATCHED = (
    select(WebhookDelivery)
    .where(col(WebhookDelivery.id) == bindparam("delivery_id"), text("verdict = 'unmatched'"))
    .with_for_update(skip_locked=True)
    .execution_options(populate_existing=True)
)
_UNMATCHED_TRANSACTIONS = select(WebhookDelivery.transaction_id).where(
    col(WebhookDelivery.transaction_id).in_(bindparam("transaction_ids", expanding=True)),
    text("verdict = 'unmatched'"),
)
_KNOWN_USERS = select(User.id).where(
    col(User.id).in_(bindparam("user_ids", expanding=True)), col(User.closed_at).is_(None)
)
_UNVERIFIED = Notification(
    refusal=RefusalReason.BAD_SIGNATURE, reason="The signature does not match this body and the webhook secret."
)


def receive_all(deliveries: Sequence[Delivery]) -> list[Outcome]:
    """Keep and apply deliveries, in one transaction; return the outcome of each.

    Whatever this raises is retryable (5xx), and undoes all of them. One that fails alone is kept as failed, if its
    signature is valid.
    """
    try:
        return _receive(deliveries)
    except Exception as error:
        if len(deliveries) == 1 and deliveries[0].signature_valid:
            _keep_failed(deliveries[0], error)
        raise


def _receive(deliveries: Sequence[Delivery]) -> list[Outcome]:
    notifications = [_parse(delivery) for delivery in deliveries]
    with unit_of_work() as session:
        failpoint("webhook: transaction begun")
        if len(deliveries) > 1 or any(len(notification.events) > 1 for notification in notifications):
            _prefetch(session, notifications)
        outcomes = [
            _process(session, delivery, notification)
            for delivery, notification in zip(deliveries, notifications, strict=True)
        ]
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


def _prefetch(session: Session, notifications: Sequence[Notification]) -> None:
    """Read what several notifications need with one query each: users, orders, what waits for their payments."""
    asked = [notification.question.user_id for notification in notifications if notification.question]
    if asked:
        session.info["known users"] = _known_users(session, asked)
    if events := [event for notification in notifications for event in notification.events]:
        payment_events.prefetch(session, events)
        paid = {"transaction_ids": [event.transaction_id for event in events if _may_pay(event)]}
        session.info["unmatched"] = set(session.connection().execute(_UNMATCHED_TRANSACTIONS, paid).scalars())


def _may_pay(event: PaymentEvent) -> bool:
    return event.kind in {EventKind.PAID, EventKind.PAYMENT_TAKEN}


def _keep_failed(delivery: Delivery, error: Exception) -> None:
    # What it had done is undone; the delivery itself is kept, and the provider sends it again.
    reason = f"{type(error).__name__}: {error}"
    outcome = Outcome(Verdict.FAILED, reason, RefusalReason.UNAVAILABLE)
    with suppress(SQLAlchemyError), unit_of_work() as session:
        keep(session, delivery, outcome)


def process(session: Session, delivery: Delivery, event_number: int) -> Outcome:
    """Apply one event of a delivery and keep it, in the caller's transaction."""
    notification = _parse(delivery)
    if notification.events:
        return _process_event(session, delivery, notification, event_number)
    return _process(session, delivery, notification)


def _process(session: Session, delivery: Delivery, notification: Notification) -> Outcome:
    if notification.events:
        numbers = range(len(notification.events))
        return combine([_process_event(session, delivery, notification, number) for number in numbers])
    outcome = replace(_answer(session, notification), notification_type=notification.type)
    keep(session, delivery, outcome)
    return outcome


def _process_event(session: Session, delivery: Delivery, notification: Notification, number: int) -> Outcome:
    event = notification.events[number]
    outcome = replace(_apply_event(session, event), notification_type=notification.type)
    if outcome.verdict is Verdict.UNMATCHED:
        session.info.get("unmatched", set()).add(event.transaction_id)
    failpoint("webhook: order changed")
    keep(session, delivery, outcome, event.transaction_id, number)
    return outcome


def _apply_event(session: Session, event: PaymentEvent) -> Outcome:
    outcome = payment_events.apply(session, event)
    if _may_pay(event) and outcome.verdict is Verdict.DONE:
        _apply_unmatched(session, event, outcome)
    return outcome


def _apply_unmatched(session: Session, event: PaymentEvent, outcome: Outcome) -> None:
    """Apply the unmatched deliveries that named only this payment's transaction."""
    prefetched = session.info.get("unmatched")
    if event.transaction_id and (prefetched is None or event.transaction_id in prefetched):
        wanted = {"transaction_id": event.transaction_id, "provider": event.provider}
        for (delivery_id,) in session.connection().execute(UNMATCHED, wanted).all():
            _apply_late(session, delivery_id, outcome.order_id)


def _apply_late(session: Session, delivery_id: int, order_id: str | None) -> None:
    # Skip a row that another worker holds: waiting could deadlock, because that worker locks the order next.
    row = session.exec(_STILL_UNMATCHED, params={"delivery_id": delivery_id}).first()
    if row is None:
        return
    event = get_provider(row.provider).parse(row.body).events[row.event_number]
    late = _apply_event(session, event)
    row.verdict, row.reason = late.verdict, "applied when its payment arrived"
    row.order_id = late.order_id or order_id
    session.add(row)


def catch_up() -> int:
    """Apply unmatched deliveries whose payment is booked by now; return how many were looked at.

    The payment itself applies them as it is booked, unless reconciliation booked it, or both came at the same
    moment.
    """
    with read_session() as session:
        providers = [provider.name for provider in configured_providers()]
        late = session.execute(_UNMATCHED_OF_PAYMENTS, {"providers": providers}).all()
    for delivery_id, order_id in late:
        try:
            with unit_of_work() as session:
                _apply_late(session, delivery_id, order_id)
        except Exception:
            # One that fails must not keep the others from being applied.
            logger.exception("could not apply delivery %s; trying again", delivery_id)
    return len(late)


def _answer(session: Session, notification: Notification) -> Outcome:
    """Return the outcome of a notification without events."""
    if notification.refusal:
        verdict = Verdict.BAD_SIGNATURE if notification is _UNVERIFIED else Verdict.REFUSED
        return Outcome(verdict, notification.reason, notification.refusal)
    if notification.question is None:
        return Outcome(Verdict.IGNORED, "the store does not use this notification type")
    if (user_id := _find_user(session, notification.question)) is None:
        return Outcome(Verdict.REFUSED, "There is no such user.", RefusalReason.UNKNOWN_USER)
    return Outcome(Verdict.DONE, user_id=user_id)


def _find_user(session: Session, question: UserQuestion) -> str | None:
    """Return the id that was asked for, empty where only the existence was; None for an unknown user."""
    if question.username:
        named = select(User.id).where(User.username_key == username_key(question.username))
        return session.exec(named).first()
    known = session.info.get("known users") or _known_users(session, [question.user_id])
    return "" if question.user_id in known else None


def _known_users(session: Session, user_ids: list[str]) -> set[str]:
    return set(session.connection().execute(_KNOWN_USERS, {"user_ids": user_ids}).scalars())
