"""The mix of all scenarios, against a shop that keeps the rules, and against careless ones."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from simulator.client import random_run
from simulator.client.random_run import Mix, Options
from simulator.scenarios import Scenario
from tests.integration.simulator.conftest import StartSimulator
from tests.integration.simulator.fake_judge import FakeJudge
from tests.integration.simulator.fake_store import NO_CERTIFICATES, free_port, served

FASTEST = 10_000_000.0


@pytest.fixture
def store() -> Iterator[FakeJudge]:
    apply = FakeJudge()
    apply.items = [item for item in apply.items if item["sku"] in {"sword", "potion", "badge"}]
    with served(apply.app(), free_port()) as url:
        apply.url = url
        yield apply


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random_run, "_SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(random_run, "_REPAIR_SECONDS", 0.2)
    monkeypatch.setattr(random_run, "_LOOK_AGAIN_SECONDS", 0.01)


def run_mix(apply: FakeJudge, *, orders: int, with_repair: bool = False) -> bool:
    async def run() -> bool:
        options = Options(seed=7, orders=orders, players=3, speed=FASTEST, with_repair=with_repair)
        async with httpx.AsyncClient(trust_env=False, verify=NO_CERTIFICATES, timeout=30) as client:
            return await Mix(client, apply.url, apply.simulator_url, options).run()

    return asyncio.run(run())


def test_every_scenario_agrees_with_a_shop_that_keeps_the_rules(
    start: StartSimulator, store: FakeJudge, capsys: pytest.CaptureFixture[str]
) -> None:
    store.simulator_url = start().url
    agreed = run_mix(store, orders=len(Scenario) + 9)
    output = capsys.readouterr().out
    assert agreed, output
    assert all(f"\n{scenario.value} " in output for scenario in Scenario)
    assert output.endswith(f"Seed 7: {len(Scenario) + 9} orders, 0 differences between the books and the store\n")
    assert len(set(store.keys)) == len(store.cases), "each order has an idempotency key of its own"


@pytest.mark.parametrize(
    ("careless", "found"),
    [
        ("signature", "DIFFERENT bad-signature"),
        ("amount", "DIFFERENT wrong-amount"),
    ],
)
def test_a_careless_shop_is_found_out(
    start: StartSimulator, store: FakeJudge, capsys: pytest.CaptureFixture[str], careless: str, found: str
) -> None:
    store.careless = {careless}
    store.simulator_url = start().url
    assert not run_mix(store, orders=len(Scenario))
    output = capsys.readouterr().out
    assert found in output
    assert "the books imply pending, the store says paid" in output


def test_without_its_repair_a_shop_is_found_out(
    start: StartSimulator, store: FakeJudge, capsys: pytest.CaptureFixture[str]
) -> None:
    store.simulator_url = start().url
    assert not run_mix(store, orders=len(Scenario), with_repair=True)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("DIFFERENT")]
    assert {line.split()[1] for line in lines} == {"drop-all"}
