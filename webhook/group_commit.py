"""Deliveries that arrive while others are being written wait together, and are written in one transaction.

One delivery alone is taken at once. Under load a transaction takes all that wait: the disk is asked to keep
many of them with one write, and they share one thread, connection and commit. Each is still answered only after
the commit that keeps it. When one of them fails all are undone, and each is taken by itself.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from store_app.db.engine import cannot_be_reached, writers
from store_app.db.threads import answered_in_time, in_database_thread
from webhook.inbox import Outcome
from webhook.intake import Arrival, receive_all

logger = logging.getLogger(__name__)

# More would hold their orders' rows for too long, and each answer waits for all of its batch.
MAX_BATCH = 16

Receive = Callable[[Sequence[Arrival]], Sequence[Outcome]]


@dataclass(frozen=True, slots=True)
class _Pending:
    """An arrival, and who waits for what is made of it."""

    arrival: Arrival
    outcome: "asyncio.Future[Outcome]"

    def settle(self, outcome: Outcome | Exception) -> None:
        if self.outcome.done():
            return
        if isinstance(outcome, Exception):
            self.outcome.set_exception(outcome)
        else:
            self.outcome.set_result(outcome)


class GroupCommit:
    """Hands arrivals on in batches, several of them at a time: as many as the database lets write at once."""

    def __init__(self, receive: Receive, max_workers: int) -> None:
        """Let `receive` have batches, in at most `max_workers` threads at a time."""
        self._receive = receive
        self._max_workers = max_workers
        self._waiting: deque[_Pending] = deque()
        self._working: set[asyncio.Task[None]] = set()

    async def submit(self, arrival: Arrival) -> Outcome:
        """Return what was made of an arrival, once that is committed.

        Raises whatever taking it raised, and `PoolTimeoutError` when its turn did not come in time.
        """
        waiting = _Pending(arrival, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if len(self._working) < self._max_workers:
            self._working.add(asyncio.create_task(self._work()))
        # Its turn may never come while the lanes wait for a network that swallows everything.
        async with answered_in_time():
            return await waiting.outcome

    async def _work(self) -> None:
        try:
            while batch := self._next_batch():
                await self._process(batch)
        finally:
            # At once, and not when the task is done: who comes in between would find no lane free.
            self._working.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    def _next_batch(self) -> list[_Pending]:
        # Who gave up, or hung up, sends it again.
        self._waiting = deque(pending for pending in self._waiting if not pending.outcome.done())
        # A fair share: what one lane takes all the others cannot work on at the same time.
        share = min(MAX_BATCH, -(-len(self._waiting) // self._max_workers))
        return [self._waiting.popleft() for _ in range(share)]

    async def _process(self, batch: Sequence[_Pending]) -> None:
        outcomes: Sequence[Outcome | Exception]
        try:
            outcomes = await in_database_thread(self._receive, [pending.arrival for pending in batch])
        except Exception as error:  # noqa: BLE001 - each of them is told, and its request logs it
            if len(batch) > 1 and not cannot_be_reached(error):
                logger.warning("%s deliveries could not be taken together: %s", len(batch), error)
                # At the same time: one of them may be waiting for a row that somebody holds.
                await asyncio.gather(*(self._process([pending]) for pending in batch))
                return
            outcomes = [error] * len(batch)
        for pending, outcome in zip(batch, outcomes, strict=True):
            pending.settle(outcome)


@lru_cache
def get_group_commit() -> GroupCommit:
    """Return the batches of this process."""
    return GroupCommit(receive_all, writers())
