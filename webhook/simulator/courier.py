"""Delivering notifications: signing, sending, repeating, in order."""

import asyncio
import json
import logging
from collections.abc import Sequence
from datetime import timedelta

import httpx

from webhook.simulator.clock import Clock
from webhook.simulator.records import Attempt, Delivery, Order, Outcome
from webhook.simulator.schedule import ANSWER_WITHIN, pauses, verdict
from webhook.simulator.signature import sign

_log = logging.getLogger(__name__)

SIGNATURE_REFUSED = (
    "The store refused our signature: XSOLLA_WEBHOOK_SECRET differs between simulator and store, "
    "make them equal and restart."
)
_KEPT_ANSWER = 500


class Courier:
    """Carries deliveries to the store's webhook; chains run in the background until they end or it closes."""

    def __init__(self, client: httpx.AsyncClient, url: str, secret: str, speed: float, clock: Clock) -> None:
        self._client = client
        self._url = url
        self._secret = secret
        self._speed = speed
        self._clock = clock
        self._chains: set[asyncio.Task[None]] = set()

    def dispatch(self, order: Order, deliveries: Sequence[Delivery]) -> None:
        """Start delivering a chain; the next notification leaves after the success of the one before."""
        task = asyncio.create_task(self._run_chain(order, deliveries))
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
        if _is_signature_refusal(attempt):
            _log.error("%s of order %s: %s", delivery.type, delivery.order_id, SIGNATURE_REFUSED)
        else:
            _log.info("%s of order %s: %s", delivery.type, delivery.order_id, attempt.status or attempt.answer)
        return verdict(attempt.status)

    async def deliver(self, delivery: Delivery) -> None:
        """Try until the store answers for good or the schedule is over."""
        outcome = await self.knock(delivery)
        for pause in pauses(delivery.type):
            if outcome is not Outcome.WAITING:
                break
            await asyncio.sleep(pause / timedelta(seconds=self._speed))
            outcome = await self.knock(delivery)
        delivery.settle(Outcome.GIVEN_UP if outcome is Outcome.WAITING else outcome)

    async def _run_chain(self, order: Order, deliveries: Sequence[Delivery]) -> None:
        async with order.outgoing:
            for position, delivery in enumerate(deliveries):
                await self.deliver(delivery)
                if not delivery.acknowledged:
                    _hold_back(deliveries[position + 1 :])
                    return

    async def _try(self, delivery: Delivery) -> Attempt:
        started = self._clock()
        try:
            async with asyncio.timeout(ANSWER_WITHIN.total_seconds()):
                response = await self._client.post(
                    self._url, content=delivery.body, headers=self._headers(delivery)
                )
        except TimeoutError:
            return Attempt(started, None, f"No answer within {ANSWER_WITHIN.seconds} seconds")
        except httpx.HTTPError as error:
            return Attempt(started, None, f"The store cannot be reached: {str(error) or type(error).__name__}")
        return Attempt(started, response.status_code, response.text[:_KEPT_ANSWER])

    def _headers(self, delivery: Delivery) -> dict[str, str]:
        return {"Authorization": sign(delivery.body, self._secret), "Content-Type": "application/json"}


def explain(delivery: Delivery) -> str:
    """Say in words how the store answered last."""
    last = delivery.attempts[-1]
    if last.status is None:
        return last.answer
    if _is_signature_refusal(last):
        return SIGNATURE_REFUSED
    code, message = _error_of(last)
    return f"The store answered {last.status} {code} {message}".rstrip()


def _hold_back(deliveries: Sequence[Delivery]) -> None:
    for delivery in deliveries:
        delivery.settle(Outcome.HELD_BACK)


def _is_signature_refusal(attempt: Attempt) -> bool:
    return attempt.status == 400 and _error_of(attempt)[0] == "INVALID_SIGNATURE"


def _error_of(attempt: Attempt) -> tuple[str, str]:
    """Read code and message of a refusal; a foreign answer has neither."""
    try:
        error = json.loads(attempt.answer)["error"]
        return str(error["code"]), str(error.get("message", ""))
    except (ValueError, LookupError, TypeError, AttributeError):
        return "", ""
