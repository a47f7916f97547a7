"""What others notice of an attack: the times of their requests, and what the worker and its files grow to."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx

from benchmarks.deliveries import PlacedOrder, order_paid, place_order
from tests.security.users import PASSWORD
from tests.support.store import StoreProcess

TIMEOUT_SECONDS = 60.0
CLOCK_TICKS_PER_SECOND = 100
IDLE_SHARE, IDLE_WINDOW_SECONDS = 0.1, 0.5


def percentile(times: Sequence[float], share: float) -> float:
    """Return the time that this share of the requests did not exceed."""
    return sorted(times)[max(0, math.ceil(share * len(times)) - 1)]


def median(times: Sequence[float]) -> float:
    """Return the median."""
    return percentile(times, 0.5)


async def timed(request: Callable[[], Awaitable[httpx.Response]], expected: int) -> float:
    """Return how long a request took, in seconds; its status must be the expected one."""
    begin = time.perf_counter()
    response = await request()
    took = time.perf_counter() - begin
    assert response.status_code == expected, f"{response.status_code}: {response.text[:200]}"
    return took


@dataclass
class Others:
    """The provider and an ordinary player, who use the store meanwhile."""

    store: StoreProcess
    orders: list[PlacedOrder]
    client: httpx.AsyncClient = field(init=False)
    player: httpx.Client = field(init=False)
    player_id: str = ""
    name: str = "an-ordinary-player"

    async def __aenter__(self) -> Self:
        url = f"http://127.0.0.1:{self.store.port}"
        self.client = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS, trust_env=False)
        # From an address of its own, as all others: limits are counted by address.
        transport = httpx.HTTPTransport(local_address="127.66.0.1")
        self.player = httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS, transport=transport)
        account = {"username": self.name, "password": PASSWORD}
        self.player_id = self.player.post("/api/users", json=account).raise_for_status().json()["id"]
        token = self.player.post("/api/sessions", json=account).raise_for_status().json()["token"]
        self.player.headers["Authorization"] = f"Bearer {token}"
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.player.close()
        await self.client.aclose()

    async def webhook(self) -> float:
        """Return the time of a signed notification that pays an order."""
        delivery = order_paid(self.store, self.orders.pop())
        return await timed(
            lambda: self.client.post(
                "/api/webhooks/payment", content=delivery.body, headers=dict(delivery.headers)
            ),
            204,
        )

    async def items(self) -> float:
        """Return the time of a request for the list of items."""
        return await timed(lambda: self.client.get("/api/items"), 200)

    async def livez(self) -> float:
        """Return the time of a request that does no work."""
        return await timed(lambda: self.client.get("/livez"), 200)

    async def order(self) -> float:
        """Return how long the player waits for an order to be placed; it is paid afterwards."""
        begin = time.perf_counter()
        order = await asyncio.to_thread(place_order, self.player, self.player_id)
        took = time.perf_counter() - begin
        delivery = order_paid(self.store, order)
        await timed(
            lambda: self.client.post(
                "/api/webhooks/payment", content=delivery.body, headers=dict(delivery.headers)
            ),
            204,
        )
        return took

    async def buy(self) -> bool:
        """Whether the player can buy something, from the order to the library."""
        before = await asyncio.to_thread(self._purchases)
        await self.order()
        return await asyncio.to_thread(self._purchases) == before + 1

    def _purchases(self) -> int:
        found = self.player.get("/api/purchases", params={"limit": 100})
        return len(found.raise_for_status().json())


async def repeated(measure: Callable[[], Awaitable[float]], times: int) -> list[float]:
    """Measure so often, one after the other."""
    return [await measure() for _ in range(times)]


async def until_done(
    measure: Callable[[], Awaitable[float]], attack: "asyncio.Future[int]", most: int = 1_000
) -> list[float]:
    """Measure again and again while an attack goes on, at most every 10 ms."""
    times: list[float] = []
    while not attack.done() and len(times) < most:
        times.append(await measure())
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(attack), 0.01)
    return times


def cpu_seconds(store: StoreProcess) -> float:
    """Return how much processor time the workers have used."""
    stats = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in store.worker_pids())
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / CLOCK_TICKS_PER_SECOND


async def seconds_until_idle(store: StoreProcess) -> float:
    """Return after how many seconds the workers began to use less than a tenth of a processor."""
    begin = time.monotonic()
    while time.monotonic() - begin < TIMEOUT_SECONDS:
        window, used = time.monotonic(), cpu_seconds(store)
        await asyncio.sleep(IDLE_WINDOW_SECONDS)
        if (cpu_seconds(store) - used) / (time.monotonic() - window) < IDLE_SHARE:
            return window - begin
    return TIMEOUT_SECONDS


def memory_mb(store: StoreProcess) -> float:
    """Return the resident memory of the workers in MB."""
    texts = (Path(f"/proc/{pid}/status").read_text() for pid in store.worker_pids())
    return sum(int(text.partition("VmRSS:")[2].split()[0]) for text in texts) / 1024


def log_bytes(store: StoreProcess) -> int:
    """Return the size of the store's log."""
    return store.log_path.stat().st_size


@dataclass
class PeakMemory:
    """The most memory that the workers use while a block runs; a context manager."""

    store: StoreProcess
    before: float = 0.0
    peak: float = 0.0

    async def __aenter__(self) -> Self:
        self.before = self.peak = memory_mb(self.store)
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._watching.cancel()
        self.peak = max(self.peak, memory_mb(self.store))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            self.peak = max(self.peak, memory_mb(self.store))

    @property
    def growth(self) -> float:
        """How much they grew, in MB."""
        return self.peak - self.before
