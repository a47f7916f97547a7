"""Signing in and out in a browser: refusals, other tabs, another user in the same tab, redirects."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import NewUser
from tests.e2e.user import PASSWORD, User, click, notice, owned_names, settled

pytestmark = pytest.mark.browser


def _sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    click(page, "Sign in")


def _sign_out(user: User) -> Page:
    page = user.open("/account")
    click(page, re.compile("^Sign out$"))
    expect(page.get_by_role("navigation").get_by_role("link", name="Sign in")).to_be_visible()
    return page


def test_after_a_wrong_password_the_form_says_so_and_keeps_the_name(user: User) -> None:
    user.sign_up().context.clear_cookies()
    page = user.open("/login?next=/cart")
    _sign_in(page, user.name, "not my password")
    expect(page.get_by_role("alert").get_by_text("The user name or password is not right.")).to_be_visible()
    expect(page.get_by_label("User name")).to_have_value(user.name)
    expect(page.get_by_label("Password")).to_have_value("")
    assert "not my password" not in page.url
    expect(page.get_by_role("link", name="The user name or password is not right.")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("User name")).to_be_focused()
    _sign_in(page, user.name)
    page.wait_for_url(re.compile("/cart/?$"))
    expect(page.get_by_text("Your cart is empty")).to_be_visible()


def test_the_form_says_that_a_name_is_taken_or_a_password_too_short(user: User, new_user: NewUser) -> None:
    taken = new_user().sign_up().name
    page = user.open("/register")
    for name, password, sentence in (
        (taken.upper(), PASSWORD, "That user name is taken. Choose another."),
        (user.name, "short", "Enter a password with 8 to 128 characters that is not easy to guess."),
    ):
        page.get_by_label("User name").fill(name)
        page.get_by_label("Password").fill(password)
        click(page, "Create account")
        expect(page.get_by_role("alert").get_by_text(sentence)).to_be_visible()
        expect(page.get_by_label("User name")).to_have_value(name)


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_signing_in_never_leads_to_another_site(user: User, elsewhere: str) -> None:
    user.sign_up().context.clear_cookies()
    page = user.open(f"/login?next={elsewhere}")
    # An attacker can also post a form with another value of the hidden field.
    page.locator("input[name=next]").evaluate("(field, value) => field.value = value", elsewhere)
    _sign_in(page, user.name)
    expect(page.get_by_test_id("account")).to_have_text(user.name)
    assert page.url == f"{user.store.url}/"


def test_signing_out_in_one_tab_signs_out_the_others_without_a_reload(user: User) -> None:
    order_id = user.sign_up().order(dragon_sword=1)
    user.pays(order_id)
    library, order = user.open("/library"), user.open(f"/orders/{order_id}")
    expect(owned_names(library)).to_have_text(["Dragon Sword"])
    _sign_out(user)
    expect(library.get_by_text("Sign in to see your library")).to_be_visible()
    expect(library.get_by_text("Dragon Sword")).to_have_count(0)
    expect(library.get_by_text(user.name)).to_have_count(0)
    expect(order).to_have_url(re.compile(r"/login\?next="))
    expect(order.get_by_text("Dragon Sword")).to_have_count(0)


def test_the_next_user_in_the_same_tab_sees_nothing_of_the_previous_one(user: User) -> None:
    order_id = user.sign_up().order(dragon_sword=1)
    page = user.open("/library")
    user.pays(order_id)
    expect(notice(page)).to_be_visible()
    item = user.open("/item/health-potion")
    click(item, "Add to cart")
    expect(item.get_by_test_id("cart-count")).to_be_visible()
    item.close()
    page.goto(f"{user.store.url}/account")
    click(page, re.compile("^Sign out$"))
    expect(page.get_by_role("navigation").get_by_role("link", name="Sign in")).to_be_visible()

    first, user.name = user.name, f"{user.name}-next"
    user.sign_up()
    for path in ("/", "/library", "/cart", "/account", "/item/dragon-sword", f"/orders/{order_id}"):
        user.open(path, page)
        expect(page.get_by_test_id("account")).to_have_text(user.name)
        expect(page.get_by_test_id("cart-count")).to_have_count(0)
        expect(notice(page)).to_have_count(0)
        expect(page.get_by_text(first, exact=True)).to_have_count(0)
        expect(page.get_by_text("In your library")).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_have_text("Order not found")
    assert page.get_by_text("Dragon Sword").count() == 0


def test_the_account_page_redirects_to_sign_in_and_back(user: User) -> None:
    user.sign_up().context.clear_cookies()
    page = user.context.new_page()
    page.goto(f"{user.store.url}/account")
    page.wait_for_url(re.compile(r"/login\?next=%2Faccount"))
    settled(page)
    _sign_in(page, user.name)
    page.wait_for_url(re.compile("/account/?$"))
    expect(page.get_by_text(f"Signed in as {user.name}")).to_be_visible()
