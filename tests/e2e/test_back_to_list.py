"""Back from an item, the list is as it was left: its items, and the place."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.user import User, click, settled

pytestmark = pytest.mark.browser
BY_NAME = "/?sort=name"


def _cards(page: Page) -> Locator:
    return page.get_by_role("list", name="Items").get_by_test_id("card")


def _open_item_near_end(page: Page, number: int) -> tuple[float, str]:
    """Open an item near the end of the list, and return where that was and its name."""
    expect(_cards(page)).to_have_count(number)
    link = _cards(page).nth(number - 3).get_by_role("link")
    name = link.inner_text()
    # Playwright may scroll before it clicks, also when the link is in view.
    page.evaluate("addEventListener('click', () => (window.place = scrollY), { capture: true, once: true })")
    link.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    return page.evaluate("place"), name


def _is_as_it_was(page: Page, number: int, place: float) -> None:
    expect(_cards(page)).to_have_count(number)
    page.wait_for_function("place => Math.abs(scrollY - place) < 3", arg=place)
    assert page.get_by_label("Sort by").input_value() == "name"


def test_back_from_an_item_the_list_is_as_it_was_left(user: User) -> None:
    number = len(user.context.request.get(f"{user.store.url}/api/items?limit=100").json())
    page = user.open(BY_NAME)
    click(page, "Show more items")
    place, _name = _open_item_near_end(page, number)
    assert place > 500
    page.go_back()
    _is_as_it_was(page, number, place)

    # By way of another list, whose items the page shows until those of this one are there.
    place, _name = _open_item_near_end(page, number)
    settled(page)
    page.get_by_role("searchbox").fill("shield")
    page.get_by_role("searchbox").press("Enter")
    expect(page).to_have_title("shield - Digital Game Store")
    page.go_back()
    page.go_back()
    _is_as_it_was(page, number, place)

    # A list that is opened anew begins at its beginning.
    page.get_by_role("contentinfo").get_by_role("link", name="All items").click()
    expect(_cards(page)).to_have_count(24)
    assert page.evaluate("scrollY") == 0
    assert "shown" not in page.url


def test_the_list_is_as_it_was_left_also_after_pages_that_were_loaded_anew(user: User) -> None:
    """Adding to the cart of a visitor loads the cart, and going back from there loads each page again."""
    number = len(user.context.request.get(f"{user.store.url}/api/items?limit=100").json())
    page = user.open(BY_NAME)
    click(page, "Show more items")
    place, name = _open_item_near_end(page, number)
    click(page, "Add to cart")
    page.wait_for_url("**/cart")
    settled(page)
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    # The server writes the heading too: only a page that is live can go back within itself.
    settled(page)
    page.go_back()
    _is_as_it_was(page, number, place)
    page.reload()
    _is_as_it_was(page, number, place)
