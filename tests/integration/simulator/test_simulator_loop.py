"""The loop of demo players, against a shop that keeps libraries."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from simulator.client import demo_loop, store_client
from simulator.client.demo_loop import DemoLoop
from tests.integration.simulator.conftest import StartSimulator
from tests.integration.simulator.fake_shop import FakeShop
from tests.integration.simulator.fake_store import NO_CERTIFICATES, free_port, served


@pytest.fixture
def store() -> Iterator[FakeShop]:
    shop = FakeShop()
    shop.items = [item for item in shop.items if item["sku"] in {"sword", "potion"}]
    with served(shop.app(), free_port()) as url:
        shop.url = url
        yield shop


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_client, "_MIN_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(demo_loop, "_SETTLE_SECONDS", 0.5)


def run_loop(shop: FakeShop, orders: int) -> bool:
    """Run until so many orders were placed."""

    async def run() -> bool:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        shop.closing_time = orders, lambda: loop.call_soon_threadsafe(stop.set)
        async with httpx.AsyncClient(trust_env=False, verify=NO_CERTIFICATES) as client:
            demo = DemoLoop(client, shop.url, shop.simulator_url)
            return await demo.run(players=2, every=0, stop=stop)

    return asyncio.run(run())


def test_every_paid_order_is_found_once(
    start: StartSimulator, store: FakeShop, capsys: pytest.CaptureFixture[str]
) -> None:
    store.simulator_url = start().url
    assert run_loop(store, 30)
    *lines, summary = capsys.readouterr().out.splitlines()
    assert sum(line.endswith(": paid") for line in lines) == len(store.orders)
    assert summary.endswith(f"{len(store.orders)} paid, 0 differences with the libraries")


def test_a_doubled_grant_is_found(
    start: StartSimulator,
    store: FakeShop,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store.grants = 2
    store.simulator_url = start().url
    assert not run_loop(store, 2)
    assert "DIFFERENT demo" in capsys.readouterr().out
