"""From a delivery to a claim about an order, in one transaction with the inbox."""

import hashlib
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy import bindparam, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col, select

from store_app.accounts.service import username_key
from store_app.database import unit_of_work
from store_app.failpoints import failpoint
from store_app.models import User, Verdict, WebhookDelivery
from store_app.orders import claims
from store_app.orders.claims import Claim, Judgement, Rule
from store_app.settings import get_settings
from webhook.inbox import Delivery, Outcome, keep
from webhook.notifications import Malformed, Notification
from webhook.signature import is_genuine

# Xsolla's codes of refund_details that mean that the bank took the money back.
CHARGEBACK_CODES = {"2"}
# Built once: building a statement costs more than running it.
_WAITING = (
    select(WebhookDelivery.id)
    .where(
        WebhookDelivery.transaction_id == bindparam("transaction_id"),
        # Written out, so that the index of the few unmatched deliveries is used.
        text("verdict = 'unmatched'"),
    )
    .order_by(col(WebhookDelivery.id))
)


def receive(body: bytes, signature: bytes | None, headers: dict[str, str]) -> Outcome:
    """Verify, keep and act on one delivery, in one transaction; whatever raises is for a retry (5xx)."""
    delivery = Delivery.of(body, headers)
    if not is_genuine(body, signature, get_settings().webhook_secrets):
        outcome = Outcome(
            Verdict.BAD_SIGNATURE,
            400,
            "INVALID_SIGNATURE",
            "The signature does not fit this body and our secret.",
        )
        with unit_of_work() as session:
            keep(session, delivery, "", outcome)
        return outcome
    try:
        with unit_of_work() as session:
            failpoint("webhook: transaction begun")
            outcome = process(session, delivery)
            failpoint("webhook: before commit")
        failpoint("webhook: after commit")
    except Exception as error:
        # What it had done is undone; the delivery itself is kept, and the provider sends it again.
        outcome = Outcome(Verdict.FAILED, 503, reason=f"{type(error).__name__}: {error}")
        with suppress(DBAPIError), unit_of_work() as session:
            keep(session, delivery, "", outcome)
        raise
    return outcome


def process(session: Session, delivery: Delivery) -> Outcome:
    """Act on a genuine delivery and keep it, in the caller's transaction."""
    try:
        notification = Notification.parse(delivery.body)
    except Malformed as error:
        outcome = _refusal("INVALID_PARAMETER", str(error))
        keep(session, delivery, "", outcome)
        return outcome
    outcome = _act(session, notification, delivery)
    failpoint("webhook: order moved")
    keep(session, delivery, notification.kind, outcome, notification.transaction_id)
    return outcome


def _refusal(code: str, reason: str, order_id: str | None = None) -> Outcome:
    return Outcome(Verdict.REFUSED, 400, code, reason, order_id)


def _act(session: Session, notification: Notification, delivery: Delivery) -> Outcome:
    if notification.project_id not in {"", str(get_settings().xsolla_project_id)}:
        return _refusal("INVALID_PARAMETER", "The notification is for another project.")
    if answer := _ABOUT_USERS.get(notification.kind):
        return answer(session, notification)
    rule = _rule(notification)
    if rule is None:
        return Outcome(Verdict.IGNORED, reason="a type the store has no use for")
    outcome = _outcome(notification, claims.judge(session, _claim(notification, delivery), rule))
    if rule in {claims.paid, claims.noted} and outcome.verdict is Verdict.DONE:
        _catch_up(session, notification, outcome)
    return outcome


def _rule(notification: Notification) -> Rule | None:
    if notification.kind in {"refund", "order_canceled"}:
        return claims.charged_back if notification.refund_code in CHARGEBACK_CODES else claims.refunded
    return _RULES.get(notification.kind)


def _claim(notification: Notification, delivery: Delivery) -> Claim:
    return Claim(
        provider_order_id=notification.provider_order_id,
        transaction_id=notification.transaction_id,
        order_id=notification.order_id,
        external_id=notification.external_id,
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
    if not notification.transaction_id:
        return
    waiting = session.connection().execute(_WAITING, {"transaction_id": notification.transaction_id}).scalars()
    for delivery_id in waiting.all():
        row = session.get_one(WebhookDelivery, delivery_id)
        late = _act(session, Notification.parse(row.body), Delivery(row.body, row.headers))
        row.verdict, row.reason, row.order_id = late.verdict, "waited for its payment", outcome.order_id
        session.add(row)


def _validate_user(session: Session, notification: Notification) -> Outcome:
    known = select(User.id).where(User.id == notification.user_id, col(User.closed_at).is_(None))
    if session.exec(known).first():
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
_RULES: dict[str, Rule] = {
    "order_paid": claims.paid,
    "payment": claims.noted,
    "partial_refund": claims.partly_refunded,
    "ps_declined": claims.declined,
    "afs_reject": claims.declined,
    "dispute": claims.disputed,
}
