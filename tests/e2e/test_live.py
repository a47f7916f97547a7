"""What a tab does without a connection: it shows a banner, and shows the current data when it reconnects."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import BOTH_SHAPES, NewUser
from tests.e2e.user import User, notice, owned_names, settled, status
from tests.support.store import StoreProcess

pytestmark = pytest.mark.browser
BANNER = "Reconnecting. What you see may be out of date."
# What would reveal the address of the server.
ADDRESS = re.compile(r"wss?:|https?:|localhost|127\.0\.0\.1|:\d{4,5}|websocket", re.IGNORECASE)


@pytest.fixture(params=BOTH_SHAPES)
def store(request: pytest.FixtureRequest) -> object:
    """Return the store in both shapes."""
    return request.getfixturevalue(request.param)


# Lets a test cut the connection of a page: open websockets are closed, and new ones cannot connect.
CUTTABLE_WEBSOCKETS = """
window.isCut = false; window.sockets = [];
window.WebSocket = class extends WebSocket {
  constructor(url, protocols) {
    super(window.isCut ? String(url).replace(/:[0-9]+/, ":1") : url, protocols);
    window.sockets.push(this);
  }
};
"""


def _open_with_cuttable_websockets(user: User, *paths: str) -> list[Page]:
    user.may_lose_connection = True
    user.context.add_init_script(CUTTABLE_WEBSOCKETS)
    return [user.open(path) for path in paths]


def _cut(*tabs: Page) -> None:
    for tab in tabs:
        tab.evaluate("window.isCut = true; window.sockets.forEach(socket => socket.close())")


def _restore(*tabs: Page) -> None:
    for tab in tabs:
        tab.evaluate("window.isCut = false")


def _shows_the_banner(page: Page) -> None:
    banner = page.get_by_role("status").filter(has_text=BANNER)
    expect(banner).to_be_visible()
    assert not ADDRESS.search(page.locator("body").inner_text())


def _shows_no_banner(page: Page) -> None:
    expect(page.get_by_text(BANNER)).to_have_count(0)


def test_tabs_that_lost_their_connection_show_the_current_data_afterwards(user: User) -> None:
    order_id = user.sign_up().order(dragon_sword=1)
    tabs = _open_with_cuttable_websockets(user, f"/orders/{order_id}", "/library", "/item/dragon-sword")
    order, library, item = tabs
    _cut(*tabs)
    for tab in tabs:
        _shows_the_banner(tab)
    user.pays(order_id)
    # Nothing can be sent to the tabs.
    expect(status(order)).to_have_attribute("data-status", "pending")
    expect(owned_names(library)).to_have_count(0)

    _restore(*tabs)
    for tab in tabs:
        _shows_no_banner(tab)
    expect(status(order)).to_have_attribute("data-status", "paid")
    expect(owned_names(library)).to_have_text(["Dragon Sword"])
    expect(item.get_by_test_id("owned")).to_be_visible()


def test_tabs_of_a_browser_without_network_show_the_current_data_afterwards(user: User, new_user: NewUser) -> None:
    """The connection is not closed but silent: neither side notices, and what was sent arrives later."""
    order_id = user.sign_up().order(dragon_sword=1)
    order, library = user.open(f"/orders/{order_id}"), user.open("/library")
    user.may_lose_connection = True
    user.context.set_offline(True)
    new_user().pays(order_id)
    user.context.set_offline(False)
    expect(status(order)).to_have_attribute("data-status", "paid")
    expect(owned_names(library)).to_have_text(["Dragon Sword"])


def test_tabs_continue_after_a_restart_of_the_store(user: User, store: StoreProcess) -> None:
    order_id = user.sign_up().order(dragon_sword=1)
    order, library = _open_with_cuttable_websockets(user, f"/orders/{order_id}", "/library")
    store.stop()
    for tab in (order, library):
        _shows_the_banner(tab)
    _cut(order, library)
    store.start_store()
    user.pays(order_id)
    _restore(order, library)
    expect(status(order)).to_have_attribute("data-status", "paid")
    expect(owned_names(library)).to_have_text(["Dragon Sword"])
    # Live updates work again, without a reload.
    user.pays(user.order(magic_shield=1))
    expect(owned_names(library)).to_have_text(["Magic Shield", "Dragon Sword"])
    expect(notice(library)).to_have_text("Magic Shield was added to your library.")


def test_each_page_is_refreshed_while_a_user_goes_from_page_to_page(user: User) -> None:
    page = user.sign_up().open("/")
    store, library = ("Game Store", "Games and in-game items"), ("Library", "Your library")
    for sku, (link, heading) in (("dragon_sword", library), ("magic_shield", store), ("wizard_hat", library)):
        page.get_by_role("navigation").get_by_role("link", name=link).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        settled(page)
        name = sku.replace("_", " ").title()
        user.pays(user.order(**{sku: 1}))
        expect(notice(page)).to_have_text(f"{name} was added to your library.")
    expect(owned_names(page)).to_have_text(["Wizard Hat", "Magic Shield", "Dragon Sword"])


FROM_PAYMENT_PAGE = "?user_id=1&invoice_id=2&status=done"


def test_the_address_of_an_order_is_clean_after_the_return_from_the_payment_page(user: User) -> None:
    """The page knows that the user returned, also when it connects again, and not after it is loaded again."""
    order_id = user.sign_up().order(dragon_sword=1)
    (page,) = _open_with_cuttable_websockets(user, "/library")
    plain, heading = f"{user.store.url}/orders/{order_id}", page.get_by_role("heading", level=1)
    loaded: list[str] = []
    page.on("load", lambda tab: loaded.append(tab.url))
    user.open(f"/orders/{order_id}{FROM_PAYMENT_PAGE}", page)
    expect(heading).to_have_text("Checking your payment")
    expect(page).to_have_url(plain)
    _cut(page)
    _shows_the_banner(page)
    user.context.request.post(f"{user.store.url}/cart/add", form={"sku": "health-potion"}, max_redirects=0)
    _restore(page)
    _shows_no_banner(page)
    # Only a page that loads its data again knows of the cart; what it showed before is gone by then.
    expect(page.get_by_test_id("cart-count")).to_have_text("1 item")
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_role("button", name="Check now")).not_to_have_attribute("aria-busy", "true")
    expect(heading).to_have_text("Checking your payment")
    assert len(loaded) == 1

    page.reload()
    expect(heading).to_have_text("Complete your payment")
    page.go_back()
    expect(page).to_have_url(f"{user.store.url}/library")
    user.open(f"/de/orders/{order_id}{FROM_PAYMENT_PAGE}", page)
    expect(heading).to_have_text("Deine Zahlung wird geprüft")
    expect(page).to_have_url(f"{user.store.url}/de/orders/{order_id}")
