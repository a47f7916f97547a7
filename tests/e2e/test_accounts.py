"""Signing in and out in a browser: refusals, other tabs, another user in the same tab, redirects."""

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import NewUser
from tests.e2e.user import PASSWORD, User, click, notice, on_payment_page, owned_names, settled

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
    expect(page.get_by_test_id("form-problem")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_label("User name")).to_be_focused()
    _sign_in(page, user.name)
    page.wait_for_url(re.compile("/cart/?$"))
    expect(page.get_by_text("Your cart is empty")).to_be_visible()


def test_the_form_says_that_a_name_is_taken_or_a_password_too_short(user: User, new_user: NewUser) -> None:
    taken = new_user().sign_up().name
    page = user.open("/register")
    for name, password, sentence in (
        (taken.upper(), PASSWORD, "That user name is taken, or looks like one that is. Choose another."),
        (user.name, "short", "Enter a password with 8 to 128 characters that is not easy to guess."),
    ):
        page.get_by_label("User name").fill(name)
        page.get_by_label("Password").fill(password)
        click(page, "Create account")
        expect(page.get_by_role("alert").get_by_text(sentence)).to_be_visible()
        expect(page.get_by_label("User name")).to_have_value(name)


def test_all_that_is_wrong_is_said_at_once_and_at_its_field(user: User) -> None:
    page = user.open("/register")
    page.get_by_label("User name").fill("=1")
    page.get_by_label("Password").fill("short")
    click(page, "Create account")
    expect(page).to_have_title("Error: Create an account - Digital Game Store")
    expect(page.get_by_test_id("form-problem").get_by_role("link")).to_have_count(2)
    for label, sentence in (
        ("User name", "Enter a user name with 3 to 32"),
        ("Password", "Enter a password with 8"),
    ):
        field = page.get_by_label(label)
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_accessible_description(re.compile(f"^Error: {sentence}"))
    page.get_by_test_id("form-problem").get_by_role("link").last.click()
    expect(page.get_by_label("Password")).to_be_focused()


def test_a_password_can_be_read_while_it_is_typed(user: User) -> None:
    page = user.open("/login")
    password, button = page.get_by_label("Password"), page.get_by_role("button", name="Show password")
    password.fill(PASSWORD)
    for kind in ("text", "password"):
        button.click()
        expect(password).to_have_attribute("type", kind)
        expect(button).to_have_attribute("aria-pressed", "true" if kind == "text" else "false")
    expect(password).to_have_value(PASSWORD)


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_signing_in_never_leads_to_another_site(user: User, elsewhere: str) -> None:
    user.sign_up().context.clear_cookies()
    page = user.open(f"/login?next={elsewhere}")
    # An attacker can also post a form with another value of the hidden field.
    page.locator("input[name=next]").evaluate("(field, value) => field.value = value", elsewhere)
    _sign_in(page, user.name)
    expect(page.get_by_test_id("account")).to_contain_text(user.name)
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
        expect(page.get_by_test_id("account")).to_contain_text(user.name)
        expect(page.get_by_test_id("cart-count")).to_have_count(0)
        expect(notice(page)).to_have_count(0)
        expect(page.get_by_text(first, exact=True)).to_have_count(0)
        expect(page.get_by_text("In your library", exact=True)).to_have_count(0)
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


def _end_session(user: User) -> None:
    answer = user.context.request.post(f"{user.store.url}/auth/logout", max_redirects=0)
    assert answer.status == 303


def test_what_was_begun_before_signing_in_goes_on_afterwards(user: User, new_user: NewUser) -> None:
    _end_session(user.sign_up())
    page = user.open("/item/wizard-hat")
    click(page, "Buy now")
    expect(page.get_by_test_id("next")).to_have_text("Next: Wizard Hat, $199.99")
    # A wrong password does not forget it.
    _sign_in(page, user.name, "not my password")
    # The form before said what is next too.
    expect(page.get_by_role("alert").get_by_text("The user name or password is not right.")).to_be_visible()
    expect(page.get_by_test_id("next")).to_have_text("Next: Wizard Hat, $199.99")
    _sign_in(page, user.name)
    on_payment_page(page)
    # An item that cannot be bought leads to its page, which says why.
    owner = new_user().sign_up()
    owner.pays(owner.order(wizard_hat=1))
    _end_session(owner)
    form: dict[str, str | float | bool] = {"username": owner.name, "password": PASSWORD, "buy": "wizard-hat"}
    form["next"] = "/item/wizard-hat"
    answer = owner.context.request.post(f"{owner.store.url}/auth/login", form=form, max_redirects=0)
    assert (answer.status, answer.headers["location"]) == (303, "/item/wizard-hat")


def test_the_account_page_lists_the_open_sessions_of_its_user(user: User, new_user: NewUser) -> None:
    user.sign_up()
    new_user().sign_up()
    for _time in range(2):
        session = {"username": user.name, "password": PASSWORD}
        assert httpx.post(f"{user.store.url}/api/sessions", json=session, trust_env=False).status_code == 201
    sessions = user.open("/account").get_by_test_id("session")
    expect(sessions).to_have_count(3)
    expect(sessions.get_by_text("this browser")).to_have_count(1)


def test_a_form_posted_before_the_store_answers_leads_where_its_address_says(user: User) -> None:
    user.sign_up().context.clear_cookies()
    # The event socket opens, and nothing comes over it.
    user.context.route_web_socket(re.compile("_event"), lambda _socket: None)
    page = user.context.new_page()
    page.goto(f"{user.store.url}/login?next=%2Flibrary%3Fx%3D1")
    page.get_by_label("User name").fill(user.name)
    page.get_by_label("Password").fill(PASSWORD)
    click(page, "Sign in")
    page.wait_for_url(f"{user.store.url}/library?x=1")
