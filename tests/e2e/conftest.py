"""Fixtures of the end-to-end tests: a store, a browser and users; and the evidence that a failed test leaves."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.e2e.user import User
from tests.support.browser import launch_options
from tests.support.postgres import fresh_database, postgres
from tests.support.processes import ROOT
from tests.support.redis import redis_server
from tests.support.store import StoreProcess

RESULTS = ROOT / "test-results"
# Errors in the console when a test cuts the connection or stops the store.
LOST_CONNECTION = re.compile(
    r"ws://localhost:1/|ERR_INTERNET_DISCONNECTED|ERR_CONNECTION|WebSocket connection|503"
)
# The store fixtures for tests of live updates.
BOTH_SHAPES = ["small_store", pytest.param("grown_store", marks=[pytest.mark.postgres, pytest.mark.redis])]
NewUser = Callable[[], User]
_failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Note on the test that it failed, for its fixtures."""
    report = yield
    if report.failed:
        item.stash[_failed] = True
    return report


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Return a Chromium."""
    expect.set_options(timeout=10_000)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(**launch_options())
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def small_store() -> Iterator[StoreProcess]:
    """Return the default shape: SQLite, one worker."""
    with StoreProcess(simulator=True) as store:
        yield store


@pytest.fixture(scope="package")
def grown_store() -> Iterator[StoreProcess]:
    """Return the grown shape: PostgreSQL, Redis, three workers."""
    with ExitStack() as servers:
        database = fresh_database(servers.enter_context(postgres()).url)
        redis = servers.enter_context(redis_server())
        store = StoreProcess(simulator=True, database_url=database, redis_url=redis.url, workers=3)
        yield servers.enter_context(store)


@pytest.fixture
def store(small_store: StoreProcess) -> StoreProcess:
    """Return the store of a test. Tests of live updates override it, to run with both shapes."""
    return small_store


@pytest.fixture
def new_user(browser: Browser, store: StoreProcess, request: pytest.FixtureRequest) -> Iterator[NewUser]:
    """Return a function that makes another user, with a browser context of its own."""
    users: list[User] = []
    log_begins = len(store.log())

    def make() -> User:
        user = User(store, browser.new_context())
        user.context.set_default_timeout(10_000)
        user.context.tracing.start(snapshots=True)
        users.append(user)
        return user

    yield make
    if request.node.stash.get(_failed, False):
        _save_evidence(_folder(request.node.nodeid), users, store.log()[log_begins:])
    for user in users:
        user.context.close()
    errors = [error for user in users for error in _unexpected(user)]
    assert not errors, f"errors in the browser's console: {errors}"


@pytest.fixture
def user(new_user: NewUser) -> User:
    """Return a user who is signed out."""
    return new_user()


def _unexpected(user: User) -> Iterator[str]:
    for error in user.errors:
        if not (user.may_lose_connection and LOST_CONNECTION.search(error)):
            yield error


def _folder(nodeid: str) -> Path:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", nodeid.removeprefix("tests/e2e/")).strip("-")
    folder = RESULTS / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _save_evidence(folder: Path, users: list[User], log: str) -> None:
    (folder / "store.log").write_text(log, encoding="utf-8")
    for number, user in enumerate(users, start=1):
        for tab, page in enumerate(user.context.pages, start=1):
            page.screenshot(path=folder / f"user-{number}-tab-{tab}.png")
        user.context.tracing.stop(path=folder / f"user-{number}-trace.zip")
        (folder / f"user-{number}-console.txt").write_text("\n".join(user.errors), encoding="utf-8")
