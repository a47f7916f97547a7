"""Paid orders a second: the store's whole work against two inserts in a bare FastAPI app.

Same server (Granian, one worker), same database, same client, taking turns.
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
from tests.support.postgres import fresh_database, postgres_server
from tests.support.processes import ROOT, Child
from tests.support.store import StoreProcess

ROUNDS, DELIVERIES = 5, 400
AT_ONCE = (1, 4, 16)
PLAYERS = 40


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
    orders = place_orders(store, PLAYERS, 2 * (ROUNDS + 1) * DELIVERIES // PLAYERS)
    ours, theirs = [], []
    for number in range(ROUNDS + 1):
        mine, its = orders[:DELIVERIES], orders[DELIVERIES : 2 * DELIVERIES]
        orders = orders[2 * DELIVERIES :]
        paid = [order_paid(store, order) for order in mine]
        run = asyncio.run(_burst(f"{store.url}/api/webhooks/payment", paid, at_once))
        bare = asyncio.run(_burst(bare_url, [_bare(store, order) for order in its], at_once))
        if number:  # the first round warms both up
            ours.append(run)
            theirs.append(bare)
    _print(at_once, ours, theirs)


def _print(at_once: int, ours: Sequence[Run], theirs: Sequence[Run]) -> None:
    mine, its = (statistics.median(run.per_second for run in runs) for runs in (ours, theirs))
    ratio = statistics.median(a.per_second / b.per_second for a, b in zip(ours, theirs, strict=True))
    p99 = statistics.median(run.p99_ms for run in ours)
    errors = sum(run.errors for run in (*ours, *theirs))
    print(
        f"  {at_once:>2} at once: store {mine:6.0f}/s, two inserts {its:6.0f}/s, ratio {ratio:.2f}, "
        f"store p99 {p99:.0f} ms, errors {errors}",
        flush=True,
    )


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
        print(f"{name}, one worker, {DELIVERIES} deliveries a burst, medians of {ROUNDS}:")
        for at_once in AT_ONCE:
            _measure(store, f"http://localhost:{port}/api/webhooks/payment", at_once)
    finally:
        bare.stop()


def main() -> None:
    """Measure on SQLite and on PostgreSQL."""
    with StoreProcess() as store:
        _against("SQLite", store)
    with postgres_server() as server, StoreProcess(database_url=fresh_database(server)) as store:
        _against("PostgreSQL", store)


if __name__ == "__main__":
    main()
