"""Group commit: deliveries that arrive while others are written share the next database transaction.

A delivery that arrives alone is written at once. Under load one transaction takes all deliveries that are pending:
many of them cost one write to the disk, and they share one thread, connection and commit. Each is answered only
after the commit that keeps it. When one of them fails all are undone, and each is processed by itself.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import cast

from store_app.db.engine import cannot_be_reached, writers
from store_app.db.threads import answered_in_time, executor
from store_app.payments.provider import Outcome
from webhook.inbox import Delivery
from webhook.intake import receive_all

logger = logging.getLogger(__name__)

# A larger batch would lock its orders' rows for too long, and each answer waits for the whole batch.
MAX_BATCH = 16

ReceiveAll = Callable[[Sequence[Delivery]], Sequence[Outcome]]


@dataclass(frozen=True, slots=True)
class _Pending:
    """A delivery that waits for its transaction, and the future of its outcome."""

    delivery: Delivery
    outcome: "asyncio.Future[Outcome]"

    def settle(self, outcome: Outcome | Exception) -> None:
        if self.outcome.done():
            return
        if isinstance(outcome, Exception):
            self.outcome.set_exception(outcome)
        else:
            self.outcome.set_result(outcome)


class GroupCommit:
    """Processes deliveries in batches, with as many batches at a time as the database has concurrent writers."""

    def __init__(self, receive: ReceiveAll, max_tasks: int) -> None:
        """Let `receive` write batches, at most `max_tasks` of them at a time."""
        self._receive = receive
        self._max_tasks = max_tasks
        self._pending: deque[_Pending] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, delivery: Delivery) -> Outcome:
        """Return the outcome of a delivery, once it is committed.

        Raises whatever processing it raised, and `PoolTimeoutError` when that did not begin in time.
        """
        pending = _Pending(delivery, asyncio.get_running_loop().create_future())
        self._pending.append(pending)
        if len(self._tasks) < self._max_tasks:
            self._tasks.add(asyncio.create_task(self._process_batches()))
        # It may never begin while the tasks wait for a database that does not answer.
        async with answered_in_time():
            return await pending.outcome

    async def _process_batches(self) -> None:
        try:
            while batch := self._next_batch():
                await self._process(batch)
        finally:
            # Free the slot before the task ends; a done-callback runs later, and a delivery submitted in between
            # would start no task.
            self._tasks.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    def _next_batch(self) -> list[_Pending]:
        # Drop abandoned requests; the provider retries them.
        self._pending = deque(pending for pending in self._pending if not pending.outcome.done())
        # Divide the pending deliveries among the tasks, so that no task takes them all while the others are idle.
        share = min(MAX_BATCH, -(-len(self._pending) // self._max_tasks))
        return [self._pending.popleft() for _ in range(share)]

    async def _process(self, batch: Sequence[_Pending]) -> None:
        outcomes: Sequence[Outcome | Exception]
        try:
            # Without a limit of time, which each submission has: the connection watchdog ends what takes too long.
            work = partial(self._receive, [pending.delivery for pending in batch])
            outcomes = await asyncio.get_running_loop().run_in_executor(executor, work)
        except Exception as error:  # noqa: BLE001 - each request gets it, and logs it
            if len(batch) > 1 and not cannot_be_reached(error):
                logger.warning("%s deliveries could not be processed together: %s", len(batch), error)
                # Concurrently: one of them may be waiting for a locked row.
                await asyncio.gather(*(self._process([pending]) for pending in batch))
                return
            outcomes = [error] * len(batch)
        for pending, outcome in zip(batch, outcomes, strict=True):
            pending.settle(outcome)


@lru_cache
def get_group_commit() -> GroupCommit:
    """Return the group commit of this process."""
    return GroupCommit(receive_all, writers())
