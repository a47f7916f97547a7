"""Deliveries that arrive while others are being written wait together, and are written in one transaction.

One delivery alone is taken at once. Under load a transaction takes all that wait: the disk is asked to keep
many of them with one write, and they share one thread, connection and commit. Each is still answered only after
the commit that keeps it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache

from store_app.database import in_database_thread, writers
from webhook.inbox import Outcome
from webhook.processing import Arrival, receive_all

# More would hold their orders' rows for too long, and each answer waits for all of its batch.
LARGEST = 16

Take = Callable[[Sequence[Arrival]], Sequence[Outcome | Exception]]


class Batches:
    """Hands arrivals on in batches, several of them at a time: as many as the database lets write at once."""

    def __init__(self, take: Take, lanes: int) -> None:
        """Let `take` have batches, in at most `lanes` threads at a time."""
        self._take = take
        self._lanes = lanes
        self._waiting: deque[tuple[Arrival, asyncio.Future[Outcome]]] = deque()
        self._working: set[asyncio.Task[None]] = set()

    async def put(self, arrival: Arrival) -> Outcome:
        """Return what was made of an arrival, once that is committed; raise what taking it raised."""
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((arrival, outcome))
        if len(self._working) < self._lanes:
            task = asyncio.create_task(self._work())
            self._working.add(task)
            task.add_done_callback(self._working.discard)
        return await outcome

    async def _work(self) -> None:
        while self._waiting:
            # A fair share: what one lane takes all the others cannot work on at the same time.
            share = min(LARGEST, -(-len(self._waiting) // self._lanes))
            batch = [self._waiting.popleft() for _ in range(share)]
            arrivals, futures = zip(*batch, strict=True)
            try:
                outcomes = await in_database_thread(self._take, arrivals)
            except Exception as error:  # noqa: BLE001 - each of them is told, and its request logs it
                outcomes = [error] * len(batch)
            for future, outcome in zip(futures, outcomes, strict=True):
                _settle(future, outcome)


def _settle(future: "asyncio.Future[Outcome]", outcome: Outcome | Exception) -> None:
    if future.done():
        return  # the sender has hung up: it will send it again
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


@lru_cache
def get_batches() -> Batches:
    """Return the batches of this process."""
    return Batches(receive_all, writers())
