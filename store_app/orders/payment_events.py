"""What the provider claims about an order, checked against the order before anything moves.

Claims come in notifications, and in answers to our own questions (`checkout.repair`): the same rules hold.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam
from sqlmodel import Session, col, select

from store_app import money
from store_app.errors import NotFound
from store_app.models import UNPAID, Payment, PaymentAttempt, PaymentKind, Verdict
from store_app.orders import lifecycle
from store_app.orders.bookkeeping import Money
from store_app.orders.locked_order import LockedOrder, lock, lock_all
from store_app.settings import get_settings

BY_PROVIDER_ORDER = select(PaymentAttempt.order_id).where(
    PaymentAttempt.provider_order_id == bindparam("provider_order_id")
)
_BY_PROVIDER_ORDERS = select(PaymentAttempt.provider_order_id, PaymentAttempt.order_id).where(
    col(PaymentAttempt.provider_order_id).in_(bindparam("provider_order_ids", expanding=True))
)
_BY_TRANSACTION = select(Payment.order_id).where(Payment.transaction_id == bindparam("transaction_id"))
_BY_TRANSACTIONS = select(Payment.order_id).where(
    col(Payment.transaction_id).in_(bindparam("transaction_ids", expanding=True))
)
_MAX_ATTEMPT_DIGITS, _MAX_TRANSACTION_LENGTH = 6, 64


@dataclass(frozen=True, slots=True)
class PaymentEvent:
    """What the provider says. Empty text means: not said. Amounts are as it wrote them, in major units."""

    # Its own order and transaction.
    provider_order_id: str = ""
    transaction_id: str = ""
    # Ours, as the token call sent them.
    order_id: str = ""
    external_id: str = ""
    user_id: str = ""
    # The price, before the tax that the provider adds for some countries; and what the buyer paid with it.
    amount: str = ""
    currency: str = ""
    charged: str = ""
    charged_currency: str = ""
    # None where it does not say.
    sandbox: bool | None = None
    # Tells several partial refunds of one transaction from each other.
    detail: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was made of a claim. `code` is the provider's, where the claim is refused for good."""

    verdict: Verdict
    reason: str = ""
    code: str = ""
    order_id: str | None = None


Handler = Callable[[Session, LockedOrder, PaymentEvent], Judgement]


def apply(session: Session, event: PaymentEvent, handler: Handler) -> Judgement:
    """Find the order of a claim, lock it, and apply `handler` to it."""
    order = _find_order(session, event)
    if order is None:
        # Money may have been taken for it: kept for a person, and not refused, because asking again would
        # not help.
        return Judgement(Verdict.UNMATCHED, "no order of ours fits")
    if event.sandbox not in {None, get_settings().xsolla_sandbox}:
        lifecycle.flag(session, order, "a sandbox notification in live mode, or a live one in sandbox mode")
        return Judgement(Verdict.IGNORED, "the sandbox mark does not fit XSOLLA_SANDBOX", order_id=order.id)
    return handler(session, order, event)


def _find_order(session: Session, event: PaymentEvent) -> LockedOrder | None:
    """Return our order, locked: by the provider's order id, by our own id, by the external id, by transaction."""
    order_id = _order_id(session, event)
    try:
        return lock(session, order_id) if order_id else None
    except NotFound:
        return None


def prefetch(session: Session, events: Sequence[PaymentEvent]) -> None:
    """Look up and lock the orders of several claims at once; judging each of them then asks for much less."""
    ids = {"provider_order_ids": [event.provider_order_id for event in events if event.provider_order_id]}
    found = {row.provider_order_id: row.order_id for row in session.connection().execute(_BY_PROVIDER_ORDERS, ids)}
    session.info["orders by provider order"] = found
    order_ids = [found.get(event.provider_order_id) or _named_order_id(event) for event in events]
    nameless = [event.transaction_id for event, named in zip(events, order_ids, strict=True) if not named]
    if nameless:
        order_ids += session.connection().execute(_BY_TRANSACTIONS, {"transaction_ids": nameless}).scalars()
    lock_all(session, order_ids)


def _named_order_id(event: PaymentEvent) -> str:
    return event.order_id or event.external_id.rpartition("-")[0]


def _order_id(session: Session, event: PaymentEvent) -> str:
    if order_id := session.info.get("orders by provider order", {}).get(event.provider_order_id):
        return str(order_id)
    if event.provider_order_id:
        found = session.connection().execute(BY_PROVIDER_ORDER, {"provider_order_id": event.provider_order_id})
        if order_id := found.scalar():
            return str(order_id)
    if order_id := _named_order_id(event):
        return order_id
    if event.transaction_id:
        found = session.connection().execute(_BY_TRANSACTION, {"transaction_id": event.transaction_id})
        return str(found.scalar() or "")
    return ""


def _done(order: LockedOrder, *, changed: bool) -> Judgement:
    if not changed:
        return Judgement(Verdict.REPEAT, order_id=order.id)
    return Judgement(Verdict.DONE, f"the order is {order.status.replace('_', ' ')} now", order_id=order.id)


def _mismatch(order: LockedOrder, event: PaymentEvent) -> tuple[str, str] | None:
    """Return the reason and the provider's code when the payment is not the one that was asked for."""
    if event.user_id and event.user_id != order.user_id:
        return "the payment is another user's", "INVALID_USER"
    if event.currency != order.currency:
        return "the payment has another currency", "INCORRECT_AMOUNT"
    try:
        paid = money.to_minor(event.amount, order.currency)
    except ValueError:
        return "the payment has no readable amount", "INCORRECT_AMOUNT"
    return None if paid == order.total else ("the payment has another amount", "INCORRECT_AMOUNT")


def _charged(order: LockedOrder, event: PaymentEvent) -> int:
    """Return what the buyer paid or got back with tax, in minor units; 0 when it is not known."""
    if event.charged_currency != order.currency:
        return 0
    try:
        return max(0, money.to_minor(event.charged, order.currency))
    except ValueError:
        return 0


def _money(order: LockedOrder, event: PaymentEvent, amount: int) -> Money:
    # Without a transaction (free orders) the provider's order stands for it.
    transaction = event.transaction_id or f"order:{event.provider_order_id or order.id}"[:_MAX_TRANSACTION_LENGTH]
    return Money(
        amount, order.currency, transaction, _charged(order, event), provider_order_id=event.provider_order_id
    )


def paid(session: Session, order: LockedOrder, event: PaymentEvent) -> Judgement:
    """The order was paid: grant it, if it is the payment that was asked for."""
    if mismatch := _mismatch(order, event):
        lifecycle.flag(session, order, mismatch[0])
        return Judgement(Verdict.REFUSED, *mismatch, order.id)
    money_in = _money(order, event, order.total)
    received = lifecycle.receive_payment(session, order, money_in)
    if not received and not lifecycle.was_paid_by(session, order, money_in.transaction_id):
        reason = "the transaction paid another order before"
        lifecycle.flag(session, order, reason)
        return Judgement(Verdict.REFUSED, reason, order_id=order.id)
    return _done(order, changed=received)


def noted(session: Session, order: LockedOrder, event: PaymentEvent) -> Judgement:
    """Money was taken, and a claim that the order is paid follows (Xsolla's separate mode); it grants.

    A payment by a merchant token has no order at the provider: nothing follows, and this grants.
    """
    by_token = get_settings().xsolla_token == "merchant"  # noqa: S105 - a kind of token, not a token
    if lifecycle.has_merchant_token(session, order, unless_noted=by_token):
        return paid(session, order, event)
    if mismatch := _mismatch(order, event):
        lifecycle.flag(session, order, mismatch[0])
        return Judgement(Verdict.REFUSED, *mismatch, order.id)
    return Judgement(Verdict.IGNORED, "noted; order_paid grants", order_id=order.id)


def refunded(session: Session, order: LockedOrder, event: PaymentEvent) -> Judgement:
    """All the money of a payment went back, or the provider canceled an order that nobody paid."""
    return _returned(session, order, event, PaymentKind.REFUND)


def charged_back(session: Session, order: LockedOrder, event: PaymentEvent) -> Judgement:
    """The bank took a payment back."""
    return _returned(session, order, event, PaymentKind.CHARGEBACK)


def _returned(session: Session, order: LockedOrder, event: PaymentEvent, kind: PaymentKind) -> Judgement:
    if event.transaction_id or event.provider_order_id:
        return _done(
            order, changed=lifecycle.return_money(session, order, kind, _money(order, event, order.total))
        )
    changed = lifecycle.cancel_by_provider(session, order)
    if order.status not in UNPAID:
        lifecycle.flag(session, order, "canceled by the provider, but it does not say which payment")
    return _done(order, changed=changed)


def partly_refunded(session: Session, order: LockedOrder, event: PaymentEvent) -> Judgement:
    """A part of a payment went back.

    What of `payment_details` is the part is not documented: where it is as large as the payment itself, the
    part is unknown, and a person looks at it.
    """
    return _done(order, changed=lifecycle.return_part(session, order, _money(order, event, 0), event.detail))


def declined(session: Session, order: LockedOrder, event: PaymentEvent) -> Judgement:
    """A payment was declined; another attempt may follow."""
    attempt = event.external_id.rpartition("-")[2]
    number = int(attempt) if attempt.isdecimal() and len(attempt) < _MAX_ATTEMPT_DIGITS else None
    return _done(order, changed=lifecycle.decline(session, order, number))


def disputed(session: Session, order: LockedOrder, event: PaymentEvent) -> Judgement:
    """The buyer's bank asks questions: nothing moves, a person looks at it."""
    lifecycle.flag(session, order, f"dispute: {event.reason}"[:200])
    return Judgement(Verdict.DONE, order_id=order.id)
