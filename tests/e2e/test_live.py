"""What happens while a tab is away: it says so in words, and catches up when it is back."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import BOTH_SHAPES, NewUser
from tests.e2e.user import User, notice, owned_names, settled, status
from tests.support.store import StoreProcess

pytestmark = pytest.mark.browser
AWAY = "Reconnecting. What you see may be out of date."
# What would tell where the server is.
ADDRESS = re.compile(r"wss?:|https?:|localhost|127\.0\.0\.1|:\d{4,5}|websocket", re.IGNORECASE)


@pytest.fixture(params=BOTH_SHAPES)
def store(request: pytest.FixtureRequest) -> object:
    """Return the store in both shapes."""
    return request.getfixturevalue(request.param)


# Sockets of a page as they are with a line that can be cut: open ones end, new ones find nobody.
LINE = """
window.lineIsCut = false; window.sockets = [];
window.WebSocket = class extends WebSocket {
  constructor(url, protocols) {
    super(window.lineIsCut ? String(url).replace(/:[0-9]+/, ":1") : url, protocols);
    window.sockets.push(this);
  }
};
"""


def _open_with_line(user: User, *paths: str) -> list[Page]:
    user.may_lose_connection = True
    user.context.add_init_script(LINE)
    return [user.open(path) for path in paths]


def _cut(*tabs: Page) -> None:
    for tab in tabs:
        tab.evaluate("window.lineIsCut = true; window.sockets.forEach(socket => socket.close())")


def _mend(*tabs: Page) -> None:
    for tab in tabs:
        tab.evaluate("window.lineIsCut = false")


def _says_that_it_is_away(page: Page) -> None:
    banner = page.get_by_role("status").filter(has_text=AWAY)
    expect(banner).to_be_visible()
    assert not ADDRESS.search(page.locator("body").inner_text())


def _is_back(page: Page) -> None:
    expect(page.get_by_text(AWAY)).to_have_count(0)


def test_tabs_that_were_cut_off_catch_up(user: User) -> None:
    order_id = user.sign_up().order(dragon_sword=1)
    tabs = _open_with_line(user, f"/orders/{order_id}", "/library", "/item/dragon-sword")
    order, library, item = tabs
    _cut(*tabs)
    for tab in tabs:
        _says_that_it_is_away(tab)
    user.pays(order_id)
    # Nothing can have reached them.
    expect(status(order)).to_have_attribute("data-status", "pending")
    expect(owned_names(library)).to_have_count(0)

    _mend(*tabs)
    for tab in tabs:
        _is_back(tab)
    expect(status(order)).to_have_attribute("data-status", "paid")
    expect(owned_names(library)).to_have_text(["Dragon Sword"])
    expect(item.get_by_test_id("owned")).to_be_visible()


def test_tabs_of_a_browser_without_network_catch_up(user: User, new_user: NewUser) -> None:
    """The line is not cut but silent: nobody hears of it, and what was sent waits on the way."""
    order_id = user.sign_up().order(dragon_sword=1)
    order, library = user.open(f"/orders/{order_id}"), user.open("/library")
    user.may_lose_connection = True
    user.context.set_offline(True)
    new_user().pays(order_id)
    user.context.set_offline(False)
    expect(status(order)).to_have_attribute("data-status", "paid")
    expect(owned_names(library)).to_have_text(["Dragon Sword"])


def test_tabs_outlive_a_restart_of_the_store(user: User, store: StoreProcess) -> None:
    order_id = user.sign_up().order(dragon_sword=1)
    order, library = _open_with_line(user, f"/orders/{order_id}", "/library")
    store.stop()
    for tab in (order, library):
        _says_that_it_is_away(tab)
    _cut(order, library)
    store.start_store()
    user.pays(order_id)
    _mend(order, library)
    expect(status(order)).to_have_attribute("data-status", "paid")
    expect(owned_names(library)).to_have_text(["Dragon Sword"])
    # And live again, with no reload in between.
    user.pays(user.order(magic_shield=1))
    expect(owned_names(library)).to_have_text(["Magic Shield", "Dragon Sword"])
    expect(notice(library)).to_have_text("Magic Shield was added to your library.")


def test_a_tab_that_was_left_open_moves_with_its_reader(user: User) -> None:
    """Going from page to page in one tab: each page is live, whichever was there before."""
    page = user.sign_up().open("/")
    for sku, path in (("dragon_sword", "/library"), ("magic_shield", "/"), ("wizard_hat", "/library")):
        page.get_by_role("navigation").get_by_role("link", name="Library" if path != "/" else "Game Store").click()
        settled(page)
        name = sku.replace("_", " ").title()
        user.pays(user.order(**{sku: 1}))
        expect(notice(page)).to_have_text(f"{name} was added to your library.")
    expect(owned_names(page)).to_have_text(["Wizard Hat", "Magic Shield", "Dragon Sword"])
