"""Reconciliation: ask the provider about orders that no notification settled, so that a lost one loses nothing.

A pass every half minute asks about unpaid orders that have waited longer than two minutes, at growing intervals,
and about paid ones, whose refund may have been lost: each day for 30 days, then each week for 180. A user can have
their own unpaid orders asked about at once. The answers follow the same rules as notifications.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, exists, update
from sqlmodel import Session, col, or_, select

from store_app import limits
from store_app.accounts.service import CurrentUser
from store_app.db.threads import in_database_thread
from store_app.db.unit_of_work import unit_of_work
from store_app.errors import ProviderRefused, ProviderUnavailable
from store_app.failpoints import failpoint
from store_app.languages import gettext as _
from store_app.limits import Limit
from store_app.models import (
    UNPAID,
    AttemptKind,
    Order,
    OrderStatus,
    Payment,
    PaymentAttempt,
    PaymentKind,
    Verdict,
    utc_now,
)
from store_app.orders import payment_events
from store_app.payments.provider import Outcome, PaymentEvent, PaymentProvider, combine
from store_app.payments.registry import get_provider
from store_app.settings import BadSettings

logger = logging.getLogger(__name__)

RECONCILE_EVERY_SECONDS = 30.0
# After that long no payment page is still open (a payment token lives 24 hours).
RECONCILE_FOR = timedelta(days=3)
_PAID = (OrderStatus.PAID, OrderStatus.PARTIALLY_REFUNDED)
# Paid orders: so old, and when they are asked about next.
_REFUND_CHECKS = [
    (timedelta(days=30), timedelta(days=1)),
    (timedelta(days=180), timedelta(days=7)),
]
_MAX_ORDERS_PER_PASS, _MAX_ORDERS_PER_USER, _MAX_CONCURRENT = 100, 10, 8
_PAUSES = [timedelta(minutes=minutes) for minutes in (2, 4, 8, 15, 30)]
_MAX_PAUSE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Question:
    """What the provider is asked: whether an attempt was paid, or whether the payment of it went back."""

    attempt: PaymentAttempt
    # The short number of the order.
    number: str
    # The payment that may have gone back; empty when nothing was paid.
    transaction_id: str = ""


async def run_forever() -> None:
    """Run a pass every half minute until canceled. Each order is leased by one worker."""
    while True:
        await asyncio.sleep(RECONCILE_EVERY_SECONDS)
        try:
            await reconcile_due()
        except Exception:
            logger.exception("could not ask the provider about open orders; trying again")


async def reconcile_due(provider: PaymentProvider | None = None) -> int:
    """Ask about the orders that are due; return how many questions were asked."""
    questions = await in_database_thread(_lease_due)
    failpoint("reconciliation: leased")
    slots = asyncio.Semaphore(_MAX_CONCURRENT)

    async def reconcile_one(question: Question) -> None:
        async with slots:
            try:
                await _reconcile(question, provider)
            except (ProviderUnavailable, ProviderRefused, BadSettings):
                logger.warning("no answer from the provider about order %s; asking later", question.number)

    await asyncio.gather(*map(reconcile_one, questions))
    return len(questions)


async def check_payments(current_user: CurrentUser, provider: PaymentProvider | None = None) -> list[str]:
    """Ask about the user's unpaid orders now; return a sentence for each.

    Raises:
        TooManyTries: the user asked too often.
    """
    await limits.count(Limit.PAYMENT_CHECKS, current_user.user_id)
    steps = []
    for question in await in_database_thread(_lease_of_user, current_user.user_id):
        try:
            step = _sentence(await _reconcile(question, provider))
        except (ProviderUnavailable, ProviderRefused, BadSettings):
            step = _("The payment provider does not answer. Try again in a minute.")
        steps.append(_("Order {number}: {step}", number=question.number, step=step))
    return steps or [_("You have no unpaid orders of the last 3 days. Everything paid is in your library.")]


def _sentence(outcome: Outcome | None) -> str:
    if outcome is None:
        return _("The payment provider says that it is not paid yet.")
    if outcome.verdict in {Verdict.DONE, Verdict.REPEAT}:
        return _("Checked with the payment provider; it is up to date now.")
    return _("Your payment does not match the order. We are looking into it; you do not need to pay again.")


def _lease_due() -> list[Question]:
    now = utc_now()
    with unit_of_work() as work:
        due = select(Order.id).where(col(Order.next_check_at) < now).order_by(col(Order.next_check_at))
        due = due.limit(_MAX_ORDERS_PER_PASS).with_for_update(skip_locked=True)
        return _lease(work, list(work.exec(due)), now)


def _lease_of_user(user_id: str) -> list[Question]:
    now = utc_now()
    with unit_of_work() as work:
        mine = select(Order.id).where(
            Order.user_id == user_id, col(Order.status).in_(UNPAID), col(Order.next_check_at).is_not(None)
        )
        newest = mine.order_by(col(Order.created_at).desc()).limit(_MAX_ORDERS_PER_USER)
        return _lease(work, list(work.exec(newest)), now)


def _lease(session: Session, order_ids: Sequence[str], now: datetime) -> list[Question]:
    """Postpone the orders' next check, so that no other worker asks meanwhile; return what to ask."""
    # Always lock in id order, to avoid deadlocks with deliveries.
    mine = select(Order.id).where(col(Order.id).in_(order_ids)).order_by(col(Order.id))
    session.exec(mine.with_for_update(key_share=True)).all()
    leased = update(Order).where(col(Order.id).in_(order_ids))
    session.execute(leased.values(next_check_at=_next_check(now), checks=Order.checks + 1))
    return [*_about_attempts(session, order_ids, now), *_about_payments(session, order_ids)]


def _next_check(now: datetime) -> Any:
    """Return when an order is asked about next, as SQL: NULL when nothing new is to be expected."""
    pauses = {number: now + pause for number, pause in enumerate(_PAUSES)}
    refund_checks = [
        (and_(col(Order.status).in_(_PAID), col(Order.created_at) > now - age), now + pause)
        for age, pause in _REFUND_CHECKS
    ]
    unpaid = and_(col(Order.status).in_(UNPAID), _has_recent_attempt(now))
    return case(
        *refund_checks, (unpaid, case(pauses, value=col(Order.checks), else_=now + _MAX_PAUSE)), else_=None
    )


def _has_recent_attempt(now: datetime) -> Any:
    attempt = exists().where(
        col(PaymentAttempt.order_id) == col(Order.id), col(PaymentAttempt.created_at) > now - RECONCILE_FOR
    )
    return attempt.correlate(Order)


def _about_attempts(session: Session, order_ids: Sequence[str], now: datetime) -> list[Question]:
    """Ask whether attempts were paid, except those that paid the order, or are unknown to the provider."""
    known = or_(col(PaymentAttempt.provider_order_id).is_not(None), col(PaymentAttempt.kind) == AttemptKind.AMOUNT)
    paid = exists().where(
        col(Payment.order_id) == col(PaymentAttempt.order_id),
        col(Payment.provider) == col(PaymentAttempt.provider),
        col(Payment.provider_order_id) == col(PaymentAttempt.provider_order_id),
        col(Payment.kind) == PaymentKind.PAYMENT,
    )
    # Found by an earlier question, which did not name it: whether it went back can be asked only like this.
    unnamed = paid.where(col(Payment.transaction_id) == "")
    attempts = (
        select(PaymentAttempt, Order.number)
        .join(Order, col(Order.id) == PaymentAttempt.order_id)
        .where(
            col(PaymentAttempt.order_id).in_(order_ids),
            col(Order.status).in_([*UNPAID, *_PAID]),
            known,
            or_(and_(col(PaymentAttempt.created_at) > now - RECONCILE_FOR, ~paid), unnamed),
        )
        .order_by(col(PaymentAttempt.id))
    )
    return [Question(attempt, number) for attempt, number in session.exec(attempts)]


def _about_payments(session: Session, order_ids: Sequence[str]) -> list[Question]:
    """Ask whether the payments of paid orders went back."""
    payments = (
        select(Payment, PaymentAttempt, Order.number)
        .join(Order, col(Order.id) == Payment.order_id)
        .join(
            PaymentAttempt,
            and_(
                col(PaymentAttempt.order_id) == Payment.order_id, col(PaymentAttempt.provider) == Payment.provider
            ),
        )
        .where(
            col(Payment.order_id).in_(order_ids),
            col(Order.status).in_(_PAID),
            Payment.kind == PaymentKind.PAYMENT,
            Payment.transaction_id != "",
        )
        # Of several attempts the one that was paid, where the payment names it.
        .order_by(col(PaymentAttempt.provider_order_id) == Payment.provider_order_id, col(PaymentAttempt.id))
    )
    questions = {
        (payment.provider, payment.transaction_id): Question(attempt, number, payment.transaction_id)
        for payment, attempt, number in session.exec(payments)
    }
    return list(questions.values())


async def _reconcile(question: Question, provider: PaymentProvider | None) -> Outcome | None:
    """Ask one question and apply the answer; None when nothing has happened."""
    attempt, provider = question.attempt, provider or get_provider(question.attempt.provider)
    if question.transaction_id:
        events = await provider.find_refunds(attempt, question.transaction_id)
    else:
        events = await provider.find_payments(attempt)
    if not events:
        return None
    failpoint("reconciliation: answered")
    # A notification may have come meanwhile: the order is locked and read again.
    return await in_database_thread(_apply, question.number, events)


def _apply(number: str, events: Sequence[PaymentEvent]) -> Outcome:
    with unit_of_work() as work:
        outcomes = payment_events.apply(work, events)
        failpoint("reconciliation: before commit")
    for event, outcome in zip(events, outcomes, strict=True):
        logger.info("reconciled order %s: %s: %s", number, event.kind, outcome.verdict)
    return combine(outcomes)
