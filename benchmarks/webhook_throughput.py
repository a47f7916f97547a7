"""Paid orders per second: the store with all its work, beside bare FastAPI apps (`baseline_app`).

All use the same server (Granian, one worker), database and client, in alternating bursts. Then it measures the
response time at half of the highest rate and, on PostgreSQL, transactions per second beside pgbench's.
"""

import re
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg2

from benchmarks.deliveries import Delivery, PlacedOrder, order_paid, place_orders
from benchmarks.load import Run, burst, paced
from tests.support.ports import free_port
from tests.support.postgres import PostgresServer, fresh_database, postgres
from tests.support.processes import ROOT, Child
from tests.support.store import StoreProcess

ROUNDS, DELIVERIES = 5, 320
CONCURRENCIES = (1, 4, 16)
USERS = 32
BASELINES = ("two-inserts", "same-statements")
PGBENCH_SECONDS = 5


def _baseline_delivery(store: StoreProcess, order: PlacedOrder) -> Delivery:
    signed = order_paid(store, order)
    return Delivery(
        signed.body, {"x-order": order.order_id, "x-user": order.user_id, "x-number": order.provider_order_id}
    )


def _webhook(store: StoreProcess) -> str:
    return f"{store.url}/api/webhooks/payment"


def _measure(store: StoreProcess, baseline_url: str, concurrency: int) -> float:
    """Alternate between store and baselines, print the medians, and return the store's rate."""
    bursts = (ROUNDS + 1) * (1 + len(BASELINES))
    orders = iter(place_orders(store, USERS, bursts * DELIVERIES // USERS))
    runs: dict[str, list[Run]] = {name: [] for name in ("store", *BASELINES)}
    for _ in range(ROUNDS + 1):
        for name, measured in runs.items():
            taken = [next(orders) for _ in range(DELIVERIES)]
            is_store = name == "store"
            url = _webhook(store) if is_store else f"{baseline_url}/{name}"
            deliveries = [
                order_paid(store, order) if is_store else _baseline_delivery(store, order) for order in taken
            ]
            measured.append(burst(url, deliveries, concurrency))
    # The first round is a warm-up.
    _print(concurrency, {name: measured[1:] for name, measured in runs.items()})
    return _rate(runs["store"][1:])


def _print(concurrency: int, runs: dict[str, list[Run]]) -> None:
    store = runs["store"]
    parts = [f"store {_rate(store):.0f}/s, p99 {statistics.median(run.quantile_ms(99) for run in store):.0f} ms"]
    for name in BASELINES:
        pairs = zip(store, runs[name], strict=True)
        ratio = statistics.median(run.per_second / baseline.per_second for run, baseline in pairs)
        parts.append(f"{name} {_rate(runs[name]):.0f}/s, ratio {ratio:.2f}")
    errors = sum(run.errors for measured in runs.values() for run in measured)
    print(f"  {concurrency:>2} at once: {'; '.join(parts)}; errors {errors}", flush=True)


def _rate(runs: Sequence[Run]) -> float:
    return statistics.median(run.per_second for run in runs)


def _measure_half(store: StoreProcess, highest: float) -> None:
    orders = place_orders(store, USERS, 3 * DELIVERIES // USERS)
    run = paced(_webhook(store), [order_paid(store, order) for order in orders], highest / 2)
    print(
        f"  at half of that rate, {run.per_second:.0f}/s: median {run.quantile_ms(50):.1f} ms, "
        f"p99 {run.quantile_ms(99):.1f} ms; errors {run.errors}",
        flush=True,
    )


@contextmanager
def _running_baseline(store: StoreProcess) -> Iterator[str]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "granian",
        "--interface",
        "asgi",
        "--port",
        str(port),
        "benchmarks.baseline_app:app",
    ]
    baseline = Child("baseline", command, env=store.env, log=store.data_dir / "baseline.log", cwd=ROOT)
    try:
        baseline.start().wait_until_answers(f"http://localhost:{port}/docs", 30)
        yield f"http://localhost:{port}"
    finally:
        baseline.stop()


def _measure_all(name: str, store: StoreProcess) -> float:
    print(f"{name}, one worker, {DELIVERIES} deliveries per burst, medians of {ROUNDS}:", flush=True)
    with _running_baseline(store) as baseline_url:
        highest = max([_measure(store, baseline_url, concurrency) for concurrency in CONCURRENCIES])
    _measure_half(store, highest)
    return highest


def _committed(url: str) -> int:
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
            return int(cursor.fetchone()[0])
    finally:
        connection.close()


def _pgbench(server: PostgresServer) -> float:
    """Return pgbench's transactions per second (simple update: five statements each), with 16 clients."""
    url, program = fresh_database(server.url), str(server.binaries / "pgbench")
    subprocess.run([program, "-i", "-s", "10", "-q", url], check=True, capture_output=True)
    command = [program, "-N", "-c", "16", "-j", "1", "-T", str(PGBENCH_SECONDS), url]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"tps = ([\d.]+)", printed)
    assert found, printed
    return float(found[1])


def _compare_with_pgbench(server: PostgresServer, store: StoreProcess) -> None:
    orders = place_orders(store, USERS, 2 * DELIVERIES // USERS)
    before = _committed(store.database_url)
    run = burst(_webhook(store), [order_paid(store, order) for order in orders], max(CONCURRENCIES))
    transactions = _committed(store.database_url) - before
    print(
        f"  16 at once: {run.per_second:.0f} paid orders/s in {transactions / run.seconds:.0f} transactions/s "
        f"({len(orders) / transactions:.1f} orders each); pgbench -N -c 16: {_pgbench(server):.0f} transactions/s",
        flush=True,
    )


def main() -> None:
    """Measure on SQLite and on PostgreSQL, both with flushes to the disk as in production."""
    with StoreProcess() as store:
        _measure_all("SQLite", store)
    with postgres(durable=True) as server, StoreProcess(database_url=fresh_database(server.url)) as store:
        _measure_all("PostgreSQL", store)
        _compare_with_pgbench(server, store)


if __name__ == "__main__":
    main()
