"""A client that delivers or reads as fast as it gets responses, or delivers at a given rate regardless of them."""

import asyncio
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import aiohttp

from benchmarks.deliveries import Delivery


@dataclass
class Run:
    """The result of some requests: the seconds each took, the seconds in all, and how many got another status."""

    times: list[float] = field(default_factory=list)
    seconds: float = 0.0
    errors: int = 0

    @property
    def per_second(self) -> float:
        """Requests per second."""
        return len(self.times) / self.seconds

    def quantile_ms(self, percent: int) -> float:
        """Return a percentile of the response times, in milliseconds."""
        return 1000 * statistics.quantiles(self.times, n=100)[percent - 1]


@contextmanager
def _timed(run: Run) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    run.seconds = time.perf_counter() - begin


async def _deliver(client: aiohttp.ClientSession, url: str, delivery: Delivery, run: Run, since: float) -> None:
    async with client.post(url, data=delivery.body, headers=delivery.headers) as response:
        await response.read()
    run.times.append(time.perf_counter() - since)
    run.errors += response.status != 204


async def _burst(url: str, deliveries: Sequence[Delivery], concurrency: int) -> Run:
    remaining, run = iter(deliveries), Run()

    async def deliver(client: aiohttp.ClientSession) -> None:
        for delivery in remaining:
            await _deliver(client, url, delivery, run, time.perf_counter())

    async with aiohttp.ClientSession() as client:
        with _timed(run):
            await asyncio.gather(*(deliver(client) for _ in range(concurrency)))
    return run


async def _reads(url: str, headers: Mapping[str, str], count: int, concurrency: int) -> Run:
    remaining, run = iter(range(count)), Run()

    async def read(client: aiohttp.ClientSession) -> None:
        for _ in remaining:
            since = time.perf_counter()
            async with client.get(url) as response:
                await response.read()
            run.times.append(time.perf_counter() - since)
            run.errors += response.status != 200

    async with aiohttp.ClientSession(headers=headers) as client:
        with _timed(run):
            await asyncio.gather(*(read(client) for _ in range(concurrency)))
    return run


async def _paced(url: str, deliveries: Sequence[Delivery], per_second: float) -> Run:
    run, tasks = Run(), []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        with _timed(run):
            begin = time.perf_counter()
            for number, delivery in enumerate(deliveries):
                due = begin + number / per_second
                await asyncio.sleep(max(0, due - time.perf_counter()))
                # Measured from when it was due: a late client would hide waits (coordinated omission).
                tasks.append(asyncio.create_task(_deliver(client, url, delivery, run, due)))
            await asyncio.gather(*tasks)
    return run


def burst(url: str, deliveries: Sequence[Delivery], concurrency: int) -> Run:
    """Deliver all with `concurrency` requests at a time: the next one when a response arrives."""
    return asyncio.run(_burst(url, deliveries, concurrency))


def reads(url: str, headers: Mapping[str, str], count: int, concurrency: int) -> Run:
    """Send a GET request `count` times, with `concurrency` at a time."""
    return asyncio.run(_reads(url, headers, count, concurrency))


def paced(url: str, deliveries: Sequence[Delivery], per_second: float) -> Run:
    """Deliver all at this rate, whether or not earlier deliveries got their response."""
    return asyncio.run(_paced(url, deliveries, per_second))
