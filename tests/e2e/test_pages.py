"""What holds on every page: one heading, a title, texts for images, large targets, no horizontal scrolling."""

import pytest
from playwright.sync_api import Page, expect

from store_app import languages
from store_app.routes import in_language
from tests.e2e.user import User, settled

pytestmark = pytest.mark.browser
SIGNED_OUT = {
    "store": "/",
    "search-without-results": "/?q=no-such-thing",
    "item": "/item/dragon-sword",
    "item-that-is-not": "/item/no-such-item",
    "cart": "/cart",
    "library": "/library",
    "login": "/login",
    "login-refused": "/login?problem=wrong-password&name=kira",
    "register": "/register",
}
SIGNED_IN = {
    "store": "/",
    "item-owned": "/item/dragon-sword",
    "cart": "/cart",
    "order-pending": "/orders/{pending}",
    "order-paid": "/orders/{paid}",
    "order-failed": "/orders/{failed}",
    "order-canceled": "/orders/{canceled}",
    "order-that-is-not": "/orders/00000000000000000000000000000000",
    "library": "/library",
    "account": "/account",
}
# What the browser writes to its console about a page that answers 404.
NOT_FOUND = "Failed to load resource: the server responded with a status of 404 (Not Found)"
# Widths of the narrowest phones, which is that of a desktop at 400 % (WCAG 1.4.10), of tablets, and of desktops.
WIDTHS = (320, 360, 768, 1024, 1440)
# WCAG 2.5.8: a target has at least 24 by 24 CSS pixels, unless it is a link in a sentence.
SMALL_TARGETS = """() => [...document.querySelectorAll("a, button, input:not([type=hidden]), select, summary")]
  .filter(one => !one.closest("p") && one.checkVisibility() && !one.classList.contains("skip"))
  .map(one => [one, one.getBoundingClientRect()])
  .filter(([one, box]) => box.width < 23.9 || box.height < 23.9)
  .filter(([one]) => !one.matches(".card-link"))  // its ::after covers the whole card
  .map(([one, box]) => `${one.outerHTML.slice(0, 120)}: ${box.width} x ${box.height}`)"""
TOO_WIDE = """() => [...document.querySelectorAll("body *")]
  .filter(one => one.getBoundingClientRect().right > innerWidth + 0.5)
  .map(one => one.outerHTML.slice(0, 120)).slice(0, 3)"""
WITHOUT_NAME = """() => [
  ...[...document.querySelectorAll("img:not([alt])")],
  ...[...document.querySelectorAll("input:not([type=hidden]), select")].filter(one => !one.labels.length),
  ...[...document.querySelectorAll("a, button")].filter(one => !(one.ariaLabel || one.innerText.trim())),
].map(one => one.outerHTML.slice(0, 120))"""


@pytest.fixture
def owner(user: User) -> User:
    """Return a user with the longest possible name."""
    user.name = (user.name + "W" * 32)[:32]
    return user.sign_up()


def _orders(user: User) -> dict[str, str]:
    paid, failed = user.order(dragon_sword=1), user.order(magic_shield=1)
    user.pays(paid)
    user.pays(failed, "decline")
    canceled, pending = user.order(speed_boots=1), user.order(health_potion=3)
    user.context.request.post(f"{user.store.url}/api/orders/{canceled}/cancel")
    page = user.open("/item/wizard-hat")
    page.get_by_role("button", name="Add to cart").click()
    expect(page.get_by_test_id("cart-count")).to_be_visible()
    page.close()
    return {"paid": paid, "failed": failed, "canceled": canceled, "pending": pending}


def _check(page: Page, where: str, language: str = "en") -> None:
    assert page.locator("h1").count() == 1, where
    assert page.locator("main").count() == 1, where
    assert page.title().strip(), where
    assert page.locator("html").get_attribute("lang") == language, where
    assert page.evaluate(WITHOUT_NAME) == [], where
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids)), where
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{where} is {wide} px too wide at {width}: {page.evaluate(TOO_WIDE)}"
        assert page.evaluate(SMALL_TARGETS) == [], f"{where} at {width}"


# German words are longer.
in_each_language = pytest.mark.parametrize("language", languages.known())


@in_each_language
def test_pages_of_a_signed_out_user(user: User, language: str) -> None:
    page = user.context.new_page()
    for name, path in SIGNED_OUT.items():
        user.open(in_language(path, language), page)
        _check(page, name, language)
    user.errors.remove(NOT_FOUND)


@in_each_language
def test_pages_of_a_user(owner: User, language: str) -> None:
    orders = _orders(owner)
    page = owner.context.new_page()
    for name, path in SIGNED_IN.items():
        owner.open(in_language(path.format(**orders), language), page)
        _check(page, name, language)


def test_a_printed_order_is_a_receipt(user: User) -> None:
    order = user.sign_up().order(starfall=1, health_potion=2)
    user.pays(order)
    page = user.open(f"/orders/{order}")
    page.emulate_media(media="print", color_scheme="dark")
    text = page.locator("body").inner_text()
    for words in (
        "Receipt ",
        "Starfall",
        "Health Potion x 2",
        "Sales tax",
        "Paid on",
        "Transaction",
        "Northlight Games",
    ):
        assert words in text
    assert user.name in text
    for words in ("Open library", "What happened", "Print receipt", "Skip to content", "Theme"):
        assert words not in text
    assert page.locator("img:visible").count() == 0
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(22, 24, 29)"


def test_nothing_moves_for_those_who_want_no_motion(user: User) -> None:
    page = user.sign_up().context.new_page()
    page.emulate_media(reduced_motion="reduce")
    user.open("/library", page)
    user.pays(user.order(starfall=1))
    expect(page.get_by_test_id("purchase")).to_be_visible()
    expect(page.get_by_test_id("notice")).to_be_visible()
    assert page.evaluate("document.getAnimations().length") == 0


def test_pages_name_the_payment_provider_before_the_user_pays(user: User) -> None:
    page = user.open("/item/dragon-sword")
    expect(page.get_by_text("You pay on the payment page of Xsolla.")).to_be_visible()
    expect(page.get_by_text("Payments by Xsolla. We never see your card.")).to_be_visible()


def test_each_page_has_its_own_title(user: User) -> None:
    titles = {path: user.open(path).title() for path in ("/", "/item/dragon-sword", "/cart", "/login")}
    assert len(set(titles.values())) == len(titles), titles


def test_an_unknown_address_shows_the_not_found_page(user: User) -> None:
    page = user.context.new_page()
    response = page.goto(f"{user.store.url}/no/such/page")
    assert response is not None
    assert response.status == 404
    settled(page)
    _check(page, "not found")
    user.errors.remove(NOT_FOUND)
