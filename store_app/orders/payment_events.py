"""Payment events applied to orders: each is compared with its order before anything changes.

Events come from notifications and from reconciliation (`checkout.reconcile`): the same rules hold for both.
"""

from collections.abc import Callable, Sequence
from functools import partial

from store_app import money
from store_app.db.unit_of_work import UnitOfWork
from store_app.models import AttemptKind, AttemptState, PaymentAttempt, PaymentKind, Verdict
from store_app.orders.ledger import Fact
from store_app.orders.order import LockedOrder, Orders, TransactionUsed
from store_app.payments.provider import EventKind, Outcome, PaymentEvent, RefusalReason

NAMES_DISAGREE = "the notification names two orders"
OTHER_ORDER_NAMED = "a notification for it also names an order that does not exist"
OTHER_USER = "the notification is about another user"
PAGE_UNKNOWN = "money was taken, but it is not known on which payment page"
_GRANTED_LATER = "accepted; the notification that the order is paid will grant it"
_MAX_ATTEMPT_DIGITS, _MAX_KEY_LENGTH = 6, 140

Handler = Callable[[LockedOrder, PaymentEvent], Outcome]


def apply(work: UnitOfWork, events: Sequence[PaymentEvent]) -> list[Outcome]:
    """Find and lock the orders of some events, and do what each event says, in their sequence."""
    orders = Orders.of(work)
    orders.lock_named(events)
    return [_apply(orders, event) for event in events]


def _apply(orders: Orders, event: PaymentEvent) -> Outcome:
    found, unknown = orders.named(event)
    if not found:
        # Money may have been taken for it: kept for staff, and not refused, because sending it again would not
        # help.
        return Outcome(Verdict.UNMATCHED, "matches no order of the store")
    order = found[0]
    if len(found) > 1:
        for named in found:
            named.flag(_about(NAMES_DISAGREE, event))
        return Outcome(Verdict.REFUSED, NAMES_DISAGREE, order_id=order.id)
    if event.user_id and event.user_id != order.user_id:
        return _refuse(order, event, RefusalReason.OTHER_USER, OTHER_USER)
    if event.wrong_mode:
        order.flag(_about("a sandbox notification in live mode, or a live one in sandbox mode", event))
        return Outcome(Verdict.IGNORED, "a test payment in live mode, or the other way round", order_id=order.id)
    if unknown:
        order.flag(_about(OTHER_ORDER_NAMED, event))
    outcome = _HANDLERS[event.kind](order, event)
    transaction = event.provider, event.transaction_id
    # As the ledger says: a decline, for example, records nothing.
    if event.transaction_id and transaction in {(fact.provider, fact.transaction_id) for fact in order.facts}:
        orders.by_transaction[transaction] = order.id
    return outcome


def _about(reason: str, event: PaymentEvent) -> str:
    """Return a reason with the payment that it is about: another payment is another reason."""
    return f"{reason}: transaction {event.transaction_id}" if event.transaction_id else reason


def _refuse(order: LockedOrder, event: PaymentEvent, refusal: RefusalReason | None, reason: str) -> Outcome:
    order.flag(_about(reason, event))
    return Outcome(Verdict.REFUSED, reason, refusal, order.id)


def _done(order: LockedOrder, *, changed: bool, reason: str = "") -> Outcome:
    if not changed:
        return Outcome(Verdict.REPEAT, order_id=order.id)
    return Outcome(Verdict.DONE, reason or f"the order is {order.status.replace('_', ' ')} now", order_id=order.id)


def _mismatch(order: LockedOrder, event: PaymentEvent) -> str:
    """Return why the payment is not the one that was asked for; empty when it is."""
    if event.currency != order.currency:
        return "the payment has another currency"
    paid = _minor(order, event.amount)
    if paid is None:
        return "the payment has no readable amount"
    return "" if paid == order.total else "the payment has another amount"


def _minor(order: LockedOrder, amount: str) -> int | None:
    try:
        return money.to_minor(amount, order.currency)
    except ValueError:
        return None


def _fact(order: LockedOrder, event: PaymentEvent, kind: PaymentKind, amount: int | None = None) -> Fact:
    """Return what an event says, as a row of the ledger; `amount` is the price that it says."""
    charged = _minor(order, event.charged) if event.charged_currency == order.currency else None
    # What is not positive says nothing: some providers send 0 for an unknown amount.
    charged = charged if charged and charged > 0 else None
    transaction_id, provider_order_id = event.transaction_id, event.provider_order_id
    # A fact is a repeat of another only if it says nothing new.
    details = {
        PaymentKind.PAYMENT: "",
        PaymentKind.PARTIAL_REFUND: f":{event.detail}",
        PaymentKind.CHARGE: f":{charged or ''}@{provider_order_id}",
    }
    key = (transaction_id or f"order:{provider_order_id or order.id}") + details.get(kind, f"@{provider_order_id}")
    return Fact(kind, key[:_MAX_KEY_LENGTH], event.provider, transaction_id, provider_order_id, amount, charged)


def _paid(order: LockedOrder, event: PaymentEvent) -> Outcome:
    """Grant the order, if it is the payment that was asked for."""
    if mismatch := _mismatch(order, event):
        # The money was taken all the same: when it goes back, that is not the money of another payment.
        if event.transaction_id:
            order.record(_fact(order, event, PaymentKind.CHARGE))
        return _refuse(order, event, RefusalReason.WRONG_AMOUNT, mismatch)
    payment = _fact(order, event, PaymentKind.PAYMENT, order.total)
    try:
        changed = order.record(payment)
    except TransactionUsed:
        return _refuse(order, event, None, "the transaction paid another order before")
    if not changed and payment not in order.facts:
        # The payment was recorded without its tax or the provider's order, or with others.
        changed = order.record(_fact(order, event, PaymentKind.CHARGE))
    return _done(order, changed=changed)


def _payment_taken(order: LockedOrder, event: PaymentEvent) -> Outcome:
    """Grant the order if nothing else will: the kind of the payment attempt decides."""
    attempts = _attempts_of(order, event)
    kinds = {attempt.kind for attempt in attempts}
    if kinds == {AttemptKind.AMOUNT}:
        return _paid(order, event)
    if mismatch := _mismatch(order, event):
        return _refuse(order, event, RefusalReason.WRONG_AMOUNT, mismatch)
    if kinds != {AttemptKind.CATALOGUE}:
        order.flag(_about(PAGE_UNKNOWN, event))
    changed = order.record(_fact(order, event, PaymentKind.CHARGE, order.total))
    return _done(order, changed=changed, reason=_GRANTED_LATER)


def _attempts_of(order: LockedOrder, event: PaymentEvent) -> list[PaymentAttempt]:
    """Return the payment attempt that an event is about; all of its provider when it does not say which."""
    attempts = [attempt for attempt in order.attempts if attempt.provider == event.provider]
    number = event.external_id.rpartition("-")[2]
    if number.isdecimal() and len(number) < _MAX_ATTEMPT_DIGITS:
        return [attempt for attempt in attempts if attempt.number == int(number)]
    if event.provider_order_id:
        return [attempt for attempt in attempts if attempt.provider_order_id == event.provider_order_id]
    return attempts


def _returned(kind: PaymentKind, order: LockedOrder, event: PaymentEvent) -> Outcome:
    """Record that all money of a payment went back; when nobody paid, this closes the payment attempt."""
    changed = order.record(_fact(order, event, kind))
    closed = order.close_attempts(_attempts_of(order, event), AttemptState.CANCELED)
    return _done(order, changed=changed or closed)


def _partially_refunded(order: LockedOrder, event: PaymentEvent) -> Outcome:
    return _done(order, changed=order.record(_fact(order, event, PaymentKind.PARTIAL_REFUND)))


def _declined(order: LockedOrder, event: PaymentEvent) -> Outcome:
    changed = order.close_attempts(_attempts_of(order, event), AttemptState.DECLINED)
    return _done(order, changed=changed)


def _disputed(order: LockedOrder, event: PaymentEvent) -> Outcome:
    order.flag(_about(f"dispute ({event.reason})", event))
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
