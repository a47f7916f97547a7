"""From a delivery to a claim about an order, in one transaction with the inbox."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Self

from sqlalchemy import bindparam, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from store_app.accounts.service import username_key
from store_app.db.unit_of_work import read_session, unit_of_work
from store_app.failpoints import failpoint
from store_app.models import Payment, PaymentKind, User, Verdict, WebhookDelivery
from store_app.orders import payment_events
from store_app.orders.payment_events import Handler, Judgement, PaymentEvent
from store_app.payments.xsolla.notifications import Malformed, Notification
from store_app.payments.xsolla.signature import is_valid
from store_app.settings import get_settings
from webhook.inbox import Delivery, Outcome, keep

logger = logging.getLogger(__name__)

# Xsolla's codes of refund_details that mean that the bank took the money back.
CHARGEBACK_CODES = {"2"}
# Built once: building a statement costs more than running it.
WAITING = (
    select(WebhookDelivery.id)
    .where(
        WebhookDelivery.transaction_id == bindparam("transaction_id"),
        # Written out, so that the index of the few unmatched deliveries is used.
        text("verdict = 'unmatched'"),
    )
    .order_by(col(WebhookDelivery.id))
)
_LATE = (
    select(col(WebhookDelivery.id), col(Payment.order_id))
    .join(Payment, col(Payment.transaction_id) == col(WebhookDelivery.transaction_id))
    .where(
        text("verdict = 'unmatched'"),
        # What named another order too, and still fits none, was looked at before.
        col(WebhookDelivery.order_id).is_(None),
        col(Payment.kind) == PaymentKind.PAYMENT,
    )
    .order_by(col(WebhookDelivery.id))
    .limit(100)
)
_STILL_WAITING = (
    select(WebhookDelivery)
    .where(col(WebhookDelivery.id) == bindparam("delivery_id"), text("verdict = 'unmatched'"))
    .with_for_update(skip_locked=True)
    .execution_options(populate_existing=True)
)
_ALL_WAITING = select(WebhookDelivery.transaction_id).where(
    col(WebhookDelivery.transaction_id).in_(bindparam("transaction_ids", expanding=True)),
    text("verdict = 'unmatched'"),
)
_KNOWN_USERS = select(User.id).where(
    col(User.id).in_(bindparam("user_ids", expanding=True)), col(User.closed_at).is_(None)
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A delivery that waits to be taken, and whether its signature is right."""

    delivery: Delivery
    signature_valid: bool

    @classmethod
    def of(cls, body: bytes, signature: bytes | None, headers: dict[str, str]) -> Self:
        """Make one of a request's body and headers."""
        return cls(Delivery.of(body, headers), is_valid(body, signature, get_settings().webhook_secrets))


def receive(body: bytes, signature: bytes | None, headers: dict[str, str]) -> Outcome:
    """Verify, keep and act on one delivery, in one transaction; whatever raises is for a retry (5xx)."""
    return receive_all([Arrival.of(body, signature, headers)])[0]


def receive_all(arrivals: Sequence[Arrival]) -> list[Outcome]:
    """Keep and act on deliveries, in one transaction; return what was made of each.

    Whatever raises undoes all of them. One that fails alone is kept as failed, if it is genuine.
    """
    try:
        return _take(arrivals)
    except Exception as error:
        if len(arrivals) == 1 and arrivals[0].signature_valid:
            _keep_failed(arrivals[0].delivery, error)
        raise


def _take(arrivals: Sequence[Arrival]) -> list[Outcome]:
    read = [_read(arrival.delivery) if arrival.signature_valid else None for arrival in arrivals]
    with unit_of_work() as session:
        failpoint("webhook: transaction begun")
        if len(arrivals) > 1:
            _prefetch(session, [one for one in read if isinstance(one, Notification)])
        outcomes = [_take_one(session, arrival.delivery, one) for arrival, one in zip(arrivals, read, strict=True)]
        failpoint("webhook: before commit")
    failpoint("webhook: after commit")
    return outcomes


def _prefetch(session: Session, notifications: Sequence[Notification]) -> None:
    """Ask for what several notifications need at once: their users, their orders, what waits for their payment."""
    ours = [one for one in notifications if one.project_id in {"", str(get_settings().xsolla_project_id)}]
    users = {"user_ids": [one.user_id for one in ours if one.kind == "user_validation"]}
    if users["user_ids"]:
        session.info["known users"] = set(session.connection().execute(_KNOWN_USERS, users).scalars())
    about_orders = [one for one in ours if _handler(one)]
    if about_orders:
        payment_events.prefetch(session, [_identity(one) for one in about_orders])
        transactions = {"transaction_ids": [one.transaction_id for one in about_orders if one.transaction_id]}
        session.info["waiting"] = set(session.connection().execute(_ALL_WAITING, transactions).scalars())


def _take_one(session: Session, delivery: Delivery, read: Notification | Malformed | None) -> Outcome:
    if read is not None:
        return _act_and_keep(session, delivery, read)
    reason = "The signature does not fit this body and our secret."
    outcome = Outcome(Verdict.BAD_SIGNATURE, 400, "INVALID_SIGNATURE", reason)
    keep(session, delivery, "", outcome)
    return outcome


def _keep_failed(delivery: Delivery, error: Exception) -> None:
    # What it had done is undone; the delivery itself is kept, and the provider sends it again.
    outcome = Outcome(Verdict.FAILED, 503, reason=f"{type(error).__name__}: {error}")
    with suppress(SQLAlchemyError), unit_of_work() as session:
        keep(session, delivery, "", outcome)


def process(session: Session, delivery: Delivery) -> Outcome:
    """Act on a genuine delivery and keep it, in the caller's transaction."""
    return _act_and_keep(session, delivery, _read(delivery))


def _read(delivery: Delivery) -> Notification | Malformed:
    try:
        return Notification.parse(delivery.body)
    except Malformed as error:
        return error


def _act_and_keep(session: Session, delivery: Delivery, read: Notification | Malformed) -> Outcome:
    if isinstance(read, Malformed):
        outcome = _refusal("INVALID_PARAMETER", str(read))
        keep(session, delivery, "", outcome)
        return outcome
    outcome = _act(session, read, delivery)
    if outcome.verdict is Verdict.UNMATCHED:
        session.info.get("waiting", set()).add(read.transaction_id)
    failpoint("webhook: order moved")
    keep(session, delivery, read.kind, outcome, read.transaction_id)
    return outcome


def _refusal(code: str, reason: str, order_id: str | None = None) -> Outcome:
    return Outcome(Verdict.REFUSED, 400, code, reason, order_id)


def _act(session: Session, notification: Notification, delivery: Delivery) -> Outcome:
    if notification.project_id not in {"", str(get_settings().xsolla_project_id)}:
        return _refusal("INVALID_PARAMETER", "The notification is for another project.")
    if answer := _ABOUT_USERS.get(notification.kind):
        return answer(session, notification)
    handler = _handler(notification)
    if handler is None:
        return Outcome(Verdict.IGNORED, reason="a type the store has no use for")
    outcome = _outcome(
        notification, payment_events.apply(session, _payment_event(notification, delivery), handler)
    )
    if handler in {payment_events.paid, payment_events.noted} and outcome.verdict is Verdict.DONE:
        _catch_up(session, notification, outcome)
    return outcome


def _handler(notification: Notification) -> Handler | None:
    if notification.kind in {"refund", "order_canceled"}:
        return (
            payment_events.charged_back
            if notification.refund_code in CHARGEBACK_CODES
            else payment_events.refunded
        )
    return _HANDLERS.get(notification.kind)


def _identity(notification: Notification) -> PaymentEvent:
    return PaymentEvent(
        provider_order_id=notification.provider_order_id,
        transaction_id=notification.transaction_id,
        order_id=notification.order_id,
        external_id=notification.external_id,
    )


def _payment_event(notification: Notification, delivery: Delivery) -> PaymentEvent:
    return replace(
        _identity(notification),
        user_id=notification.user_id,
        amount=notification.amount,
        currency=notification.currency,
        charged=notification.charged,
        charged_currency=notification.charged_currency,
        sandbox=notification.sandbox,
        # Several partial refunds share a transaction: only the bytes tell a repeat from another one.
        detail=hashlib.sha256(delivery.body).hexdigest()[:32],
        reason=notification.reason,
    )


def _outcome(notification: Notification, judgement: Judgement) -> Outcome:
    # A 400 to `payment` would not give the buyer the money back: it is kept and flagged instead.
    refused = judgement.code and notification.kind == "order_paid"
    return Outcome(
        judgement.verdict,
        400 if refused else 204,
        judgement.code if refused else "",
        judgement.reason,
        judgement.order_id,
    )


def _catch_up(session: Session, notification: Notification, outcome: Outcome) -> None:
    """Apply what came before this payment and fitted no order, because it named only the transaction."""
    looked_ahead = session.info.get("waiting")
    if notification.transaction_id and (looked_ahead is None or notification.transaction_id in looked_ahead):
        waiting = session.connection().execute(WAITING, {"transaction_id": notification.transaction_id})
        for (delivery_id,) in waiting.all():
            _act_late(session, delivery_id, outcome.order_id)


def _act_late(session: Session, delivery_id: int, order_id: str | None) -> None:
    # Somebody else may be at it: then it is theirs. Waiting for them could be crosswise, as they lock the order.
    row = session.exec(_STILL_WAITING, params={"delivery_id": delivery_id}).first()
    if row is None:
        return
    late = _act(session, Notification.parse(row.body), Delivery(row.body, row.headers))
    row.verdict, row.reason, row.order_id = late.verdict, "waited for its payment", late.order_id or order_id
    session.add(row)


def catch_up() -> int:
    """Apply what still waits for a payment that is booked by now; returns how much was looked at.

    The payment itself does so as it is booked, unless a repair booked it, or both came at the same moment.
    """
    with read_session() as session:
        late = session.execute(_LATE).all()
    for delivery_id, order_id in late:
        try:
            with unit_of_work() as session:
                _act_late(session, delivery_id, order_id)
        except Exception:
            # The others must get their turn.
            logger.exception("could not apply delivery %s; trying again", delivery_id)
    return len(late)


def _validate_user(session: Session, notification: Notification) -> Outcome:
    known = session.info.get("known users")
    if known is None:
        known = set(session.connection().execute(_KNOWN_USERS, {"user_ids": [notification.user_id]}).scalars())
    if notification.user_id in known:
        return Outcome(Verdict.DONE)
    return _refusal("INVALID_USER", "There is no such user.")


def _search_user(session: Session, notification: Notification) -> Outcome:
    """Resolve a public id, which in this store is the user name, to the user's id."""
    named = select(User.id).where(User.username_key == username_key(notification.public_id))
    user_id = session.exec(named).first() if notification.public_id else None
    if user_id is None:
        return _refusal("INVALID_USER", "There is no such user.")
    return Outcome(Verdict.DONE, 200, answer={"user": {"id": user_id}})


_ABOUT_USERS: dict[str, Callable[[Session, Notification], Outcome]] = {
    "user_validation": _validate_user,
    "user_search": _search_user,
}
_HANDLERS: dict[str, Handler] = {
    "order_paid": payment_events.paid,
    "payment": payment_events.noted,
    "partial_refund": payment_events.partly_refunded,
    "ps_declined": payment_events.declined,
    "afs_reject": payment_events.declined,
    "dispute": payment_events.disputed,
}
