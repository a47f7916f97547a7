"""The store and item pages have their content in the HTML: without scripts, and before they run."""

import html
import json
import re
import secrets
import sqlite3
import struct
import time

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.user import PASSWORD, User, on_payment_page, settled
from tests.support.store import StoreProcess

pytestmark = pytest.mark.browser


def _page(store: StoreProcess, path: str) -> str:
    answer = httpx.get(store.url + path)
    assert answer.status_code == 200
    assert not re.search(r">[^<]*__[a-z]+__", answer.text), "a placeholder is left"
    return answer.text


def _number_of_items(store: StoreProcess) -> int:
    return len(httpx.get(f"{store.url}/api/items?limit=100").json())


def test_without_scripts_items_can_be_read_and_searched(browser: Browser, small_store: StoreProcess) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(small_store.url)
    cards = page.get_by_role("list", name="Items").get_by_test_id("card")
    expect(cards).to_have_count(24)
    expect(page.get_by_role("heading", name="Dragon Sword").first).to_be_visible()
    expect(cards.first.locator("img:visible")).to_have_js_property("naturalWidth", 460)
    page.get_by_role("link", name="More items").click()
    expect(cards).to_have_count(_number_of_items(small_store) - 24)
    page.goto(small_store.url)
    page.get_by_role("searchbox").fill("shield")
    page.get_by_role("button", name="Search").click()
    expect(cards.first).to_contain_text("Magic Shield")
    expect(page.get_by_role("searchbox")).to_have_value("shield")
    cards.get_by_role("link", name="Magic Shield").click()
    expect(page).to_have_title("Magic Shield - Digital Game Store")
    expect(page.get_by_role("heading", level=1)).to_have_text("Magic Shield")
    expect(page.get_by_test_id("price")).to_have_text("$499.99")
    expect(page.get_by_text("You pay on the payment page of Xsolla.")).to_be_visible()
    page.goto(f"{small_store.url}/?q=no+such+thing")
    expect(page.get_by_text("No items match")).to_be_visible()
    context.close()


def test_what_is_served_stays_until_the_live_page_takes_over_and_then_nothing_moves(user: User) -> None:
    page = user.context.new_page()
    page.add_init_script(
        """window.shift = 0;
        new PerformanceObserver(list => {
          for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
        }).observe({type: 'layout-shift', buffered: true});"""
    )
    for path in ("/", "/item/dragon-sword"):
        page.goto(user.store.url + path)
        settled(page)
        assert page.evaluate("window.shift") < 0.01, path


def test_search_engines_find_what_an_item_is_and_costs(small_store: StoreProcess) -> None:
    text = _page(small_store, "/item/dragon-sword")
    assert f'<link rel="canonical" href="{small_store.url}/item/dragon-sword"/>' in text
    item = httpx.get(f"{small_store.url}/api/items/dragon-sword").json()
    assert '<meta name="description" content="' in text
    (image,) = re.findall(r'content="([^"]+)" ?property="og:image"|property="og:image" content="([^"]+)"', text)
    preview = httpx.get("".join(image))
    # A PNG begins with its signature and the chunk of its size (RFC 2083).
    assert (preview.content[:8], preview.content[16:24]) == (b"\x89PNG\r\n\x1a\n", struct.pack("!II", 1200, 630))
    assert preview.headers["cache-control"].endswith("immutable")
    assert httpx.get(f"{small_store.url}/previews/dragon-sword-000000000000.png").status_code == 404
    found = re.search(r'<script type="application/ld\+json">(.*?)</script>', text)
    assert found
    product = json.loads(found[1])
    assert (product["@type"], product["name"], product["sku"]) == ("Product", "Dragon Sword", "dragon-sword")
    assert (product["offers"]["price"], product["offers"]["priceCurrency"]) == ("999.99", "USD")
    assert item["description"] in html.unescape(text)
    assert 'name="robots"' not in _page(small_store, "/")
    assert '<meta name="robots" content="noindex"/>' in _page(small_store, "/?q=sword")


def test_every_spelling_of_an_address_names_the_same_page_as_the_one_to_find(small_store: StoreProcess) -> None:
    for prefix in ("", "/de"):
        found = f'<link rel="canonical" href="{small_store.url}{prefix}/item/dragon-sword"/>'
        for path in ("/item/dragon-sword", "/item/dragon-sword/", "/item/dragon%2Dsword"):
            assert found in _page(small_store, prefix + path), path


def test_texts_of_users_and_items_stay_texts(small_store: StoreProcess) -> None:
    text = _page(small_store, "/?q=%3C%2Fscript%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%20onfocus%3Dx")
    assert "<script>alert(1)" not in text
    assert '" onfocus' not in text


@pytest.mark.parametrize("parameter", ["q", "tag"])
def test_a_search_for_text_with_joiners_is_not_answered_with_all_items(
    small_store: StoreProcess, parameter: str
) -> None:
    answer = httpx.get(small_store.url, params={parameter: "می\u200cخواهم"})
    assert "No items match" in answer.text
    assert 'data-testid="card"' not in answer.text


def test_without_scripts_an_item_can_be_bought(browser: Browser, small_store: StoreProcess) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{small_store.url}/item/magic-shield")
    page.get_by_role("button", name="Buy now").click()
    expect(page).to_have_url(re.compile("/login"))
    page.get_by_role("main").get_by_role("link", name="Create an account").click()
    expect(page).to_have_url(re.compile(r"/register\?next=.*&buy=magic-shield$"))
    page.get_by_label("User name").fill(f"no-scripts-{secrets.token_hex(4)}")
    page.get_by_label("Password").fill("short")
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("alert")).to_contain_text("Enter a password with 8")
    page.get_by_label("User name").fill(f"no-scripts-{secrets.token_hex(4)}")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    # What was begun before signing in goes on.
    on_payment_page(page)
    page.get_by_role("button", name=re.compile("^Pay ")).click()
    page.wait_for_url("**/orders/*")
    page.goto(page.url.partition("?")[0])
    expect(page.get_by_role("heading", level=1)).to_have_text("It is in your library")
    expect(page.locator("main")).to_contain_text("Paid $544.39.")

    page.goto(f"{small_store.url}/item/magic-shield")
    page.get_by_role("button", name="Buy now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("That did not work")
    expect(page.get_by_text("Magic Shield is in your library already.")).to_be_visible()
    context.close()


def test_without_scripts_an_order_that_was_declined_can_be_paid_again(
    browser: Browser, small_store: StoreProcess, user: User
) -> None:
    order_id = user.sign_up().order(dragon_sword=1)
    user.pays(order_id, "decline")
    context = browser.new_context(java_script_enabled=False, storage_state=user.context.storage_state())
    page = context.new_page()
    page.goto(f"{small_store.url}/orders/{order_id}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Payment did not go through")
    page.get_by_role("button", name="Open the payment page").click()
    on_payment_page(page)
    context.clear_cookies()
    page.goto(f"{small_store.url}/orders/{order_id}")
    expect(page.get_by_role("link", name="Sign in to see this order")).to_be_visible()
    expect(page.get_by_text("Dragon Sword")).to_have_count(0)
    context.close()


def test_crawlers_find_all_items_and_nothing_private(small_store: StoreProcess) -> None:
    sitemap = httpx.get(f"{small_store.url}/sitemap.xml")
    assert sitemap.headers["content-type"].startswith("application/xml")
    found = re.findall("<loc>(.*?)</loc>", sitemap.text)
    assert found[0] == f"{small_store.url}/"
    # In two languages.
    assert len(found) == len(set(found)) == 2 * (1 + _number_of_items(small_store))
    robots = httpx.get(f"{small_store.url}/robots.txt").text
    assert f"Sitemap: {small_store.url}/sitemap.xml" in robots
    assert "Disallow: /orders/" in robots
    assert httpx.get(f"{small_store.url}/favicon.ico", follow_redirects=True).status_code == 200


def test_a_change_of_the_catalogue_is_served_within_two_seconds(small_store: StoreProcess) -> None:
    assert "Rune Bomb" in _page(small_store, "/item/rune-bomb")
    with sqlite3.connect(small_store.data_dir / "store.db", timeout=10) as database:
        database.execute("UPDATE items SET name = 'Rune Bomb II' WHERE sku = 'rune-bomb'")
    try:
        deadline = time.monotonic() + 5
        while "Rune Bomb II" not in _page(small_store, "/item/rune-bomb"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        with sqlite3.connect(small_store.data_dir / "store.db", timeout=10) as database:
            database.execute("UPDATE items SET name = 'Rune Bomb' WHERE sku = 'rune-bomb'")


def test_an_address_is_decoded_once(small_store: StoreProcess) -> None:
    assert httpx.get(f"{small_store.url}/item/dragon%2Dsword").status_code == 200
    assert httpx.get(f"{small_store.url}/item/dragon%252Dsword").status_code == 404
    assert httpx.get(small_store.url).status_code == 200
    assert httpx.get(f"{small_store.url}/item///").status_code == 404
