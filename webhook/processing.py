"""From a notification to `orders.lifecycle`: find the order, check what is claimed, move the order."""

from collections.abc import Callable
from contextlib import suppress

from sqlalchemy import bindparam
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, select

from store_app import money
from store_app.database import reading, unit_of_work
from store_app.errors import NotFound
from store_app.models import Order, PaymentAttempt, PaymentKind, User, Verdict
from store_app.orders import lifecycle
from store_app.settings import Settings, get_settings
from webhook.inbox import Delivery, Outcome, keep
from webhook.notifications import Malformed, Notification
from webhook.signature import is_genuine

# Xsolla's codes of refund_details that mean that the bank took the money back.
CHARGEBACK_CODES = {"2"}
LONGEST_ATTEMPT = 6
_BY_PROVIDER = select(PaymentAttempt.order_id).where(
    PaymentAttempt.provider_order_id == bindparam("provider_order_id")
)


def receive(body: bytes, signature: bytes | None, headers: dict[str, str]) -> Outcome:
    """Verify, keep and act on one delivery, in one transaction; whatever raises is for a retry (5xx)."""
    delivery, settings = Delivery.of(body, headers), get_settings()
    if not is_genuine(body, signature, settings.webhook_secrets):
        outcome = Outcome(
            Verdict.BAD_SIGNATURE,
            400,
            "INVALID_SIGNATURE",
            "The signature does not fit this body and our secret.",
        )
        return _keep_only(delivery, "", outcome)
    try:
        notification = Notification.parse(body)
    except Malformed as error:
        return _keep_only(delivery, "", _refusal("INVALID_PARAMETER", f"{error}"))
    try:
        return _process(delivery, notification, settings)
    except Exception as error:
        # What it had done is undone; the delivery itself is kept, and the provider sends it again.
        outcome = Outcome(Verdict.FAILED, 503, reason=f"{type(error).__name__}: {error}")
        with suppress(DBAPIError):
            _keep_only(delivery, notification.kind, outcome)
        raise


def _keep_only(delivery: Delivery, kind: str, outcome: Outcome) -> Outcome:
    with unit_of_work() as session:
        keep(session, delivery, kind, outcome)
    return outcome


def _process(delivery: Delivery, notification: Notification, settings: Settings) -> Outcome:
    if notification.project_id not in {"", str(settings.xsolla_project_id)}:
        return _keep_only(
            delivery,
            notification.kind,
            _refusal("INVALID_PARAMETER", "The notification is for another project."),
        )
    if notification.kind == "user_validation":
        return _keep_only(delivery, notification.kind, _validate_user(notification))
    if notification.kind not in _HANDLERS:
        return _keep_only(delivery, notification.kind, _ignored("a type the store has no use for"))
    with unit_of_work() as session:
        outcome = _handle(session, notification, settings)
        keep(session, delivery, notification.kind, outcome)
    return outcome


def _refusal(code: str, reason: str, order: Order | None = None) -> Outcome:
    return Outcome(Verdict.REFUSED, 400, code, reason, order.id if order else None)


def _ignored(reason: str, order: Order | None = None) -> Outcome:
    return Outcome(Verdict.IGNORED, reason=reason, order_id=order.id if order else None)


def _done(order: Order, *, changed: bool) -> Outcome:
    return Outcome(Verdict.DONE if changed else Verdict.REPEAT, order_id=order.id)


def _validate_user(notification: Notification) -> Outcome:
    with reading() as session:
        known = session.exec(
            select(User.id).where(User.id == notification.user_id, User.closed_at == None)  # noqa: E711 - SQL
        ).first()
    return Outcome(Verdict.DONE) if known else _refusal("INVALID_USER", "There is no such user.")


def _handle(session: Session, notification: Notification, settings: Settings) -> Outcome:
    order = _find_order(session, notification)
    if order is None:
        # Money may have been taken for it: kept for a person, and not refused, because asking again would
        # not help.
        return Outcome(Verdict.UNMATCHED, reason="no order of ours fits")
    if notification.sandbox != settings.xsolla_sandbox:
        lifecycle.flag(session, order, "a sandbox notification in live mode, or a live one in sandbox mode")
        return _ignored("the sandbox mark does not fit XSOLLA_SANDBOX", order)
    return _HANDLERS[notification.kind](session, order, notification)


def _find_order(session: Session, notification: Notification) -> Order | None:
    """Return our order, locked: by Xsolla's order id, by our own id, by the external id of the payment."""
    order_id = notification.order_id
    if notification.provider_order_id:
        found = session.connection().execute(_BY_PROVIDER, {"provider_order_id": notification.provider_order_id})
        order_id = found.scalar() or order_id
    order_id = order_id or notification.external_id.rpartition("-")[0]
    if not order_id:
        return None
    try:
        return lifecycle.lock(session, order_id)
    except NotFound:
        return None


def _mismatch(order: Order, notification: Notification) -> tuple[str, str] | None:
    """Return the provider's code and the reason when the payment is not the one that was asked for."""
    if notification.user_id and notification.user_id != order.user_id:
        return "INVALID_USER", "the payment is another user's"
    if notification.currency != order.currency:
        return "INCORRECT_AMOUNT", "the payment has another currency"
    try:
        paid = money.to_minor(notification.amount, order.currency)
    except ValueError:
        return "INCORRECT_AMOUNT", "the payment has no readable amount"
    return ("INCORRECT_AMOUNT", "the payment has another amount") if paid != order.total else None


def _money(order: Order, notification: Notification) -> lifecycle.Money:
    # Without a transaction (free orders) Xsolla's order stands for it.
    transaction = notification.transaction_id or f"order:{notification.provider_order_id}"
    return lifecycle.Money(order.total, order.currency, transaction)


def _order_paid(session: Session, order: Order, notification: Notification) -> Outcome:
    if mismatch := _mismatch(order, notification):
        lifecycle.flag(session, order, mismatch[1])
        return _refusal(*mismatch, order)
    return _done(order, changed=lifecycle.receive_payment(session, order, _money(order, notification)))


def _payment(session: Session, order: Order, notification: Notification) -> Outcome:
    """In the separate mode `payment` comes before `order_paid`, which grants; here it is only noted.

    It is never refused: a 400 would not give the buyer the money back.
    """
    if mismatch := _mismatch(order, notification):
        lifecycle.flag(session, order, mismatch[1])
        return Outcome(Verdict.REFUSED, reason=mismatch[1], order_id=order.id)
    return _ignored("noted; order_paid grants", order)


def _money_returned(session: Session, order: Order, notification: Notification) -> Outcome:
    returned = _money(order, notification)
    if not notification.transaction_id and not lifecycle.was_paid_by(session, order, returned.transaction_id):
        return _done(order, changed=lifecycle.cancel_by_provider(session, order))
    kind = PaymentKind.CHARGEBACK if notification.refund_code in CHARGEBACK_CODES else PaymentKind.REFUND
    changed = lifecycle.return_money(session, order, kind, returned, returned.transaction_id)
    return _done(order, changed=changed)


def _declined(session: Session, order: Order, notification: Notification) -> Outcome:
    attempt = notification.external_id.rpartition("-")[2]
    number = int(attempt) if attempt.isdecimal() and len(attempt) < LONGEST_ATTEMPT else None
    return _done(order, changed=lifecycle.decline(session, order, number))


_HANDLERS: dict[str, Callable[[Session, Order, Notification], Outcome]] = {
    "order_paid": _order_paid,
    "payment": _payment,
    "order_canceled": _money_returned,
    "refund": _money_returned,
    "ps_declined": _declined,
    "afs_reject": _declined,
}
