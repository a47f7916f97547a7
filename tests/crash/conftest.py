"""A database for each test, as the integration tests have it, and a store on it that is made to die."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.crash.crashing_store import Scene
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


@pytest.fixture
def make_scene(shop: Shop, database_url: str, tmp_path: Path) -> Iterator[Callable[[bool], Scene]]:  # noqa: F811
    """Return a function that makes the store's process, not started yet; True: with the simulator."""
    folder = tmp_path / "store"
    folder.mkdir()
    with ExitStack() as stack:

        def make(simulator: bool) -> Scene:
            store = StoreProcess(
                env={"XSOLLA_PROJECT_ID": str(PROJECT), "XSOLLA_WEBHOOK_SECRET": SECRET},
                database_url=database_url,
                simulator=simulator,
                data_dir=folder,
            )
            stack.push(store)
            return stack.enter_context(Scene(store, shop))

        yield make


@pytest.fixture
def scene(make_scene: Callable[[bool], Scene]) -> Scene:
    """Return a store without a payment provider."""
    return make_scene(False)


@pytest.fixture
def scene_with_provider(make_scene: Callable[[bool], Scene]) -> Scene:
    """Return a store with a payment provider, which outlives the store."""
    scene = make_scene(True)
    assert scene.store.simulator is not None
    scene.store.simulator.start().wait_until_answers(scene.store.simulator_url, 60)
    return scene
