"""What holds on every page: one heading, a title, texts for images, large targets, no horizontal scrolling."""

import pytest
from playwright.sync_api import Page, expect

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
# Widths of the narrowest phones, of tablets, and of desktops.
WIDTHS = (320, 360, 768, 1440)
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


def _check(page: Page, where: str) -> None:
    assert page.locator("h1").count() == 1, where
    assert page.locator("main").count() == 1, where
    assert page.title().strip(), where
    assert page.locator("html").get_attribute("lang") == "en", where
    assert page.evaluate(WITHOUT_NAME) == [], where
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids)), where
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{where} is {wide} px too wide at {width}: {page.evaluate(TOO_WIDE)}"
        assert page.evaluate(SMALL_TARGETS) == [], f"{where} at {width}"


def test_pages_of_a_signed_out_user(user: User) -> None:
    page = user.context.new_page()
    for name, path in SIGNED_OUT.items():
        user.open(path, page)
        _check(page, name)
    user.errors.remove(NOT_FOUND)


def test_pages_of_a_user(owner: User) -> None:
    orders = _orders(owner)
    page = owner.context.new_page()
    for name, path in SIGNED_IN.items():
        owner.open(path.format(**orders), page)
        _check(page, name)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_contrast_with_their_background(user: User, scheme: str) -> None:
    """The contrast of every text on some pages is at least 4.5 to 1 (WCAG 1.4.3)."""
    page = user.context.new_page()
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of the literals above
    for path in ("/", "/item/dragon-sword", "/login?problem=wrong-password&name=kira", "/cart"):
        user.open(path, page)
        assert page.evaluate(LOW_CONTRAST) == [], path


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


# Compares text nodes with the nearest painted background. A canvas converts every color notation to RGBA.
LOW_CONTRAST = """() => {
  const pen = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = color => {
    pen.clearRect(0, 0, 1, 1); pen.fillStyle = color; pen.fillRect(0, 0, 1, 1);
    return pen.getImageData(0, 0, 1, 1).data;
  };
  const light = ([r, g, b]) => [r, g, b].map(part => part / 255)
    .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = one => {
    for (; one; one = one.parentElement) {
      const color = rgba(getComputedStyle(one).backgroundColor);
      if (color[3] > 250) return color;
    }
    return [255, 255, 255, 255];
  };
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const one = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !one.checkVisibility({opacityProperty: true})) continue;
    if (one.closest("script, style, noscript, option, .sr-only, .skip, :disabled")) continue;
    const [a, b] = [light(rgba(getComputedStyle(one).color)), light(behind(one))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(`${texts.currentNode.data.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return found;
}"""
