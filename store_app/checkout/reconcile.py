"""Asking the provider about orders that no notification settled: a lost notification must not lose a purchase.

A pass every half minute asks about orders that wait longer than two minutes, at growing intervals; a player can
have their own asked at once. What the provider answers is judged by the same rules as its notifications.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
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
from store_app.orders.payment_events import Judgement, PaymentEvent
from store_app.payments.provider import ProviderOrder
from store_app.payments.xsolla.client import XsollaClient, get_provider

logger = logging.getLogger(__name__)

RECONCILE_EVERY_SECONDS = 30.0
USER_MAY_CHECK_EVERY = timedelta(minutes=1)
# After that long without a payment no payment page is open any more (a token lives 24 hours).
RECONCILE_FOR = timedelta(days=3)
_MAX_ORDERS_PER_PASS, _MAX_ORDERS_PER_USER, _MAX_CONCURRENT = 100, 10, 8
_PAUSES = [timedelta(minutes=minutes) for minutes in (2, 4, 8, 15, 30)]
_MAX_PAUSE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class OpenPayment:
    """A payment page that may have been paid without our knowing."""

    order_id: str
    number: str
    external_id: str
    provider_order_id: str | None
    payment_token: str
    opened_at: datetime


async def run_forever() -> None:
    """Repair now and then until cancelled. Each order is claimed by one worker."""
    while True:
        await asyncio.sleep(RECONCILE_EVERY_SECONDS)
        try:
            await reconcile_due()
        except Exception:
            logger.exception("could not ask the provider about open orders; trying again")


async def reconcile_due(provider: XsollaClient | None = None) -> int:
    """Ask about orders whose time has come; returns how many payment pages were asked about."""
    payments = await in_database_thread(_lease_due)
    failpoint("repair: claimed")
    slots = asyncio.Semaphore(_MAX_CONCURRENT)

    async def reconcile_one(payment: OpenPayment) -> None:
        async with slots:
            try:
                await _reconcile(payment, provider or get_provider())
            except (ProviderUnavailable, ProviderRefused):
                logger.warning("the provider did not say how order %s stands; asking later", payment.number)

    await asyncio.gather(*(reconcile_one(payment) for payment in payments))
    return len(payments)


async def check_payments(current_user: CurrentUser, provider: XsollaClient | None = None) -> list[str]:
    """Ask about a player's own unpaid orders now; returns each step in words.

    Raises:
        TooManyTries: the player asked less than a minute ago.
    """
    payments = await in_database_thread(_lease_of_user, current_user.user_id)
    steps = []
    for payment in payments:
        try:
            judgement = await _reconcile(payment, provider or get_provider())
            steps.append(f"Order {payment.number}: {_words(judgement)}")
        except (ProviderUnavailable, ProviderRefused):
            steps.append(f"Order {payment.number}: the payment service does not answer. Try again in a minute.")
    return steps or ["You have no unpaid orders of the last 3 days. Everything paid is in your library."]


def _words(judgement: Judgement | None) -> str:
    if judgement is None:
        return "the payment service says that it is not paid yet."
    if judgement.verdict in {Verdict.DONE, Verdict.REPEAT}:
        return "the payment service has told us how it stands; it is up to date now."
    return "your payment does not match the order. A person looks at it; you need not pay again."


def _lease_due() -> list[OpenPayment]:
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


def _lease_of_user(user_id: str) -> list[OpenPayment]:
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


def _lease(session: Session, order_ids: Sequence[str], now: datetime) -> list[OpenPayment]:
    """Put the orders' next check off, so that nobody else asks meanwhile, and return what to ask."""
    pauses = {number: now + pause for number, pause in enumerate(_PAUSES)}
    next_check = case(pauses, value=col(Order.checks), else_=now + _MAX_PAUSE)
    # In one order everywhere: deliveries lock orders too.
    mine = select(Order.id).where(col(Order.id).in_(order_ids)).order_by(col(Order.id))
    session.exec(mine.with_for_update(key_share=True)).all()
    claimed = update(Order).where(col(Order.id).in_(order_ids))
    session.execute(claimed.values(next_check_at=next_check, checks=Order.checks + 1))
    attempts = (
        select(PaymentAttempt, Order.number)
        .join(Order, col(Order.id) == PaymentAttempt.order_id)
        .where(col(PaymentAttempt.order_id).in_(order_ids))
        .order_by(col(PaymentAttempt.id))
    )
    return [
        OpenPayment(
            attempt.order_id,
            number,
            f"{attempt.order_id}-{attempt.number}",
            attempt.provider_order_id,
            attempt.payment_url.rpartition("token=")[2],
            attempt.created_at,
        )
        for attempt, number in session.exec(attempts)
    ]


async def _reconcile(payment: OpenPayment, provider: XsollaClient) -> Judgement | None:
    """Ask about one payment page and act on the answer; None when it is not paid."""
    if payment.provider_order_id is None:
        found = await provider.find_payment(payment.external_id)
    else:
        # Most are simply not paid, which one look tells.
        if await provider.is_unpaid(payment.provider_order_id, payment.payment_token):
            return None
        found = await provider.find_order(payment.provider_order_id, payment.opened_at)
    if found is None or found.status not in {"paid", "done", "canceled"}:
        return None
    failpoint("repair: answered")
    # Meanwhile a notification may have come: the order is locked and looked at again.
    return await in_database_thread(_apply, payment, found)


def _apply(payment: OpenPayment, found: ProviderOrder) -> Judgement:
    event = PaymentEvent(
        provider_order_id=payment.provider_order_id or "",
        transaction_id=found.transaction_id,
        order_id=payment.order_id,
        user_id=found.user_id,
        amount=found.amount,
        currency=found.currency,
        sandbox=found.sandbox,
    )
    handler = payment_events.refunded if found.status == "canceled" else payment_events.paid
    with unit_of_work() as session:
        judgement = payment_events.apply(session, event, handler)
        failpoint("repair: before commit")
    logger.info("asked the provider about order %s: %s %s", payment.number, found.status, judgement.verdict)
    return judgement
