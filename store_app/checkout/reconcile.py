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

from store_app.accounts.service import Viewer
from store_app.db.threads import in_database_thread
from store_app.db.unit_of_work import unit_of_work
from store_app.errors import ProviderRefused, ProviderUnavailable, TooManyTries
from store_app.failpoints import failpoint
from store_app.models import UNPAID, Order, PaymentAttempt, User, Verdict, utc_now
from store_app.orders import payment_events
from store_app.orders.payment_events import Claim, Judgement
from store_app.payments.provider import ProviderOrder
from store_app.payments.xsolla.client import XsollaClient, get_provider

logger = logging.getLogger(__name__)

PASS_EVERY = 30.0
PLAYER_MAY_ASK_EVERY = timedelta(minutes=1)
# After that long without a payment no payment page is open any more (a token lives 24 hours).
ASKED_FOR = timedelta(days=3)
_LARGEST_PASS, _LARGEST_OF_PLAYER, _AT_ONCE = 100, 10, 8
_PAUSES = [timedelta(minutes=minutes) for minutes in (2, 4, 8, 15, 30)]
_LONGEST_PAUSE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Question:
    """A payment page that may have been paid without our knowing."""

    order_id: str
    number: str
    external_id: str
    provider_order_id: str | None
    payment_token: str
    opened_at: datetime


async def run_for_ever() -> None:
    """Repair now and then until cancelled. Each order is claimed by one worker."""
    while True:
        await asyncio.sleep(PASS_EVERY)
        try:
            await repair_due()
        except Exception:
            logger.exception("could not ask the provider about open orders; trying again")


async def repair_due(provider: XsollaClient | None = None) -> int:
    """Ask about orders whose time has come; returns how many payment pages were asked about."""
    questions = await in_database_thread(_claim_due)
    failpoint("repair: claimed")
    turns = asyncio.Semaphore(_AT_ONCE)

    async def ask(question: Question) -> None:
        async with turns:
            try:
                await _ask(question, provider or get_provider())
            except (ProviderUnavailable, ProviderRefused):
                logger.warning("the provider did not say how order %s stands; asking later", question.number)

    await asyncio.gather(*(ask(question) for question in questions))
    return len(questions)


async def check_payments(viewer: Viewer, provider: XsollaClient | None = None) -> list[str]:
    """Ask about a player's own unpaid orders now; returns each step in words.

    Raises:
        TooManyTries: the player asked less than a minute ago.
    """
    questions = await in_database_thread(_claim_of_player, viewer.user_id)
    steps = []
    for question in questions:
        try:
            judgement = await _ask(question, provider or get_provider())
            steps.append(f"Order {question.number}: {_words(judgement)}")
        except (ProviderUnavailable, ProviderRefused):
            steps.append(f"Order {question.number}: the payment service does not answer. Try again in a minute.")
    return steps or ["You have no unpaid orders of the last 3 days. Everything paid is in your library."]


def _words(judgement: Judgement | None) -> str:
    if judgement is None:
        return "the payment service says that it is not paid yet."
    if judgement.verdict in {Verdict.DONE, Verdict.REPEAT}:
        return "the payment service has told us how it stands; it is up to date now."
    return "your payment does not match the order. A person looks at it; you need not pay again."


def _claim_due() -> list[Question]:
    now = utc_now()
    with unit_of_work() as session:
        due = (
            select(Order.id)
            .where(
                col(Order.next_check_at) < now,
                col(Order.status).in_(UNPAID),
                Order.created_at > now - ASKED_FOR,
            )
            .order_by(col(Order.next_check_at))
            .limit(_LARGEST_PASS)
            .with_for_update(skip_locked=True)
        )
        return _claim(session, list(session.exec(due)), now)


def _claim_of_player(user_id: str) -> list[Question]:
    now = utc_now()
    with unit_of_work() as session:
        last = col(User.payments_checked_at)
        allowed = or_(last.is_(None), last < now - PLAYER_MAY_ASK_EVERY)
        asked = update(User).where(col(User.id) == user_id, allowed).values(payments_checked_at=now)
        if session.execute(asked.returning(col(User.id))).first() is None:
            raise TooManyTries(int(PLAYER_MAY_ASK_EVERY.total_seconds()))
        mine = select(Order.id).where(
            Order.user_id == user_id,
            col(Order.status).in_(UNPAID),
            col(Order.next_check_at).is_not(None),
            Order.created_at > now - ASKED_FOR,
        )
        newest = mine.order_by(col(Order.created_at).desc()).limit(_LARGEST_OF_PLAYER)
        return _claim(session, list(session.exec(newest)), now)


def _claim(session: Session, order_ids: Sequence[str], now: datetime) -> list[Question]:
    """Put the orders' next check off, so that nobody else asks meanwhile, and return what to ask."""
    pauses = {number: now + pause for number, pause in enumerate(_PAUSES)}
    next_check = case(pauses, value=col(Order.checks), else_=now + _LONGEST_PAUSE)
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
        Question(
            attempt.order_id,
            number,
            f"{attempt.order_id}-{attempt.number}",
            attempt.provider_order_id,
            attempt.payment_url.rpartition("token=")[2],
            attempt.created_at,
        )
        for attempt, number in session.exec(attempts)
    ]


async def _ask(question: Question, provider: XsollaClient) -> Judgement | None:
    """Ask about one payment page and act on the answer; None when it is not paid."""
    if question.provider_order_id is None:
        found = await provider.find_payment(question.external_id)
    else:
        # Most are simply not paid, which one look tells.
        if await provider.is_unpaid(question.provider_order_id, question.payment_token):
            return None
        found = await provider.find_order(question.provider_order_id, question.opened_at)
    if found is None or found.status not in {"paid", "done", "canceled"}:
        return None
    failpoint("repair: answered")
    # Meanwhile a notification may have come: the order is locked and looked at again.
    return await in_database_thread(_apply, question, found)


def _apply(question: Question, found: ProviderOrder) -> Judgement:
    claim = Claim(
        provider_order_id=question.provider_order_id or "",
        transaction_id=found.transaction_id,
        order_id=question.order_id,
        user_id=found.user_id,
        amount=found.amount,
        currency=found.currency,
        sandbox=found.sandbox,
    )
    rule = payment_events.refunded if found.status == "canceled" else payment_events.paid
    with unit_of_work() as session:
        judgement = payment_events.judge(session, claim, rule)
        failpoint("repair: before commit")
    logger.info("asked the provider about order %s: %s %s", question.number, found.status, judgement.verdict)
    return judgement
