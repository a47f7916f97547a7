"""What a page shows while it waits for the store, and where the focus goes after a navigation."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from tests.e2e.user import User
from tests.support.store import StoreProcess

pytestmark = pytest.mark.browser


@contextmanager
def _frozen(store: StoreProcess) -> Iterator[None]:
    os.killpg(store.store.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(store.store.pid, signal.SIGCONT)


def test_a_pressed_button_is_busy_at_once_and_a_store_that_does_not_answer_is_told(user: User) -> None:
    page = user.sign_up().open("/item/dragon-sword")
    button = page.get_by_role("button", name="Add to cart")
    with _frozen(user.store):
        button.click()
        expect(button).to_have_attribute("aria-busy", "true", timeout=1_000)
        expect(page.get_by_text("This is taking longer than usual.")).to_be_visible()
    expect(page.get_by_text("The store is responding again.")).to_be_visible()
    expect(page.get_by_text("This is taking longer than usual.")).to_be_hidden()
    expect(page.get_by_role("main").get_by_role("link", name="View cart")).to_be_visible()
    expect(page.get_by_text("Dragon Sword was added to your cart.")).to_be_visible()
    expect(page.get_by_text("The store is responding again.")).to_be_hidden()


def test_after_a_navigation_the_focus_is_on_the_heading_and_the_title_names_the_page(user: User) -> None:
    page = user.open("/")
    page.get_by_role("searchbox").fill("shield")
    page.get_by_role("searchbox").press("Enter")
    expect(page).to_have_title("shield - Digital Game Store")
    # The title comes before the items; until then the list is the whole one, whose elements will show other items.
    items = page.get_by_role("list", name="Items").get_by_role("link")
    expect(items.first).to_have_text("Magic Shield")
    items.first.click()
    expect(page).to_have_title("Magic Shield - Digital Game Store")
    page.get_by_role("link", name="Cart").first.click()
    expect(page.get_by_role("heading", level=1, name="Cart")).to_be_focused()


def test_when_an_open_order_is_paid_the_focus_is_on_its_heading_and_the_title_says_so(user: User) -> None:
    order_id = user.sign_up().order(dragon_sword=1)
    page = user.open(f"/orders/{order_id}")
    expect(page).to_have_title(re.compile("^Waiting for payment - Order "))
    user.pays(order_id)
    expect(page.get_by_role("heading", level=1, name="It is in your library")).to_be_focused()
    expect(page).to_have_title(re.compile("^Paid - Order "))
