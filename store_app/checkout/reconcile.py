"""Reconciliation: ask the provider about orders that no notification settled, so that a lost one loses nothing.

A pass every half minute asks about orders that have waited longer than two minutes, at growing intervals; a user
can have their own orders asked about at once. The answers follow the same rules as notifications.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import case, update
from sqlmodel import Session, col, or_, select

from store_app.accounts.service import CurrentUser
from store_app.db.threads import in_database_thread
from store_app.db.unit_of_work import unit_of_work
from store_app.errors import ProviderRefused, ProviderUnavailable, TooManyTries
from store_app.failpoints import failpoint
from store_app.models import UNPAID, Order, PaymentAttempt, User, Verdict, utc_now
from store_app.orders import payment_events
from store_app.payments.provider import Outcome, PaymentEvent, PaymentProvider, combine
from store_app.payments.registry import get_provider
from store_app.settings import BadSettings

logger = logging.getLogger(__name__)

RECONCILE_EVERY_SECONDS = 30.0
USER_MAY_CHECK_EVERY = timedelta(minutes=1)
# After that long without a payment no payment page is still open (a payment token lives 24 hours).
RECONCILE_FOR = timedelta(days=3)
_MAX_ORDERS_PER_PASS, _MAX_ORDERS_PER_USER, _MAX_CONCURRENT = 100, 10, 8
_PAUSES = [timedelta(minutes=minutes) for minutes in (2, 4, 8, 15, 30)]
_MAX_PAUSE = timedelta(hours=1)


async def run_forever() -> None:
    """Run a pass every half minute until canceled. Each order is leased by one worker."""
    while True:
        await asyncio.sleep(RECONCILE_EVERY_SECONDS)
        try:
            await reconcile_due()
        except Exception:
            logger.exception("could not ask the provider about open orders; trying again")


async def reconcile_due(provider: PaymentProvider | None = None) -> int:
    """Ask about the orders that are due; return how many payment attempts were asked about."""
    attempts = await in_database_thread(_lease_due)
    failpoint("reconciliation: leased")
    slots = asyncio.Semaphore(_MAX_CONCURRENT)

    async def reconcile_one(attempt: PaymentAttempt, number: str) -> None:
        async with slots:
            try:
                await _reconcile(attempt, number, provider)
            except (ProviderUnavailable, ProviderRefused, BadSettings):
                logger.warning("no answer from the provider about order %s; asking later", number)

    await asyncio.gather(*(reconcile_one(attempt, number) for attempt, number in attempts))
    return len(attempts)


async def check_payments(current_user: CurrentUser, provider: PaymentProvider | None = None) -> list[str]:
    """Ask about the user's unpaid orders now; return a sentence for each.

    Raises:
        TooManyTries: the user asked less than a minute ago.
    """
    attempts = await in_database_thread(_lease_of_user, current_user.user_id)
    steps = []
    for attempt, number in attempts:
        try:
            outcome = await _reconcile(attempt, number, provider)
            steps.append(f"Order {number}: {_sentence(outcome)}")
        except (ProviderUnavailable, ProviderRefused, BadSettings):
            steps.append(f"Order {number}: the payment provider does not answer. Try again in a minute.")
    return steps or ["You have no unpaid orders of the last 3 days. Everything paid is in your library."]


def _sentence(outcome: Outcome | None) -> str:
    if outcome is None:
        return "the payment provider says that it is not paid yet."
    if outcome.verdict in {Verdict.DONE, Verdict.REPEAT}:
        return "checked with the payment provider; it is up to date now."
    return "your payment does not match the order. We look into it; you need not pay again."


def _lease_due() -> list[tuple[PaymentAttempt, str]]:
    now = utc_now()
    with unit_of_work() as session:
        due = (
            select(Order.id)
            .where(
                col(Order.next_check_at) < now,
                col(Order.status).in_(UNPAID),
                Order.created_at > now - RECONCILE_FOR,
            )
            .order_by(col(Order.next_check_at))
            .limit(_MAX_ORDERS_PER_PASS)
            .with_for_update(skip_locked=True)
        )
        return _lease(session, list(session.exec(due)), now)


def _lease_of_user(user_id: str) -> list[tuple[PaymentAttempt, str]]:
    now = utc_now()
    with unit_of_work() as session:
        last = col(User.payments_checked_at)
        allowed = or_(last.is_(None), last < now - USER_MAY_CHECK_EVERY)
        asked = update(User).where(col(User.id) == user_id, allowed).values(payments_checked_at=now)
        if session.execute(asked.returning(col(User.id))).first() is None:
            raise TooManyTries(int(USER_MAY_CHECK_EVERY.total_seconds()))
        mine = select(Order.id).where(
            Order.user_id == user_id,
            col(Order.status).in_(UNPAID),
            col(Order.next_check_at).is_not(None),
            Order.created_at > now - RECONCILE_FOR,
        )
        newest = mine.order_by(col(Order.created_at).desc()).limit(_MAX_ORDERS_PER_USER)
        return _lease(session, list(session.exec(newest)), now)


def _lease(session: Session, order_ids: Sequence[str], now: datetime) -> list[tuple[PaymentAttempt, str]]:
    """Postpone the orders' next check, so that no other worker asks meanwhile.

    Return the payment attempts to ask about, each with its order's number.
    """
    pauses = {number: now + pause for number, pause in enumerate(_PAUSES)}
    next_check = case(pauses, value=col(Order.checks), else_=now + _MAX_PAUSE)
    # Always lock in id order, to avoid deadlocks with deliveries.
    mine = select(Order.id).where(col(Order.id).in_(order_ids)).order_by(col(Order.id))
    session.exec(mine.with_for_update(key_share=True)).all()
    leased = update(Order).where(col(Order.id).in_(order_ids))
    session.execute(leased.values(next_check_at=next_check, checks=Order.checks + 1))
    attempts = (
        select(PaymentAttempt, Order.number)
        .join(Order, col(Order.id) == PaymentAttempt.order_id)
        .where(col(PaymentAttempt.order_id).in_(order_ids))
        .order_by(col(PaymentAttempt.id))
    )
    return list(session.exec(attempts))


async def _reconcile(attempt: PaymentAttempt, number: str, provider: PaymentProvider | None) -> Outcome | None:
    """Ask about one payment attempt and apply the answer; None when it is not paid."""
    events = await (provider or get_provider(attempt.provider)).find_payments(attempt)
    if not events:
        return None
    failpoint("reconciliation: answered")
    # A notification may have come meanwhile: the order is locked and read again.
    return await in_database_thread(_apply, number, events)


def _apply(number: str, events: Sequence[PaymentEvent]) -> Outcome:
    with unit_of_work() as session:
        outcomes = [payment_events.apply(session, event) for event in events]
        failpoint("reconciliation: before commit")
    for event, outcome in zip(events, outcomes, strict=True):
        logger.info("reconciled order %s: %s: %s", number, event.kind, outcome.verdict)
    return combine(outcomes)
