"""A real store for the attacks: SQLite, one worker, and the payment simulator."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.security.users import SignedInUser
from tests.support.processes import ROOT
from tests.support.store import StoreProcess


@pytest.fixture(scope="package")
def store() -> Iterator[StoreProcess]:
    """Return a running store."""
    with StoreProcess(simulator=True) as store:
        yield store


@pytest.fixture
def anna(store: StoreProcess) -> SignedInUser:
    """Return the victim."""
    return SignedInUser(store)


@pytest.fixture
def mallory(store: StoreProcess) -> SignedInUser:
    """Return another user: the attacker."""
    return SignedInUser(store)


@pytest.fixture(scope="package")
def inventory(store: StoreProcess) -> dict[str, Any]:
    """Return every event handler and every var that is sent to browsers."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.security.inventory"],
        cwd=ROOT,
        env=store.env | {"REFLEX_SKIP_COMPILE": "true", "REFLEX_BACKEND_ONLY": "true", "REFLEX_ENV_MODE": "prod"},
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
def shown_log(store: StoreProcess) -> Iterator[None]:
    """Print what the store logged during a test, so that pytest shows it with a failure."""
    begin = len(store.log())
    yield
    print(store.log()[begin:][-20_000:], file=sys.stderr)
