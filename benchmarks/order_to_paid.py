"""From a placed order to a paid one, with the simulator beside the store: orders per second, 16 at once.

Each order is placed over the API, paid on the simulator's payment page, and counts when the database says that it
is paid. `python -m benchmarks.order_to_paid --against FOLDER` also measures another version of the store, whose
source is in FOLDER, in turns with this one.
"""

import argparse
import asyncio
import secrets
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
from sqlalchemy import Engine, create_engine, insert, text

from benchmarks.place_orders import SKU
from store_app.accounts.service import token_hash
from store_app.models import User, UserSession, utc_now
from tests.support.postgres import fresh_database, postgres
from tests.support.processes import ROOT
from tests.support.store import StoreProcess

ROUNDS, ORDERS, CONCURRENCY = 5, 160, 16


def _sign_in(engine: Engine, count: int) -> list[str]:
    """Write users with a session each; return the tokens."""
    ids, tokens = [str(uuid4()) for _ in range(count)], [secrets.token_urlsafe() for _ in range(count)]
    users = [{"id": id_, "username": id_[:32], "username_key": id_, "password": ""} for id_ in ids]
    ends = utc_now() + timedelta(days=1)
    sessions = [
        {"token_hash": token_hash(token), "user_id": id_, "expires_at": ends}
        for id_, token in zip(ids, tokens, strict=True)
    ]
    with engine.begin() as connection:
        connection.execute(insert(User), users)
        connection.execute(insert(UserSession), sessions)
    return tokens


def _paid(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM orders WHERE status = 'paid'")).scalar_one())


async def _order_and_pay(client: aiohttp.ClientSession, store: StoreProcess, token: str) -> None:
    wanted = {"items": [{"sku": SKU}]}
    headers = {"Authorization": f"Bearer {token}"}
    async with client.post(f"{store.url}/api/purchases", json=wanted, headers=headers) as response:
        assert response.status == 201, await response.text()
        page = urlsplit((await response.json())["payment_url"])
    async with client.post(
        f"{store.simulator_url}/paystation4/pay?{page.query}", allow_redirects=False
    ) as response:
        assert response.status < 400, await response.text()


async def _order_all(store: StoreProcess, tokens: Sequence[str]) -> None:
    remaining = iter(tokens)

    async def one_by_one(client: aiohttp.ClientSession) -> None:
        for token in remaining:
            await _order_and_pay(client, store, token)

    async with aiohttp.ClientSession() as client:
        await asyncio.gather(*(one_by_one(client) for _ in range(CONCURRENCY)))


def _rate(engine: Engine, store: StoreProcess) -> float:
    """Return how many orders per second were placed and paid."""
    tokens = _sign_in(engine, ORDERS)
    wanted, begin = _paid(engine) + ORDERS, time.perf_counter()
    asyncio.run(_order_all(store, tokens))
    while _paid(engine) < wanted:
        assert time.perf_counter() - begin < 120, "some orders are not paid"
        time.sleep(0.005)
    return ORDERS / (time.perf_counter() - begin)


def _measure(database: str, stores: Mapping[str, StoreProcess]) -> None:
    rates: dict[str, list[float]] = {name: [] for name in stores}
    with ExitStack() as stack:
        engines = {}
        for name, store in stores.items():
            url = store.database_url.replace("postgresql://", "postgresql+psycopg2://")
            engines[name] = create_engine(url)
            stack.callback(engines[name].dispose)
        for _ in range(ROUNDS + 1):
            for name, store in stores.items():
                rates[name].append(_rate(engines[name], store))
    # The first round is a warm-up.
    medians = [f"{name} {statistics.median(measured[1:]):.0f}/s" for name, measured in rates.items()]
    own, *others = (measured[1:] for measured in rates.values())
    ratios = [statistics.median(a / b for a, b in zip(own, other, strict=True)) for other in others]
    print("; ".join([f"  {database}: {medians[0]}", *medians[1:], *(f"ratio {ratio:.2f}" for ratio in ratios)]))


def main(against: Path | None = None) -> None:
    """Measure on SQLite and on PostgreSQL, with one worker each."""
    roots = {"store": ROOT} | ({"other version": against.resolve()} if against else {})
    print(f"{ORDERS} orders per burst, {CONCURRENCY} at once, medians of {ROUNDS}:", flush=True)
    with ExitStack() as stack:
        stores = {
            name: stack.enter_context(StoreProcess(root=root, simulator=True)) for name, root in roots.items()
        }
        _measure("SQLite", stores)
    with postgres(durable=True) as server, ExitStack() as stack:
        stores = {
            name: stack.enter_context(
                StoreProcess(root=root, simulator=True, database_url=fresh_database(server.url))
            )
            for name, root in roots.items()
        }
        _measure("PostgreSQL", stores)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.order_to_paid")
    parser.add_argument("--against", type=Path, help="the folder of another version of the store")
    main(parser.parse_args().against)
