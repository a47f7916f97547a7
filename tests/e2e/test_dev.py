"""`make dev` in a copy of the tree: the open tab shows each saved file by itself, or the traceback of an error."""

import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from scripts import pages
from scripts.processes import Child, port_is_busy
from tests.support.processes import running
from tests.support.project import copy_pages, copy_project, edit
from tests.support.store import StoreProcess

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PAGE = "store_app/web/catalogue/page.py"
STATE = "store_app/web/catalogue/state.py"
LOADED = "self.has_more, self.loaded ="
RULE = "store_app/catalogue/queries.py"
# On two idle cores none of it takes more than 5 s; a machine that is busy may need longer.
MOST_SECONDS = 30


@dataclass
class Development:
    """A running `make dev`, and a tab with its store page."""

    folder: Path
    command: Child
    tab: Page

    @property
    def heading(self) -> Locator:
        return self.tab.locator("main h1")

    @property
    def cards(self) -> Locator:
        return self.tab.get_by_role("list", name="Items").get_by_test_id("card")

    @property
    def traceback(self) -> Locator:
        return self.tab.get_by_test_id("traceback")

    def save(self, name: str, old: str, new: str) -> None:
        """Save a change of a source."""
        edit(self.folder / name, old, new)

    def mark(self) -> None:
        """Mark the document in the tab: a reload loses the mark."""
        self.tab.evaluate("window.marked = true")

    def is_marked(self) -> bool:
        return bool(self.tab.evaluate("window.marked === true"))


@pytest.fixture(scope="module")
def development(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Development]:
    """Start the command of `make dev` in a copy of the tree, and open the store in a tab."""
    folder = copy_project(tmp_path_factory.mktemp("dev"))
    copy_pages(folder)
    settings = StoreProcess(simulator=True)
    command = [sys.executable, "-m", "scripts.run", "--dev"]
    child = Child("make dev", command, env=settings.env, log=folder / "dev.log", cwd=folder)
    try:
        with running(child, f"{settings.url}/livez"):
            tab = browser.new_page()
            tab.goto(settings.url)
            expect(tab.get_by_test_id("card").first).to_be_visible()
            yield Development(folder, child, tab)
            tab.close()
    finally:
        settings.close()


@contextmanager
def timed(what: str, capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    begin = time.monotonic()
    yield
    with capsys.disabled():
        print(f"\n{what}: {time.monotonic() - begin:.1f} s", end="")


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    expect.set_options(timeout=MOST_SECONDS * 1000)
    yield
    expect.set_options(timeout=10_000)


def test_a_saved_page_shows_in_the_open_tab(development: Development, capsys: pytest.CaptureFixture[str]) -> None:
    development.save(PAGE, '"Games and in-game items"', '"Dragons"')
    with timed("a page", capsys):
        expect(development.heading).to_have_text("Dragons")


def test_a_page_saved_twice_at_once_shows_as_it_was_saved_last(development: Development) -> None:
    development.save(PAGE, 'heading(_("', 'heading(_("More ')
    development.save(PAGE, 'heading(_("More ', 'heading(_("Even more ')
    expect(development.heading).to_have_text(re.compile("^Even more "))


def test_a_rule_shows_without_loading_the_page_again(
    development: Development, capsys: pytest.CaptureFixture[str]
) -> None:
    expect(development.cards.nth(5)).to_be_visible()
    development.mark()
    development.save(RULE, "PAGE_SIZE = 24", "PAGE_SIZE = 4")
    with timed("a rule", capsys):
        expect(development.cards).to_have_count(4)
    assert development.is_marked()


def test_a_saved_state_shows_in_the_open_tab(development: Development, capsys: pytest.CaptureFixture[str]) -> None:
    development.save(STATE, LOADED, f"self.cards = self.cards[:1]\n        {LOADED}")
    with timed("a State", capsys):
        expect(development.cards).to_have_count(1)


def test_a_source_that_cannot_be_imported_shows_its_traceback(
    development: Development, capsys: pytest.CaptureFixture[str]
) -> None:
    development.save(STATE, "import reflex as rx\n", "import reflex as rx\nnot python(\n")
    with timed("a syntax error", capsys):
        expect(development.traceback).to_contain_text("SyntaxError")
    expect(development.traceback).to_contain_text("catalogue/state.py")
    assert "SyntaxError" in development.command.tail()
    development.save(STATE, "not python(\n", "")
    with timed("the page after a syntax error", capsys):
        expect(development.cards.first).to_be_visible()


def test_a_page_that_cannot_be_compiled_shows_its_traceback(development: Development) -> None:
    development.save(PAGE, "_items(),", "no_such_bar(),")
    expect(development.traceback).to_contain_text("NameError: name 'no_such_bar' is not defined")
    development.save(PAGE, "no_such_bar(),", "_items(),")
    expect(development.cards.first).to_be_visible()


def test_an_event_handler_that_fails_shows_its_traceback(
    development: Development, capsys: pytest.CaptureFixture[str]
) -> None:
    development.save(STATE, LOADED, f"no_such_rule()\n        {LOADED}")
    with timed("an exception in an event handler", capsys):
        expect(development.traceback).to_contain_text("NameError: name 'no_such_rule' is not defined")
    assert "NameError" in development.command.tail()
    development.save(STATE, "no_such_rule()\n        ", "")
    expect(development.traceback).to_have_count(0)
    expect(development.cards.first).to_be_visible()


def test_ctrl_c_stops_everything(development: Development) -> None:
    """Last, as nothing runs after it."""
    assert development.command.process is not None
    development.command.process.send_signal(signal.SIGINT)
    assert development.command.wait() == 0
    assert "panicked" not in development.command.output()
    for name in ("PORT", "SIMULATOR_PORT"):
        assert not port_is_busy("127.0.0.1", int(development.command.env[name]))
    assert not pages.are_built(development.folder), "make run would serve pages that reload at once"
