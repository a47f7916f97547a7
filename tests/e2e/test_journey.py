"""The journey of a new user: browse, sign up, buy, and see the purchase in every open tab."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import BOTH_SHAPES, NewUser
from tests.e2e.user import PASSWORD, User, click, notice, on_payment_page, owned_names, settled, status

pytestmark = pytest.mark.browser


@pytest.fixture(params=BOTH_SHAPES)
def store(request: pytest.FixtureRequest) -> object:
    """Return the store in both shapes."""
    return request.getfixturevalue(request.param)


def _register(page: Page, name: str) -> None:
    expect(page).to_have_url(re.compile(r"/login\?next="))
    click(page, "Create an account", "link")
    # The previous page has fields of the same names.
    expect(page.get_by_role("heading", level=1)).to_have_text("Create an account")
    expect(page).to_have_url(re.compile(r"/register\?next="))
    settled(page)
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    click(page, "Create account")


def _pay(page: Page) -> None:
    page.bring_to_front()
    expect(page.get_by_text("Dragon Sword")).to_be_visible()
    click(page, re.compile("^Pay "))


def test_a_purchase_appears_in_every_open_tab_of_the_user_and_in_no_other(user: User, new_user: NewUser) -> None:
    page = user.open("/")
    page.get_by_role("list", name="Items").get_by_role("link", name="Dragon Sword").click()
    expect(page.get_by_test_id("price")).to_have_text("$999.99")
    click(page, "Buy now")
    expect(page.get_by_test_id("next")).to_have_text("Next: Dragon Sword, $999.99")
    _register(page, user.name)
    # What was begun before goes on.
    on_payment_page(page)

    library, item = user.open("/library"), user.open("/item/magic-shield")
    expect(library.get_by_test_id("account")).to_contain_text(user.name)
    expect(library.get_by_text("Nothing here yet")).to_be_visible()
    other = new_user().sign_up()
    other_library, other_store_page = other.open("/library"), other.open("/")
    for tab in (library, item, other_library, other_store_page):
        tab.evaluate("window.neverReloaded = true")

    _pay(page)
    page.wait_for_url("**/orders/*")
    expect(status(page)).to_have_attribute("data-status", "paid")
    expect(page.get_by_role("heading", level=1)).to_have_text("It is in your library")
    expect(owned_names(library)).to_have_text(["Dragon Sword"])
    for tab in (library, item):
        expect(notice(tab)).to_have_text("Dragon Sword was added to your library.")
        assert tab.evaluate("window.neverReloaded")

    _receipt(page)
    page = user.open("/item/dragon-sword")
    expect(page.get_by_test_id("owned")).to_be_visible()
    expect(page.get_by_role("button", name="Buy now")).to_have_count(0)
    click(page, "Open in library", "link")
    expect(owned_names(page)).to_have_text(["Dragon Sword"])
    # What was sent later through the same workers has arrived, so this would have arrived too.
    expect(other_library.get_by_text("Nothing here yet")).to_be_visible()
    for tab in (other_library, other_store_page):
        expect(notice(tab)).to_have_count(0)
    # These tabs do receive the messages of their own user, and have received nothing else.
    other.pays(other.order(health_potion=1))
    expect(owned_names(other_library)).to_have_text(["Health Potion"])
    for tab in (other_library, other_store_page):
        expect(notice(tab)).to_have_text("Health Potion was added to your library.")
        assert tab.evaluate("window.neverReloaded")
    expect(owned_names(library)).to_have_text(["Dragon Sword"])


def _receipt(page: Page) -> None:
    expect(page.get_by_role("heading", level=2, name=re.compile(r"^Receipt \w{4}-\w{4}$"))).to_be_visible()
    # The simulator adds a sales tax of 8.88 %, as the payment page showed.
    expect(page.get_by_test_id("tax")).to_have_text("$88.80")
    expect(page.get_by_test_id("paid")).to_have_text("$1,088.79")
    expect(page.get_by_test_id("receipt-facts")).to_contain_text("Northlight Games")
    expect(page.get_by_test_id("receipt-facts")).to_contain_text(re.compile(r"Transaction\d+"))
    expect(page.get_by_role("list").filter(has_text="Order placed")).to_contain_text("Payment confirmed by Xsolla")
    expect(page.get_by_role("button", name="Print receipt")).to_be_visible()
    assert page.get_by_role("button", name=re.compile("Pay|Try again|Cancel")).count() == 0
