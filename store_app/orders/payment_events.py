"""Payment events applied to orders: each is compared with its order before anything changes.

Events come from notifications and from reconciliation (`checkout.reconcile`): the same rules hold for both.
"""

from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy import bindparam
from sqlmodel import Session, col, select

from store_app import money
from store_app.errors import NotFound
from store_app.models import UNPAID, Payment, PaymentAttempt, PaymentKind, Verdict
from store_app.orders import lifecycle
from store_app.orders.ledger import Movement
from store_app.orders.locked_order import LockedOrder, lock, lock_all
from store_app.payments.provider import EventKind, Outcome, PaymentEvent, RefusalReason

BY_PROVIDER_ORDER = select(PaymentAttempt.order_id).where(
    PaymentAttempt.provider == bindparam("provider"),
    PaymentAttempt.provider_order_id == bindparam("provider_order_id"),
)
# Of several: rows of other providers with the same ids are left out afterwards.
_BY_PROVIDER_ORDERS = select(
    PaymentAttempt.provider, PaymentAttempt.provider_order_id, PaymentAttempt.order_id
).where(col(PaymentAttempt.provider_order_id).in_(bindparam("provider_order_ids", expanding=True)))
_BY_TRANSACTION = select(Payment.order_id).where(
    Payment.transaction_id == bindparam("transaction_id"), Payment.provider == bindparam("provider")
)
_BY_TRANSACTIONS = select(Payment.provider, Payment.transaction_id, Payment.order_id).where(
    col(Payment.transaction_id).in_(bindparam("transaction_ids", expanding=True))
)
_MAX_ATTEMPT_DIGITS, _MAX_TRANSACTION_LENGTH = 6, 64

Handler = Callable[[Session, LockedOrder, PaymentEvent], Outcome]


def apply(session: Session, event: PaymentEvent) -> Outcome:
    """Find the order of an event, lock it, and do what the event says."""
    order = _find_order(session, event)
    if order is None:
        # Money may have been taken for it: kept for staff, and not refused, because sending it again would not
        # help.
        return Outcome(Verdict.UNMATCHED, "matches no order of the store")
    if event.wrong_mode:
        lifecycle.flag(session, order, "a sandbox notification in live mode, or a live one in sandbox mode")
        return Outcome(Verdict.IGNORED, "a test payment in live mode, or the other way round", order_id=order.id)
    return _HANDLERS[event.kind](session, order, event)


def prefetch(session: Session, events: Sequence[PaymentEvent]) -> None:
    """Look up and lock the orders of several events with one query each; `apply` then finds them in memory."""
    ids = {"provider_order_ids": [event.provider_order_id for event in events if event.provider_order_id]}
    rows = session.connection().execute(_BY_PROVIDER_ORDERS, ids)
    found = {(row.provider, row.provider_order_id): row.order_id for row in rows}
    session.info["orders by provider order"] = found
    order_ids = [
        found.get((event.provider, event.provider_order_id)) or _named_order_id(event) for event in events
    ]
    unnamed = {
        (event.provider, event.transaction_id)
        for event, order_id in zip(events, order_ids, strict=True)
        if not order_id
    }
    if unnamed:
        transactions = {"transaction_ids": [transaction for _provider, transaction in unnamed]}
        rows = session.connection().execute(_BY_TRANSACTIONS, transactions)
        order_ids += [row.order_id for row in rows if (row.provider, row.transaction_id) in unnamed]
    lock_all(session, order_ids)


def _find_order(session: Session, event: PaymentEvent) -> LockedOrder | None:
    """Return the order, locked: by the provider's order id, by ours, by the external id, by the transaction."""
    order_id = _order_id(session, event)
    try:
        return lock(session, order_id) if order_id else None
    except NotFound:
        return None


def _named_order_id(event: PaymentEvent) -> str:
    return event.order_id or event.external_id.rpartition("-")[0]


def _order_id(session: Session, event: PaymentEvent) -> str:
    prefetched = session.info.get("orders by provider order", {})
    if order_id := prefetched.get((event.provider, event.provider_order_id)):
        return str(order_id)
    if event.provider_order_id:
        wanted = {"provider": event.provider, "provider_order_id": event.provider_order_id}
        if order_id := session.connection().execute(BY_PROVIDER_ORDER, wanted).scalar():
            return str(order_id)
    if order_id := _named_order_id(event):
        return order_id
    if event.transaction_id:
        transaction = {"provider": event.provider, "transaction_id": event.transaction_id}
        return str(session.connection().execute(_BY_TRANSACTION, transaction).scalar() or "")
    return ""


def _done(order: LockedOrder, *, changed: bool) -> Outcome:
    if not changed:
        return Outcome(Verdict.REPEAT, order_id=order.id)
    return Outcome(Verdict.DONE, f"the order is {order.status.replace('_', ' ')} now", order_id=order.id)


def _mismatch(order: LockedOrder, event: PaymentEvent) -> tuple[RefusalReason, str] | None:
    """Return why the payment is not the one that was asked for, if it is not."""
    if event.user_id and event.user_id != order.user_id:
        return RefusalReason.OTHER_USER, "the payment is another user's"
    if event.currency != order.currency:
        return RefusalReason.WRONG_AMOUNT, "the payment has another currency"
    try:
        paid = money.to_minor(event.amount, order.currency)
    except ValueError:
        return RefusalReason.WRONG_AMOUNT, "the payment has no readable amount"
    if paid != order.total:
        return RefusalReason.WRONG_AMOUNT, "the payment has another amount"
    return None


def _refuse(session: Session, order: LockedOrder, refusal: RefusalReason | None, reason: str) -> Outcome:
    lifecycle.flag(session, order, reason)
    return Outcome(Verdict.REFUSED, reason, refusal, order.id)


def _charged(order: LockedOrder, event: PaymentEvent) -> int:
    """Return what the user paid or got back with tax, in minor units; 0 when it is not known."""
    if event.charged_currency != order.currency:
        return 0
    try:
        return max(0, money.to_minor(event.charged, order.currency))
    except ValueError:
        return 0


def _movement(order: LockedOrder, event: PaymentEvent, kind: PaymentKind, amount: int) -> Movement:
    # A free order has no transaction: use the provider's order id in its place.
    transaction = event.transaction_id or f"order:{event.provider_order_id or order.id}"[:_MAX_TRANSACTION_LENGTH]
    charged = _charged(order, event)
    return Movement(kind, amount, transaction, charged, event.provider, event.provider_order_id)


def _paid(session: Session, order: LockedOrder, event: PaymentEvent) -> Outcome:
    """Grant the order, if it is the payment that was asked for."""
    if mismatch := _mismatch(order, event):
        return _refuse(session, order, *mismatch)
    payment = _movement(order, event, PaymentKind.PAYMENT, order.total)
    received = lifecycle.receive_payment(session, order, payment)
    if not received and not lifecycle.was_paid_by(session, order, payment):
        return _refuse(session, order, None, "the transaction paid another order before")
    return _done(order, changed=received)


def _payment_taken(session: Session, order: LockedOrder, event: PaymentEvent) -> Outcome:
    """Grant the order, unless the provider keeps an order of its own: then its PAID event follows and grants."""
    unless_recorded = not event.grants_unrecorded
    if not lifecycle.has_provider_order(session, order, event.provider, unless_recorded=unless_recorded):
        return _paid(session, order, event)
    if mismatch := _mismatch(order, event):
        return _refuse(session, order, *mismatch)
    reason = "accepted; the notification that the order is paid will grant it"
    return Outcome(Verdict.IGNORED, reason, order_id=order.id)


def _returned(kind: PaymentKind, session: Session, order: LockedOrder, event: PaymentEvent) -> Outcome:
    if event.transaction_id or event.provider_order_id:
        refund = _movement(order, event, kind, order.total)
        return _done(order, changed=lifecycle.return_money(session, order, refund))
    changed = lifecycle.cancel(session, order)
    if order.status not in UNPAID:
        lifecycle.flag(session, order, "canceled by the provider, but it does not say which payment")
    return _done(order, changed=changed)


def _partially_refunded(session: Session, order: LockedOrder, event: PaymentEvent) -> Outcome:
    """Book what went back. A part as large as the payment is unknown, and staff look at it (`ledger`)."""
    part = _movement(order, event, PaymentKind.PARTIAL_REFUND, 0)
    return _done(order, changed=lifecycle.return_part(session, order, part, event.detail))


def _declined(session: Session, order: LockedOrder, event: PaymentEvent) -> Outcome:
    attempt = event.external_id.rpartition("-")[2]
    number = int(attempt) if attempt.isdecimal() and len(attempt) < _MAX_ATTEMPT_DIGITS else None
    return _done(order, changed=lifecycle.decline(session, order, event, number))


def _disputed(session: Session, order: LockedOrder, event: PaymentEvent) -> Outcome:
    lifecycle.flag(session, order, f"dispute: {event.reason}"[:200])
    return Outcome(Verdict.DONE, order_id=order.id)


_HANDLERS: dict[EventKind, Handler] = {
    EventKind.PAID: _paid,
    EventKind.PAYMENT_TAKEN: _payment_taken,
    EventKind.REFUNDED: partial(_returned, PaymentKind.REFUND),
    EventKind.PARTIALLY_REFUNDED: _partially_refunded,
    EventKind.CHARGED_BACK: partial(_returned, PaymentKind.CHARGEBACK),
    EventKind.DECLINED: _declined,
    EventKind.DISPUTED: _disputed,
}
