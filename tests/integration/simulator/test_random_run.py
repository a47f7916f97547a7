"""The random run of all scenarios, with stores that keep all rules or not."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from simulator.client import random_run
from simulator.client.random_run import RandomRun, RunOptions
from simulator.scenarios import Scenario
from tests.integration.simulator.conftest import StartSimulator
from tests.integration.simulator.fake_store import NO_CERTIFICATES, free_port, served
from tests.integration.simulator.rule_keeping_store import RuleKeepingStore

FASTEST = 10_000_000.0


@pytest.fixture
def store() -> Iterator[RuleKeepingStore]:
    fake = RuleKeepingStore()
    fake.items = [item for item in fake.items if item["sku"] in {"sword", "potion", "badge"}]
    with served(fake.app(), free_port()) as url:
        fake.url = url
        yield fake


@pytest.fixture(autouse=True)
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random_run, "_COMPARE_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(random_run, "_RECONCILIATION_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(random_run, "_COMPARE_INTERVAL_SECONDS", 0.01)


def run(store: RuleKeepingStore, *, orders: int, with_reconciliation: bool = False) -> bool:
    async def run_with_client() -> bool:
        options = RunOptions(
            seed=7, orders=orders, users=3, speed=FASTEST, with_reconciliation=with_reconciliation
        )
        async with httpx.AsyncClient(trust_env=False, verify=NO_CERTIFICATES, timeout=30) as client:
            return await RandomRun(client, store.url, store.simulator_url, options).run()

    return asyncio.run(run_with_client())


def test_a_store_that_keeps_the_rules_has_no_differences(
    start: StartSimulator, store: RuleKeepingStore, capsys: pytest.CaptureFixture[str]
) -> None:
    store.simulator_url = start().url
    orders = len(Scenario) + 9
    succeeded = run(store, orders=orders)
    output = capsys.readouterr().out
    assert succeeded, output
    assert all(f"\n{scenario.value} " in output for scenario in Scenario)
    assert output.endswith(f"Seed 7: {orders} orders, 0 differences between simulator and store\n")
    assert len(set(store.idempotency_keys)) == len(store.store_orders), "each order has its own idempotency key"


@pytest.mark.parametrize(
    ("disabled_rule", "difference"),
    [
        ("signature", "DIFFERENCE bad-signature"),
        ("amount", "DIFFERENCE wrong-amount"),
    ],
)
def test_a_store_that_does_not_keep_a_rule_has_differences(
    start: StartSimulator,
    store: RuleKeepingStore,
    capsys: pytest.CaptureFixture[str],
    disabled_rule: str,
    difference: str,
) -> None:
    store.disabled_rules = {disabled_rule}
    store.simulator_url = start().url
    assert not run(store, orders=len(Scenario))
    output = capsys.readouterr().out
    assert difference in output
    assert "the status should be pending, but is paid" in output


def test_a_store_that_does_not_reconcile_has_differences(
    start: StartSimulator, store: RuleKeepingStore, capsys: pytest.CaptureFixture[str]
) -> None:
    store.simulator_url = start().url
    assert not run(store, orders=len(Scenario), with_reconciliation=True)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("DIFFERENCE")]
    assert {line.split()[1] for line in lines} == {"drop-all"}
