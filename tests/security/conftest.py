"""A real store for the attacks: SQLite, one worker, and the payment simulator beside it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.security.users import Person
from tests.support.processes import ROOT
from tests.support.store import StoreProcess


@pytest.fixture(scope="package")
def shop() -> Iterator[StoreProcess]:
    """Return a running store."""
    with StoreProcess(simulator=True) as store:
        yield store


@pytest.fixture
def anna(shop: StoreProcess) -> Person:
    """Return the victim."""
    return Person(shop)


@pytest.fixture
def mallory(shop: StoreProcess) -> Person:
    """Return another player, who means ill."""
    return Person(shop)


@pytest.fixture(scope="package")
def inventory(shop: StoreProcess) -> dict[str, Any]:
    """Return every event handler and every var that is sent to browsers."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.security.inventory"],
        cwd=ROOT,
        env=shop.env | {"REFLEX_SKIP_COMPILE": "true", "REFLEX_BACKEND_ONLY": "true", "REFLEX_ENV_MODE": "prod"},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def anyio_backend() -> str:
    """Run the asynchronous tests on asyncio."""
    return "asyncio"


@pytest.fixture(autouse=True)
def shown_log(shop: StoreProcess) -> Iterator[None]:
    """Print what the store logged during a test, where pytest shows it beside a failure."""
    begin = len(shop.log())
    yield
    print(shop.log()[begin:][-20_000:], file=sys.stderr)
