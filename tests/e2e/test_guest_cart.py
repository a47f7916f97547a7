"""A visitor fills a cart before signing in, and finds it in the account afterwards."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.user import PASSWORD, User, click, on_payment_page, settled
from tests.support.store import StoreProcess

pytestmark = pytest.mark.browser


def _add(user: User, sku: str, page: Page | None = None, button: str = "Add to cart") -> Page:
    page = user.open(f"/item/{sku}", page)
    click(page, button)
    page.wait_for_url("**/cart")
    settled(page)
    return page


def _rows(page: Page) -> list[str]:
    return page.get_by_test_id("cart-row").locator("a").all_inner_texts()


def test_a_visitor_fills_a_cart_and_pays_it_after_creating_an_account(user: User) -> None:
    page = _add(user, "health-potion")
    _add(user, "wizard-hat", page)
    _add(user, "dragon-sword", page)
    expect(page.get_by_test_id("cart-row")).to_have_count(3)
    expect(page.get_by_test_id("cart-count")).to_have_text("3 items")
    for quantity in ("2", "3"):
        click(page, "One more of Health Potion")
        expect(page.get_by_test_id("quantity")).to_have_text(quantity)
    click(page, "One fewer of Health Potion")
    expect(page.get_by_test_id("quantity")).to_have_text("2")
    click(page, "Remove Wizard Hat")
    expect(page.get_by_test_id("cart-row")).to_have_count(2)
    expect(page.get_by_test_id("cart-total")).to_have_text("$1,099.97")
    expect(page.get_by_test_id("cart-count")).to_have_text("2 items")
    expect(user.open("/").get_by_test_id("cart-count")).to_have_text("2 items")

    page.bring_to_front()
    click(page, "Go to payment")
    page.wait_for_url(re.compile(r"/login\?next=%2Fcart$"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    settled(page)
    click(page, "Create an account", "link")
    # The previous page has fields of the same names.
    expect(page.get_by_role("heading", level=1)).to_have_text("Create an account")
    page.get_by_label("User name").fill(user.name)
    page.get_by_label("Password").fill(PASSWORD)
    click(page, "Create account")
    page.wait_for_url("**/cart")
    expect(page.get_by_test_id("account")).to_contain_text(user.name)
    expect(page.get_by_test_id("cart-total")).to_have_text("$1,099.97")
    assert _rows(page) == ["Health Potion", "Dragon Sword"]
    assert "cart" not in {cookie.get("name") for cookie in user.context.cookies()}
    click(page, "Go to payment")
    on_payment_page(page)


def test_the_cart_of_a_visitor_joins_that_of_the_account(user: User) -> None:
    user.sign_up()
    form: dict[str, str | float | bool] = {"sku": "health-potion"}
    user.context.request.post(f"{user.store.url}/cart/add", form=form, max_redirects=0)
    user.context.request.post(f"{user.store.url}/auth/logout", max_redirects=0)
    page = user.open("/cart")
    expect(page.get_by_text("Your cart is empty")).to_be_visible()
    _add(user, "health-potion", page)
    click(page, "One more of Health Potion")
    expect(page.get_by_test_id("quantity")).to_have_text("2")
    _add(user, "wizard-hat", page)
    user.open("/login?next=/cart", page)
    page.get_by_label("User name").fill(user.name)
    page.get_by_label("Password").fill(PASSWORD)
    click(page, "Sign in")
    page.wait_for_url("**/cart")
    expect(page.get_by_test_id("quantity")).to_have_text("2")
    assert _rows(page) == ["Health Potion", "Wizard Hat"]


def test_without_scripts_the_cart_can_be_filled(browser: Browser, small_store: StoreProcess) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{small_store.url}/item/magic-shield")
    click(page, "Add to cart")
    page.wait_for_url("**/cart")
    kept = {cookie.get("name"): cookie.get("value") for cookie in context.cookies()}
    assert kept["cart"] == "magic-shield:1"
    context.close()


def test_the_german_pages_keep_the_same_cart(user: User) -> None:
    page = _add(user, "health-potion")
    user.open("/de/item/wizard-hat", page)
    click(page, "In den Warenkorb")
    page.wait_for_url("**/de/cart")
    expect(page.get_by_role("heading", level=1)).to_have_text("Warenkorb")
    expect(page.get_by_test_id("cart-row")).to_have_count(2)
    click(page, "Zur Kasse")
    page.wait_for_url(re.compile(r"/de/login\?next=%2Fde%2Fcart$"))


def test_a_consumable_in_the_cart_has_its_stepper_on_its_page(user: User) -> None:
    """A visitor's browser posts its buttons, and comes back; those of a user are live."""
    page = _add(user, "health-potion")
    for change, quantity in ((None, "1"), ("One more of", "2"), ("One fewer of", "1")):
        if change:
            click(page, f"{change} Health Potion")
        else:
            user.open("/item/health-potion", page)
        page.wait_for_url("**/item/health-potion")
        expect(page.get_by_test_id("quantity")).to_have_text(quantity)
    expect(page.get_by_role("button", name="One fewer of Health Potion")).to_be_disabled()
    expect(page.get_by_role("button", name="Add to cart")).to_have_count(0)

    user.sign_up()
    user.open("/item/health-potion", page)
    click(page, "One more of Health Potion")
    click(page, "One more of Health Potion")
    expect(page.get_by_test_id("quantity")).to_have_text("3")
    expect(user.open("/cart").get_by_test_id("quantity")).to_have_text("3")
    user.pays(user.order(health_potion=3))
    expect(page.get_by_role("button", name="Add to cart")).to_be_visible()


def test_an_item_that_is_owned_once_has_no_stepper(user: User) -> None:
    user.sign_up()
    page = user.open("/item/wizard-hat")
    click(page, "Add to cart")
    for _time in range(2):
        expect(page.get_by_role("main").get_by_role("link", name="View cart")).to_be_visible()
        expect(page.get_by_test_id("quantity")).to_have_count(0)
        user.open("/item/wizard-hat", page)
