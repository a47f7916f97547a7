"""The loop of demo users, with a store that has libraries."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from simulator.client import demo_loop, store_client
from simulator.client.demo_loop import DemoLoop
from tests.integration.simulator.conftest import StartSimulator
from tests.integration.simulator.fake_store import NO_CERTIFICATES, free_port, served
from tests.integration.simulator.granting_store import GrantingStore


@pytest.fixture
def store() -> Iterator[GrantingStore]:
    fake = GrantingStore()
    fake.items = [item for item in fake.items if item["sku"] in {"sword", "potion"}]
    with served(fake.app(), free_port()) as url:
        fake.url = url
        yield fake


@pytest.fixture(autouse=True)
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_client, "_MIN_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(demo_loop, "_COMPARE_TIMEOUT_SECONDS", 0.5)


def run_loop(store: GrantingStore, orders: int) -> bool:
    """Run the loop until a number of orders was placed."""

    async def run() -> bool:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        store.on_order_count = orders, lambda: loop.call_soon_threadsafe(stop.set)
        async with httpx.AsyncClient(trust_env=False, verify=NO_CERTIFICATES) as client:
            demo = DemoLoop(client, store.url, store.simulator_url)
            return await demo.run(users=2, interval_seconds=0, stop=stop)

    return asyncio.run(run())


def test_each_paid_order_is_in_the_library_once(
    start: StartSimulator, store: GrantingStore, capsys: pytest.CaptureFixture[str]
) -> None:
    store.simulator_url = start().url
    assert run_loop(store, 30)
    *lines, summary = capsys.readouterr().out.splitlines()
    assert sum(line.endswith(": paid") for line in lines) == len(store.orders)
    assert summary.endswith(f"{len(store.orders)} paid, 0 differences with the libraries")


def test_an_order_granted_twice_is_a_difference(
    start: StartSimulator, store: GrantingStore, capsys: pytest.CaptureFixture[str]
) -> None:
    store.grants = 2
    store.simulator_url = start().url
    assert not run_loop(store, 2)
    assert "DIFFERENCE demo" in capsys.readouterr().out
