"""Buying with the keyboard alone: Tab, Shift+Tab and Enter."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.user import PASSWORD, User, on_payment_page, status

pytestmark = pytest.mark.browser
FOCUSED = """() => {
  const one = document.activeElement, box = one.getBoundingClientRect();
  const header = document.querySelector("header").getBoundingClientRect();
  return {
    name: (one.ariaLabel || one.innerText || one.labels?.[0]?.innerText || "").trim(),
    ring: getComputedStyle(one).outlineStyle !== "none" || getComputedStyle(one).boxShadow !== "none",
    covered: !one.closest("header") && !one.matches(".skip") && box.height > 0 && box.bottom <= header.bottom,
  };
}"""


def _tab_to(page: Page, name: str, *, max_presses: int = 60) -> None:
    """Press Tab until the element with this name has the focus, which must be visible at each step."""
    for _press in range(max_presses):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        assert not focused["covered"], focused
        if focused["name"].startswith(name):
            assert focused["ring"], focused
            return
    raise AssertionError(f"{name} was not reached by {max_presses} presses of Tab")


def _press(page: Page, name: str) -> None:
    _tab_to(page, name)
    page.keyboard.press("Enter")


def test_a_purchase_with_the_keyboard_alone(user: User) -> None:
    page = user.open("/")
    _press(page, "Dragon Sword")
    page.wait_for_url("**/item/dragon-sword")
    expect(page.get_by_role("button", name="Buy now")).to_be_visible()
    _press(page, "Buy now")
    # The focus comes to the heading a moment after the page; the link hands on what is next.
    expect(page.get_by_role("heading", level=1, name="Sign in")).to_be_focused()
    expect(page.get_by_test_id("next")).to_contain_text("Dragon Sword")
    _press(page, "Create an account")
    expect(page.get_by_role("heading", level=1, name="Create an account")).to_be_focused()
    _tab_to(page, "User name")
    page.keyboard.type(user.name)
    _tab_to(page, "Password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    on_payment_page(page)
    for _press_of_tab in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText").startswith("Pay "):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/orders/*")
    expect(status(page)).to_have_attribute("data-status", "paid")
    _press(page, "Open library")
    expect(page.get_by_test_id("purchase")).to_have_count(1)


def test_the_first_tab_stop_skips_to_the_content(user: User) -> None:
    page = user.open("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")
