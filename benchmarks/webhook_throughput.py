"""Paid orders a second: the store's whole work against bare FastAPI apps (`bare_app`).

Same server (Granian, one worker), same database, same client, taking turns in bursts.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp

from benchmarks.deliveries import Delivery, PlacedOrder, order_paid, place_orders
from tests.support.ports import free_port
from tests.support.postgres import fresh_database, postgres
from tests.support.processes import ROOT, Child
from tests.support.store import StoreProcess

ROUNDS, DELIVERIES = 5, 300
AT_ONCE = (1, 4, 16)
PLAYERS = 30
PEERS = ("two-inserts", "same-statements")


@dataclass(frozen=True, slots=True)
class Run:
    """One burst of deliveries."""

    per_second: float
    p99_ms: float
    errors: int


async def _burst(url: str, deliveries: Sequence[Delivery], at_once: int) -> Run:
    waiting, times, errors = iter(deliveries), list[float](), 0

    async def deliver(client: aiohttp.ClientSession) -> None:
        nonlocal errors
        for delivery in waiting:
            begin = time.perf_counter()
            async with client.post(url, data=delivery.body, headers=delivery.headers) as answer:
                await answer.read()
            times.append(time.perf_counter() - begin)
            errors += answer.status != 204

    async with aiohttp.ClientSession() as client:
        begin = time.perf_counter()
        await asyncio.gather(*(deliver(client) for _ in range(at_once)))
        seconds = time.perf_counter() - begin
    return Run(len(times) / seconds, 1000 * statistics.quantiles(times, n=100)[98], errors)


def _bare(store: StoreProcess, order: PlacedOrder) -> Delivery:
    signed = order_paid(store, order)
    return Delivery(signed.body, {"x-order": order.order_id, "x-user": order.user_id})


def _measure(store: StoreProcess, bare_url: str, at_once: int) -> None:
    bursts = (ROUNDS + 1) * (1 + len(PEERS))
    orders = iter(place_orders(store, PLAYERS, bursts * DELIVERIES // PLAYERS))
    runs: dict[str, list[Run]] = {name: [] for name in ("store", *PEERS)}
    for _ in range(ROUNDS + 1):
        for name, measured in runs.items():
            taken = [next(orders) for _ in range(DELIVERIES)]
            ours = name == "store"
            url = f"{store.url}/api/webhooks/payment" if ours else f"{bare_url}/{name}"
            deliveries = [order_paid(store, order) if ours else _bare(store, order) for order in taken]
            measured.append(asyncio.run(_burst(url, deliveries, at_once)))
    # The first round warms everything up.
    _print(at_once, {name: measured[1:] for name, measured in runs.items()})


def _print(at_once: int, runs: dict[str, list[Run]]) -> None:
    store = runs["store"]
    words = [f"store {_rate(store):.0f}/s, p99 {statistics.median(run.p99_ms for run in store):.0f} ms"]
    for name in PEERS:
        pairs = zip(store, runs[name], strict=True)
        ratio = statistics.median(ours.per_second / theirs.per_second for ours, theirs in pairs)
        words.append(f"{name} {_rate(runs[name]):.0f}/s, ratio {ratio:.2f}")
    errors = sum(run.errors for measured in runs.values() for run in measured)
    print(f"  {at_once:>2} at once: {'; '.join(words)}; errors {errors}", flush=True)


def _rate(runs: Sequence[Run]) -> float:
    return statistics.median(run.per_second for run in runs)


def _against(name: str, store: StoreProcess) -> None:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "granian",
        "--interface",
        "asgi",
        "--port",
        str(port),
        "benchmarks.bare_app:app",
    ]
    bare = Child("bare app", command, env=store.env, log=store.data_dir / "bare.log", cwd=ROOT)
    try:
        bare.start().wait_until_answers(f"http://localhost:{port}/docs", 30)
        print(f"{name}, one worker, {DELIVERIES} deliveries a burst, medians of {ROUNDS}:", flush=True)
        for at_once in AT_ONCE:
            _measure(store, f"http://localhost:{port}", at_once)
    finally:
        bare.stop()


def main() -> None:
    """Measure on SQLite and on PostgreSQL, both writing to the disk as in real life."""
    with StoreProcess() as store:
        _against("SQLite", store)
    with postgres(durable=True) as server, StoreProcess(database_url=fresh_database(server.url)) as store:
        _against("PostgreSQL", store)


if __name__ == "__main__":
    main()
