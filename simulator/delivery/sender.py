"""Delivering notifications: signing, sending, repeating, in order."""

import asyncio
import hashlib
import json
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

import httpx

from simulator.records import Attempt, Clock, Delivery, Order, Outcome


def sign(body: bytes, secret: str) -> str:
    """Give the value of the Authorization header for a body."""
    # SHA-1 with the secret behind is the provider's choice, not ours.
    return f"Signature {hashlib.sha1(body + secret.encode()).hexdigest()}"  # noqa: S324


ANSWER_WITHIN = timedelta(seconds=10)

_ACKNOWLEDGED = frozenset({200, 201, 204})
_FINAL = frozenset({400, 401, 402, 403, 404, 409, 415, 422})


def _minutes(*pauses: int) -> tuple[timedelta, ...]:
    return tuple(timedelta(minutes=pause) for pause in pauses)


_ORDER_PAUSES = _minutes(*[5] * 2, *[15] * 7, *[60] * 10)
# Only "growing, at most 12, within 48 hours" is documented; the steps are ours.
_PAYMENT_PAUSES = _minutes(1, 2, 5, 10, 20, 30, 60, 120, 240, 480, 720, 960)


def pauses(notification_type: str) -> tuple[timedelta, ...]:
    """Give the pauses before each repeat of a notification that was not answered."""
    if notification_type == "user_validation":
        return ()
    if notification_type in {"order_paid", "order_canceled"}:
        return _ORDER_PAUSES
    return _PAYMENT_PAUSES


def verdict(status: int | None) -> Outcome:
    """Tell what an answer means; no answer and unlisted codes ask for a repeat."""
    if status in _ACKNOWLEDGED:
        return Outcome.ACKNOWLEDGED
    return Outcome.REFUSED if status in _FINAL else Outcome.WAITING


_log = logging.getLogger(__name__)

SIGNATURE_REFUSED = (
    "The store refused our signature: XSOLLA_WEBHOOK_SECRET differs between simulator and store, "
    "make them equal and restart."
)
_KEPT_ANSWER = 500
# Long enough for a request to arrive, too short for most answers.
_IMPATIENCE = timedelta(milliseconds=20)


@dataclass(frozen=True, slots=True)
class Way:
    """How a chain leaves; the defaults are the ordinary way."""

    # How many times faster than the schedule; none is the factor of the settings.
    speed: float | None = None
    # Seconds before it leaves, unless it is released earlier.
    hold: float = 0
    # Goes on after a failure.
    stubborn: bool = False
    # Equal notifications beside each other leave at once.
    at_once: bool = False


_ORDINARY = Way()


class Courier:
    """Carries deliveries to the store's webhook; chains run in the background until they end or it closes."""

    def __init__(self, client: httpx.AsyncClient, url: str, secret: str, speed: float, clock: Clock) -> None:
        self._client = client
        self._url = url
        self._secret = secret
        self._speed = speed
        self._clock = clock
        self._chains: set[asyncio.Task[None]] = set()

    def dispatch(self, order: Order, deliveries: Sequence[Delivery], way: Way = _ORDINARY) -> None:
        """Start delivering a chain; the next notification leaves after the success of the one before."""
        if way.hold > 0:
            # Here and not in the chain, which may have to wait: whoever releases it meanwhile means it.
            order.released.clear()
        task = asyncio.create_task(self._run_chain(order, deliveries, way))
        self._chains.add(task)
        task.add_done_callback(self._chains.discard)

    async def close(self) -> None:
        """Stop all chains where they are."""
        for task in self._chains:
            task.cancel()
        await asyncio.gather(*self._chains, return_exceptions=True)

    async def knock(self, delivery: Delivery) -> Outcome:
        """Try once and write down the answer."""
        attempt = await self._try(delivery)
        delivery.attempts.append(attempt)
        if _is_signature_refusal(attempt) and not delivery.manner.forged:
            _log.error("%s of order %s: %s", delivery.type, delivery.order_id, SIGNATURE_REFUSED)
        else:
            _log.info("%s of order %s: %s", delivery.type, delivery.order_id, attempt.status or attempt.answer)
        return Outcome.WAITING if _is_lost(delivery) else verdict(attempt.status)

    async def deliver(self, delivery: Delivery, speed: float | None = None) -> None:
        """Try until the store answers for good or the schedule is over."""
        outcome = await self.knock(delivery)
        for pause in pauses(delivery.type):
            if outcome is not Outcome.WAITING:
                break
            await asyncio.sleep(pause / timedelta(seconds=speed or self._speed))
            outcome = await self.knock(delivery)
        delivery.settle(Outcome.GIVEN_UP if outcome is Outcome.WAITING else outcome)

    async def _run_chain(self, order: Order, deliveries: Sequence[Delivery], way: Way) -> None:
        async with order.outgoing:
            await _hold(order, way.hold)
            steps = _steps(deliveries, way)
            for position, step in enumerate(steps):
                await asyncio.gather(*(self.deliver(each, way.speed) for each in step))
                if not way.stubborn and not all(each.acknowledged for each in step):
                    _hold_back(steps[position + 1 :])
                    return

    async def _try(self, delivery: Delivery) -> Attempt:
        started = self._clock()
        patience = _IMPATIENCE if len(delivery.attempts) < delivery.manner.abandoned else ANSWER_WITHIN
        try:
            async with asyncio.timeout(patience.total_seconds()):
                response = await self._client.post(
                    self._url, content=delivery.body, headers=self._headers(delivery)
                )
        except TimeoutError:
            return Attempt(started, None, f"No answer within {patience.total_seconds():g} seconds")
        except httpx.HTTPError as error:
            return Attempt(started, None, f"The store cannot be reached: {str(error) or type(error).__name__}")
        return Attempt(started, response.status_code, response.text[:_KEPT_ANSWER])

    def _headers(self, delivery: Delivery) -> dict[str, str]:
        secret = secrets.token_hex() if delivery.manner.forged else self._secret
        return {"Authorization": sign(delivery.body, secret), "Content-Type": "application/json"}


def explain(delivery: Delivery) -> str:
    """Say in words how the store answered last."""
    last = delivery.attempts[-1]
    if last.status is None:
        return last.answer
    if _is_signature_refusal(last):
        return SIGNATURE_REFUSED
    code, message = error_of(last)
    return f"The store answered {last.status} {code} {message}".rstrip()


def _steps(deliveries: Sequence[Delivery], way: Way) -> list[list[Delivery]]:
    if way.at_once:
        return [list(equal) for _, equal in groupby(deliveries, key=lambda each: each.body)]
    return [[each] for each in deliveries]


async def _hold(order: Order, seconds: float) -> None:
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            await order.released.wait()
    except TimeoutError:
        return


def _hold_back(steps: Sequence[Sequence[Delivery]]) -> None:
    for delivery in (each for step in steps for each in step):
        delivery.settle(Outcome.HELD_BACK)


def _is_lost(delivery: Delivery) -> bool:
    """Tell whether the answer to the newest try is meant not to reach us."""
    return delivery.manner.deaf or len(delivery.attempts) <= delivery.manner.abandoned


def _is_signature_refusal(attempt: Attempt) -> bool:
    return attempt.status == 400 and error_of(attempt)[0] == "INVALID_SIGNATURE"


def error_of(attempt: Attempt) -> tuple[str, str]:
    """Read code and message of a refusal; a foreign answer has neither."""
    try:
        error = json.loads(attempt.answer)["error"]
        return str(error["code"]), str(error.get("message", ""))
    except (ValueError, LookupError, TypeError, AttributeError):
        return "", ""
