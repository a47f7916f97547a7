"""`python -m benchmarks.versions FOLDER`: this version of the store beside another, in turns, in the same run.

FOLDER holds the other version, with its own `.venv` and built pages. It measures deliveries per second, 16 at
once, and the time from a notification to the row in the library in a real Chromium.
"""

import argparse
import statistics
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from benchmarks import webhook_to_dom
from benchmarks.deliveries import order_paid, place_orders
from benchmarks.load import burst
from tests.support.postgres import fresh_database, postgres
from tests.support.processes import ROOT
from tests.support.store import StoreProcess

ROUNDS, DELIVERIES, USERS, AT_ONCE = 11, 320, 32, 16
DOM_ROUNDS = 5
OWN, OTHER = "this version", "the other"


def _rate(store: StoreProcess) -> float:
    orders = place_orders(store, USERS, DELIVERIES // USERS)
    run = burst(f"{store.url}/api/webhooks/payment", [order_paid(store, order) for order in orders], AT_ONCE)
    assert not run.errors
    return run.per_second


def _milliseconds(store: StoreProcess) -> float:
    return statistics.median(webhook_to_dom.measure(store))


def _compare(
    name: str, unit: str, stores: Mapping[str, StoreProcess], measure: Callable[[StoreProcess], float], rounds: int
) -> None:
    measured: dict[str, list[float]] = {version: [] for version in stores}
    for number in range(rounds + 1):
        # In alternating order: what runs second may find a warmer or a busier machine.
        for version in sorted(stores, reverse=bool(number % 2)):
            measured[version].append(measure(stores[version]))
    # The first round is a warm-up.
    own, other = measured[OWN][1:], measured[OTHER][1:]
    ratio = statistics.median(a / b for a, b in zip(own, other, strict=True))
    figures = f"{statistics.median(own):.1f} {unit}, before {statistics.median(other):.1f} {unit}"
    print(f"  {name}: {figures}, ratio {ratio:.3f}", flush=True)


def main(other: Path) -> None:
    """Measure both versions on SQLite and on PostgreSQL, with one worker each."""
    roots = {OWN: ROOT, OTHER: other.resolve()}
    with ExitStack() as stack:
        stores = {
            name: stack.enter_context(StoreProcess(root=root, simulator=True)) for name, root in roots.items()
        }
        _compare("SQLite, deliveries", "/s", stores, _rate, ROUNDS)
        _compare("SQLite, to the page", "ms", stores, _milliseconds, DOM_ROUNDS)
    with postgres(durable=True) as server, ExitStack() as stack:
        stores = {
            name: stack.enter_context(StoreProcess(root=root, database_url=fresh_database(server.url)))
            for name, root in roots.items()
        }
        _compare("PostgreSQL, deliveries", "/s", stores, _rate, ROUNDS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versions")
    parser.add_argument("folder", type=Path, help="the folder of another version of the store")
    main(parser.parse_args().folder)
