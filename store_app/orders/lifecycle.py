"""The life of an order: the only module that changes an order's status or writes a purchase.

Always lock in the order user, order, payment, purchase, to avoid deadlocks. Once anything was paid, the ledger
decides the status (`ledger.money_status`). `transitions.TRANSITIONS` lists every transition.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import CursorResult, Row, update
from sqlmodel import Session, col, func, select

from store_app.db import outbox
from store_app.db.engine import dialect_of
from store_app.db.unit_of_work import insert_at_end
from store_app.models import (
    OPEN,
    Item,
    ItemKind,
    Order,
    OrderEvent,
    OrderStatus,
    PaymentAttempt,
    PaymentKind,
    PendingPurchase,
    Purchase,
    PurchaseStatus,
    utc_now,
)
from store_app.orders import bookkeeping, sql
from store_app.orders.ledger import (
    Movement,
    is_about,
    money_status,
    of_provider,
    part_in_price,
    payment_of,
    refunds_of,
    returned,
    undone_in_full,
)
from store_app.orders.locked_order import LockedOrder, ledger_of, pending_lines_of, select_locking
from store_app.orders.transitions import MESSAGES, TRANSITIONS, Event
from store_app.payments.provider import PaymentEvent

FIRST_CHECK_AFTER = timedelta(minutes=2)
# Without 0, 1, I and O, which are easily confused.
_NUMBER_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"

# Statuses in which the order's lines are granted.
_GRANTING = {OrderStatus.PAID, OrderStatus.PARTIALLY_REFUNDED}
_UNKNOWN_PART = "partly refunded, but the notification does not say how much"


@dataclass(frozen=True, slots=True)
class NewLine:
    """An item to be bought, and how many of it."""

    item: Item
    quantity: int


def _short_number() -> str:
    letters = "".join(secrets.choice(_NUMBER_ALPHABET) for _ in range(8))
    return f"{letters[:4]}-{letters[4:]}"


def place(
    session: Session,
    user_id: str,
    lines: Sequence[NewLine],
    expires_in: timedelta,
    idempotency_key: str | None = None,
) -> Order:
    """Write a pending order with its lines, at the current prices. The caller has checked the lines."""
    now = utc_now()
    order = Order(
        id=secrets.token_hex(16),
        number=_short_number(),
        user_id=user_id,
        total=sum(line.item.price * line.quantity for line in lines),
        currency=lines[0].item.currency,
        idempotency_key=idempotency_key,
        created_at=now,
        expires_at=now + expires_in,
        updated_at=now,
    )
    session.add(order)
    # The lines refer to the order, and the models have no relationship that would make it be inserted first.
    session.flush()
    # Sorted as they will be granted (`sql.move_lines`), so that pages show them alike before and afterwards.
    for line in sorted(lines, key=lambda line: line.item.id or 0):
        session.add(
            PendingPurchase(
                order_id=order.id,
                user_id=user_id,
                item_id=line.item.id,
                quantity=line.quantity,
                unit_price=line.item.price,
                currency=line.item.currency,
                owned_once=line.item.kind == ItemKind.NON_CONSUMABLE,
                timestamp=now,
            )
        )
    session.add(OrderEvent(order_id=order.id, kind="placed", at=now))
    # Statements on the connection itself (`_run`) must find the lines: a free order is paid at once.
    session.flush()
    return order


def next_attempt(session: Session, order_id: str) -> int:
    """Return the number of the order's next payment attempt: 1, 2, 3 ..."""
    last = select(func.max(PaymentAttempt.number)).where(PaymentAttempt.order_id == order_id)
    return (session.exec(last).one() or 0) + 1


def start_attempt(
    session: Session, order: LockedOrder, provider: str, provider_order_id: str | None, payment_url: str
) -> None:
    """Record a payment page that a provider opened for a locked order; a failed order becomes pending."""
    number = next_attempt(session, order.id)
    session.add(
        PaymentAttempt(
            order_id=order.id,
            number=number,
            provider=provider,
            provider_order_id=provider_order_id,
            payment_url=payment_url,
        )
    )
    # If no notification comes, `checkout.reconcile` asks the provider.
    _run(session, sql.CHECK_LATER, order_id_=order.id, next_check_at=utc_now() + FIRST_CHECK_AFTER, checks=0)
    _transition(session, order, Event.RETRIED)


def receive_payment(session: Session, order: LockedOrder, paid: Movement) -> bool:
    """Book a payment of a locked order and grant what it bought. False when it was booked before.

    Refunds that arrived before it get their amounts now; if they return all of it, nothing is granted.
    """
    if not bookkeeping.book(session, order, paid, paid.transaction_id):
        if bookkeeping.record_tax(session, order, paid):
            _settle(session, order)
        return False
    if order.status in _GRANTING:
        _flag(session, order, "paid twice: one payment must be refunded")
    ledger = of_provider(ledger_of(session, order), paid.provider)
    payment = payment_of(ledger, paid.transaction_id, "")
    early = refunds_of(ledger, payment) if payment else []
    if payment and early and not bookkeeping.match_early_refunds(session, order, payment, early):
        _flag(session, order, _UNKNOWN_PART)
    _settle(session, order)
    return True


def return_money(session: Session, order: LockedOrder, refund: Movement) -> bool:
    """Book that a payment went back in full, by refund or chargeback, and revoke what the order granted.

    The booked amount is what is left of the payment: 0 for the second when both a refund and a chargeback arrive.
    When this arrives before the payment, the payment will grant nothing. False when it was booked before.
    """
    ledger = of_provider(ledger_of(session, order), refund.provider)
    payment = payment_of(ledger, refund.transaction_id, refund.provider_order_id)
    transaction = payment.transaction_id if payment else refund.transaction_id
    if any(row.kind == refund.kind and is_about(row, transaction, refund.provider_order_id) for row in ledger):
        return False
    left = payment.amount - returned(ledger, transaction) if payment else 0
    row = replace(refund, amount=-left, charged=0, transaction_id=transaction)
    if not bookkeeping.book(session, order, row, transaction):
        return False
    if payment is None:
        _transition(session, order, Event.CANCELED)
    _settle(session, order)
    return True


def return_part(session: Session, order: LockedOrder, refund: Movement, detail: str) -> bool:
    """Book a partial refund of `refund.charged`, with tax. The purchases stay granted while some of it is kept.

    False when it was booked before, or when the whole payment went back already.

    Args:
        session: the caller's database session.
        order: the order, locked.
        refund: names the payment; its `charged` is positive, and its `amount` is ignored.
        detail: tells several partial refunds of one payment apart.
    """
    ledger = of_provider(ledger_of(session, order), refund.provider)
    payment = payment_of(ledger, refund.transaction_id, refund.provider_order_id)
    transaction = payment.transaction_id if payment else refund.transaction_id
    if undone_in_full(ledger, transaction):
        return False
    before = [-row.charged for row in ledger if row.charged < 0 and row.transaction_id == transaction]
    value = part_in_price(payment, before, refund.charged) if payment else 0
    part = replace(refund, amount=-(value or 0), charged=-refund.charged, transaction_id=transaction)
    if not bookkeeping.book(session, order, part, f"{refund.transaction_id}:{detail}"):
        return False
    if value is None:
        _flag(session, order, _UNKNOWN_PART)
    _settle(session, order)
    return True


def has_provider_order(session: Session, order: LockedOrder, provider: str, *, unless_recorded: bool) -> bool:
    """Whether this provider keeps an order of its own for the order.

    `unless_recorded` is the answer when no payment attempt was recorded, because the process died while opening
    one.
    """
    attempts = select(PaymentAttempt.provider_order_id).where(
        PaymentAttempt.order_id == order.id, PaymentAttempt.provider == provider
    )
    ids = session.exec(attempts).all()
    return any(provider_order_id is not None for provider_order_id in ids) if ids else unless_recorded


def was_paid_by(session: Session, order: LockedOrder, paid: Movement) -> bool:
    """Whether the ledger holds a payment of the order by the transaction of `paid`."""
    ledger = of_provider(ledger_of(session, order), paid.provider)
    return any(row.kind == PaymentKind.PAYMENT and row.transaction_id == paid.transaction_id for row in ledger)


def decline(session: Session, order: LockedOrder, event: PaymentEvent, number: int | None = None) -> bool:
    """Record that a provider declined its attempt `number` of a locked order.

    Without a number its attempt with the provider's order that the event names, or else all its attempts. False
    when the order keeps its status: it is paid or closed, or another attempt is open.
    """
    undeclined = (col(PaymentAttempt.order_id) == order.id, col(PaymentAttempt.declined_at).is_(None))
    declined = update(PaymentAttempt).where(*undeclined, col(PaymentAttempt.provider) == event.provider)
    if number is not None:
        declined = declined.where(col(PaymentAttempt.number) == number)
    elif event.provider_order_id:
        declined = declined.where(col(PaymentAttempt.provider_order_id) == event.provider_order_id)
    session.execute(declined.values(declined_at=utc_now()))
    if session.exec(select(PaymentAttempt.id).where(*undeclined)).first():
        return False
    return _transition(session, order, Event.DECLINED)


def cancel(session: Session, order: LockedOrder) -> bool:
    """Cancel a locked order that is open. False when nothing changes."""
    return _transition(session, order, Event.CANCELED)


def expire_due(session: Session, limit: int = 100) -> int:
    """Expire open orders whose time is over; return how many."""
    due = select_locking(skip_locked=True).where(col(Order.status).in_(OPEN), col(Order.expires_at) < utc_now())
    rows = session.execute(due.limit(limit)).all()
    for row in rows:
        _transition(session, LockedOrder(*row), Event.EXPIRED)
    return len(rows)


def flag(session: Session, order: LockedOrder, reason: str) -> None:
    """Flag a locked order for staff; the first reason is kept."""
    _flag(session, order, reason)
    _announce(session, order, "order_flagged", [])


def _flag(session: Session, order: LockedOrder, reason: str) -> None:
    if not order.needs_attention:
        order.needs_attention = reason
        _run(session, sql.FLAG_ORDER, order_id_=order.id, needs_attention=reason)


def _transition(session: Session, order: LockedOrder, event: Event) -> bool:
    after = TRANSITIONS.get((order.status, event))
    if after is None:
        return False
    _change_status(session, order, after)
    _announce(session, order, MESSAGES[after], [])
    return True


def _run(session: Session, statement: Any, **values: object) -> CursorResult[Any]:
    # On the connection itself: the session would search for changed objects to flush before each statement.
    return session.connection().execute(statement, values)


def _change_status(session: Session, order: LockedOrder, status: OrderStatus) -> None:
    now = utc_now()
    order.status = status
    _run(session, sql.CHANGE_STATUS, order_id_=order.id, status=status, updated_at=now)
    insert_at_end(session, sql.ADD_EVENT, {"order_id": order.id, "kind": status, "at": now})


def _settle(session: Session, order: LockedOrder) -> None:
    """Give the order and its purchases the statuses that follow from the ledger."""
    status = money_status(ledger_of(session, order))
    if status is None or status == order.status:
        return
    after = TRANSITIONS[order.status, Event(status)]
    pending = pending_lines_of(session, order)
    if pending:
        _move_lines(session, order, len(pending), granting=after in _GRANTING)
    elif after in _GRANTING and order.status not in _GRANTING:
        _grant_again(session, order)
    elif after not in _GRANTING:
        # By order, never by user and item: another order may have granted the same item.
        _run(session, sql.REVOKE, order_id_=order.id)
    _change_status(session, order, after)
    lines = pending or _run(session, sql.PURCHASED_LINES, order_ids_=[order.id]).all()
    _announce(session, order, MESSAGES[after], lines)


def _move_lines(session: Session, order: LockedOrder, count: int, *, granting: bool) -> None:
    now = utc_now()
    status = PurchaseStatus.GRANTED if granting else PurchaseStatus.REFUNDED
    # Two orders of one user for the same item can be paid at the same time: the unique constraint lets one of
    # them grant it, and the other's line is held for staff to decide.
    moved = _run(session, sql.move_lines(dialect_of(session)), order_id_=order.id, at_=now, status_=status)
    if moved.rowcount < count:
        _run(session, sql.HOLD_LINES, order_id_=order.id, at_=now)
        _flag(session, order, "paid for something owned already")
    _run(session, sql.FORGET_PENDING, order_id_=order.id)
    order.pending = ()
    _run(session, sql.EMPTY_CART, order_id_=order.id, user_id_=order.user_id)


def _grant_again(session: Session, order: LockedOrder) -> None:
    """Grant a refunded order's purchases, because another attempt of it was paid."""
    mine = select(Purchase).where(Purchase.order_id == order.id)
    # Reload: a refund updated these rows outside the identity map.
    for purchase in session.exec(mine.execution_options(populate_existing=True)):
        owned = select(Purchase.id).where(
            Purchase.user_id == order.user_id,
            Purchase.item_id == purchase.item_id,
            Purchase.status == PurchaseStatus.GRANTED,
        )
        if purchase.owned_once and session.exec(owned).first():
            purchase.status = PurchaseStatus.HELD
            _flag(session, order, "paid for something owned already")
        else:
            purchase.status = PurchaseStatus.GRANTED
    session.flush()


def _announce(session: Session, order: LockedOrder, event: str, lines: Sequence[Row[Any]]) -> None:
    message = {
        "event": event,
        "order_id": order.id,
        "items": [{"sku": line.sku, "name": line.name, "quantity": line.quantity} for line in lines],
        "timestamp": utc_now().isoformat(timespec="milliseconds"),
    }
    outbox.write(session, order.user_id, message)
