"""A deployment while people have the store open: their tabs change to the new pages when they navigate."""

import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page, expect

from scripts import pages
from tests.support.project import copy_pages, copy_project, edit
from tests.support.store import StoreProcess

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LOGIN_PAGE = "store_app/web/accounts/page.py"
FORM_STATE = "store_app/web/accounts/state.py"
STORE_PAGE = "store_app/web/catalogue/page.py"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    """Return a store that runs from a copy of the tree."""
    folder = copy_project(tmp_path_factory.mktemp("deployed"))
    copy_pages(folder)
    shop = StoreProcess(root=folder)
    with shop:
        yield shop


def _deploy(shop: StoreProcess, *tabs: Page) -> None:
    """Build the pages anew, start the store again, and wait until the tabs have heard of it."""
    assert pages.build(shop.store.cwd)
    shop.stop()
    with ExitStack() as stack:
        answers = [stack.enter_context(tab.expect_response("**/build.json")) for tab in tabs]
        shop.start_store()
    for answer in answers:
        answer.value.finished()


@pytest.fixture
def tabs(browser: Browser, shop: StoreProcess) -> Iterator[tuple[Page, Page]]:
    """Return a tab with a half-filled form and one with the store page, each marked until it loads a page."""
    filling, browsing = browser.new_page(), browser.new_page()
    filling.goto(f"{shop.url}/register")
    filling.get_by_label("User name").fill("half-filled")
    browsing.goto(shop.url)
    expect(browsing.get_by_test_id("card").first).to_be_visible()
    for tab in (filling, browsing):
        tab.evaluate("window.marked = true")
    yield filling, browsing
    filling.close()
    browsing.close()


def test_a_tab_keeps_its_form_and_loads_the_new_pages_when_it_navigates(
    shop: StoreProcess, tabs: tuple[Page, Page]
) -> None:
    filling, browsing = tabs
    edit(shop.store.cwd / LOGIN_PAGE, '_form_page(\n        _("Sign in")', '_form_page(\n        _("Come in")')
    edit(shop.store.cwd / STORE_PAGE, '"Games and in-game items"', '"Dragons"')
    _deploy(shop, *tabs)

    expect(filling.get_by_label("User name")).to_have_value("half-filled")
    assert filling.evaluate("window.marked")
    filling.locator("main").get_by_role("link", name="Sign in").click()
    expect(filling.locator("main h1")).to_have_text("Come in")
    assert not filling.evaluate("window.marked")

    assert browsing.evaluate("window.marked")
    browsing.get_by_role("searchbox").fill("sword")
    browsing.get_by_role("searchbox").press("Enter")
    expect(browsing.locator("main h1")).to_have_text("Dragons")
    assert browsing.url.endswith("?q=sword")
    assert not browsing.evaluate("window.marked")


def test_a_tab_keeps_its_form_when_the_states_changed_too_and_offers_the_new_version(
    shop: StoreProcess, tabs: tuple[Page, Page]
) -> None:
    edit(
        shop.store.cwd / FORM_STATE,
        '    username: str = ""',
        '    username: str = ""\n    greeting: str = "Hello"',
    )
    _deploy(shop, *tabs)
    for tab in tabs:
        expect(tab.get_by_text("There is a new version of this page.")).to_be_visible()
        assert tab.evaluate("window.marked")
    filling = tabs[0]
    expect(filling.get_by_label("User name")).to_have_value("half-filled")
    filling.get_by_role("button", name="Reload").click()
    expect(filling.get_by_text("There is a new version of this page.")).to_be_hidden()


def test_browsers_ask_for_pages_anew_and_keep_what_has_its_hash_in_its_name(
    shop: StoreProcess, tabs: tuple[Page, Page]
) -> None:
    answer = tabs[0].request.get(shop.url)
    assert answer.headers["cache-control"] == "no-cache"
    script = re.search(r"/assets/[^\"]+\.js", answer.text())
    assert script
    assert "immutable" in tabs[0].request.get(shop.url + script.group()).headers["cache-control"]
