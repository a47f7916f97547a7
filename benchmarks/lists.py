"""The lists of the API: requests per second, and the first page beside the hundredth of very many items.

`python -m benchmarks.lists --items NUMBER --against FOLDER` also measures another version of the store, whose
source is in FOLDER, in turns with this one.
"""

import argparse
import secrets
import statistics
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
from sqlalchemy import Engine, create_engine, insert, text

from benchmarks.deliveries import order_paid, place_orders
from benchmarks.load import Run, burst, reads
from store_app.accounts.service import token_hash
from store_app.catalogue.queries import Sort
from store_app.models import UserSession, utc_now
from tests.support.postgres import fresh_database, postgres
from tests.support.processes import ROOT
from tests.support.store import StoreProcess

ROUNDS, READS, CONCURRENCY = 11, 400, 16
PURCHASES, PAGES, PAGE_READS = 30, 100, 200
ITEMS = 1_000_000
# A hundred items have the same price in a catalogue of a million, ten the same name.
_ADD_ITEMS = """
INSERT INTO items (sku, name, description, price, currency, kind, image, status, created_at)
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :items)
SELECT 'many-' || n, 'Item ' || (n * 79 % 100003), 'One of many.', n * 79 % 10007, 'USD', 'consumable', '',
    'active', CURRENT_TIMESTAMP
FROM numbers
"""


@dataclass(frozen=True, slots=True)
class Version:
    """A running store, and the headers of a user who has purchases."""

    name: str
    store: StoreProcess
    headers: Mapping[str, str]


@contextmanager
def _database(store: StoreProcess) -> Iterator[Engine]:
    # Not the store's own engine, whose statements may only take seconds.
    engine = create_engine(store.database_url.replace("postgresql://", "postgresql+psycopg2://"))
    try:
        yield engine
    finally:
        engine.dispose()


def _buyer(store: StoreProcess) -> dict[str, str]:
    """Return the headers of a user with purchases."""
    orders = place_orders(store, 1, PURCHASES)
    paid = burst(f"{store.url}/api/webhooks/payment", [order_paid(store, order) for order in orders], 4)
    assert not paid.errors
    token = secrets.token_urlsafe()
    session = {"token_hash": token_hash(token), "user_id": orders[0].user_id}
    with _database(store) as engine, engine.begin() as connection:
        connection.execute(insert(UserSession).values(**session, expires_at=utc_now() + timedelta(days=1)))
    return {"Authorization": f"Bearer {token}"}


def _measure_rates(versions: list[Version], path: str) -> None:
    runs: dict[str, list[Run]] = {version.name: [] for version in versions}
    for _ in range(ROUNDS + 1):
        for version in versions:
            url = f"{version.store.url}{path}"
            runs[version.name].append(reads(url, version.headers, READS, CONCURRENCY))
    # The first round is a warm-up.
    rates = {name: [run.per_second for run in measured[1:]] for name, measured in runs.items()}
    parts = [f"{name} {statistics.median(measured):.0f}/s" for name, measured in rates.items()]
    own, *others = rates.values()
    parts += [f"ratio {statistics.median(a / b for a, b in zip(own, other, strict=True)):.2f}" for other in others]
    errors = sum(run.errors for measured in runs.values() for run in measured)
    print(f"  GET {path}, {CONCURRENCY} at once: {'; '.join(parts)}; errors {errors}", flush=True)


def _add_items(store: StoreProcess, items: int) -> None:
    with _database(store) as engine:
        with engine.begin() as connection:
            connection.execute(text(_ADD_ITEMS), {"items": items})
        if engine.dialect.name == "postgresql":
            # The server does it by itself, but later.
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE items"))


def _measure_pages(version: Version) -> None:
    """Print the time of page 1 beside that of page 100, for each sort; one request at a time, in turns."""
    with httpx.Client(trust_env=False) as client:
        for sort in Sort:
            first = last = f"{version.store.url}/api/items?limit=24&sort={sort}"
            for _ in range(PAGES - 1):
                last = client.get(last).raise_for_status().links["next"]["url"]
            times: dict[str, list[float]] = {first: [], last: []}
            for _ in range(PAGE_READS):
                for url, measured in times.items():
                    measured.append(1000 * client.get(url).raise_for_status().elapsed.total_seconds())
            near, far = (statistics.median(measured) for measured in times.values())
            print(
                f"  {version.name}, sorted by {sort}: page 1 {near:.2f} ms, page {PAGES} {far:.2f} ms; "
                f"ratio {far / near:.2f}",
                flush=True,
            )


def _measure(database: str, stores: Mapping[str, StoreProcess], items: int) -> None:
    versions = [Version(name, store, _buyer(store)) for name, store in stores.items()]
    print(f"{database}, one worker, {READS} requests per burst, medians of {ROUNDS}:", flush=True)
    for path in ("/api/items?limit=24", "/api/purchases"):
        _measure_rates(versions, path)
    print(f"{database}, {items:,} items more, medians of {PAGE_READS}:", flush=True)
    for version in versions:
        _add_items(version.store, items)
        _measure_pages(version)


def main(items: int = ITEMS, against: Path | None = None) -> None:
    """Measure on SQLite and on PostgreSQL, with one worker each."""
    roots = {"store": ROOT} | ({"other version": against.resolve()} if against else {})
    with ExitStack() as stack:
        stores = {name: stack.enter_context(StoreProcess(root=root)) for name, root in roots.items()}
        _measure("SQLite", stores, items)
    with postgres(durable=True) as server, ExitStack() as stack:
        stores = {
            name: stack.enter_context(StoreProcess(root=root, database_url=fresh_database(server.url)))
            for name, root in roots.items()
        }
        _measure("PostgreSQL", stores, items)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lists")
    parser.add_argument("--items", type=int, default=ITEMS, help="how many items to add before pages are measured")
    parser.add_argument("--against", type=Path, help="the folder of another version of the store")
    given = parser.parse_args()
    main(given.items, given.against)
