"""A real simulator and a scripted store, each on a free port, new for every test."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from simulator.app import create_app
from tests.integration.simulator.driver import Driver, MovableClock, settings_for
from tests.integration.simulator.fake_store import FakeStore, free_port, native_threads, served

StartSimulator = Callable[..., Driver]


@pytest.fixture(scope="session", autouse=True)
def servers_are_gone_before_python() -> Iterator[None]:
    """Wait at the end for the servers' native threads: Python aborts when it is gone before them."""
    before = native_threads()
    yield
    give_up_at = time.monotonic() + 1
    while native_threads() > before and time.monotonic() < give_up_at:
        time.sleep(0.005)


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
    """Start a simulator with some settings changed."""
    with ExitStack() as stack:

        def start_one(**changed: object) -> Driver:
            port = free_port()
            app = create_app(settings_for(store.url, port, **changed), clock=clock)
            driver = Driver(stack.enter_context(served(app, port)))
            stack.callback(driver.http.close)
            return driver

        yield start_one


@pytest.fixture
def simulator(start: StartSimulator) -> Driver:
    return start()
