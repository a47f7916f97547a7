"""A database for each test, as the integration tests have it, and a store on it that can be killed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.crash.crashing_store import CrashingStore
from tests.integration.conftest import (  # noqa: F401 - pytest finds fixtures by their names here
    database_url,
    dialect,
    postgres_template,
    postgres_url,
    shop,
    sqlite_template,
)
from tests.integration.shop import PROJECT, SECRET, Shop
from tests.support.store import StoreProcess

SECONDS_TO_START = 60


@pytest.fixture
def make_store(
    shop: Shop,  # noqa: F811
    database_url: str,  # noqa: F811
    tmp_path: Path,
) -> Iterator[Callable[[bool], CrashingStore]]:
    """Return a function that makes a store which is not started yet; True: with the simulator."""
    folder = tmp_path / "store"
    folder.mkdir()
    with ExitStack() as stack:

        def make(simulator: bool) -> CrashingStore:
            process = StoreProcess(
                env={"XSOLLA_PROJECT_ID": str(PROJECT), "XSOLLA_WEBHOOK_SECRET": SECRET},
                database_url=database_url,
                simulator=simulator,
                data_dir=folder,
            )
            stack.push(process)
            return stack.enter_context(CrashingStore(process, shop))

        yield make


@pytest.fixture
def store(make_store: Callable[[bool], CrashingStore]) -> CrashingStore:
    """Return a store without a payment provider."""
    return make_store(False)


@pytest.fixture
def store_with_provider(make_store: Callable[[bool], CrashingStore]) -> CrashingStore:
    """Return a store with a payment provider, which keeps running when the store dies."""
    store = make_store(True)
    simulator = store.process.simulator
    assert simulator is not None
    simulator.start().wait_until_answers(store.process.simulator_url, SECONDS_TO_START)
    return store
