"""A client that delivers: as fast as it is answered, or at a given rate whatever the answers do."""

import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import aiohttp

from benchmarks.deliveries import Delivery


@dataclass
class Run:
    """How some deliveries went: seconds each took, seconds in all, and how many were not answered 204."""

    times: list[float] = field(default_factory=list)
    seconds: float = 0.0
    errors: int = 0

    @property
    def per_second(self) -> float:
        """Deliveries a second."""
        return len(self.times) / self.seconds

    def quantile_ms(self, percent: int) -> float:
        """Return how many milliseconds `percent` of the deliveries took at most."""
        return 1000 * statistics.quantiles(self.times, n=100)[percent - 1]


@contextmanager
def _timed(run: Run) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    run.seconds = time.perf_counter() - begin


async def _deliver(client: aiohttp.ClientSession, url: str, delivery: Delivery, run: Run, since: float) -> None:
    async with client.post(url, data=delivery.body, headers=delivery.headers) as answer:
        await answer.read()
    run.times.append(time.perf_counter() - since)
    run.errors += answer.status != 204


async def _burst(url: str, deliveries: Sequence[Delivery], at_once: int) -> Run:
    waiting, run = iter(deliveries), Run()

    async def deliver(client: aiohttp.ClientSession) -> None:
        for delivery in waiting:
            await _deliver(client, url, delivery, run, time.perf_counter())

    async with aiohttp.ClientSession() as client:
        with _timed(run):
            await asyncio.gather(*(deliver(client) for _ in range(at_once)))
    return run


async def _paced(url: str, deliveries: Sequence[Delivery], per_second: float) -> Run:
    run, tasks = Run(), []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        with _timed(run):
            begin = time.perf_counter()
            for number, delivery in enumerate(deliveries):
                due = begin + number / per_second
                await asyncio.sleep(max(0, due - time.perf_counter()))
                # From when it was due: a client that is late itself must not hide a wait.
                tasks.append(asyncio.create_task(_deliver(client, url, delivery, run, due)))
            await asyncio.gather(*tasks)
    return run


def burst(url: str, deliveries: Sequence[Delivery], at_once: int) -> Run:
    """Deliver all, `at_once` at a time, the next when one is answered."""
    return asyncio.run(_burst(url, deliveries, at_once))


def paced(url: str, deliveries: Sequence[Delivery], per_second: float) -> Run:
    """Deliver all at this rate, whether the ones before are answered or not."""
    return asyncio.run(_paced(url, deliveries, per_second))
