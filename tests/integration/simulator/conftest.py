"""A real simulator and a fake store, each on a free port and new for every test."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from simulator.app import create_app
from tests.integration.simulator.driver import Driver, MovableClock, settings_for
from tests.integration.simulator.fake_store import (
    POLL_SECONDS,
    FakeStore,
    free_port,
    native_thread_count,
    served,
)

StartSimulator = Callable[..., Driver]


@pytest.fixture(scope="session", autouse=True)
def wait_for_server_threads() -> Iterator[None]:
    """Wait at the end until the servers' native threads have ended: Python aborts if it exits before them."""
    before = native_thread_count()
    yield
    deadline = time.monotonic() + 1
    while native_thread_count() > before and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


@pytest.fixture
def store() -> Iterator[FakeStore]:
    fake = FakeStore()
    with served(fake.app(), free_port()) as url:
        fake.url = url
        yield fake


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def start(store: FakeStore, clock: MovableClock) -> Iterator[StartSimulator]:
    """Return a function that starts a simulator with some settings changed."""
    with ExitStack() as stack:

        def start_simulator(**changed: object) -> Driver:
            port = free_port()
            app = create_app(settings_for(store.url, port, **changed), clock=clock)
            driver = Driver(stack.enter_context(served(app, port)))
            stack.callback(driver.http.close)
            return driver

        yield start_simulator


@pytest.fixture
def simulator(start: StartSimulator) -> Driver:
    return start()
