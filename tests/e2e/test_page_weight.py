"""The size of the JavaScript and CSS of a page, compressed, with an empty cache, and how much else it loads."""

import gzip
import re

import pytest
from playwright.sync_api import Page, Response, expect

from tests.e2e.user import User

pytestmark = pytest.mark.browser
MAX_KB, MAX_REQUESTS = 150, 20
KINDS = ("javascript", "css")


def _watch(page: Page) -> list[Response]:
    responses: list[Response] = []
    page.on("response", lambda response: responses.append(response))  # noqa: PLW0108 - no built-in method, says Playwright
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    return responses


def _weights(responses: list[Response]) -> dict[str, float]:
    """Return the kB of each script and style sheet, counted once, compressed by gzip at its highest level."""
    return {
        response.url: len(gzip.compress(response.body(), 9)) / 1000
        for response in responses
        if response.ok and any(kind in response.headers.get("content-type", "") for kind in KINDS)
    }


def test_the_font_is_asked_for_before_the_style_that_needs_it(user: User) -> None:
    page = user.context.new_page()
    begun: list[str] = []
    page.on("request", lambda request: begun.append(request.url))
    warnings: list[str] = []
    page.on("console", lambda message: warnings.append(message.text))
    user.open("/", page)
    fonts = [url for url in begun if url.endswith("/fonts/oxanium.woff2")]
    assert len(fonts) == 1
    assert page.locator('link[rel="preload"][as="font"]').get_attribute("href") == "/fonts/oxanium.woff2"
    assert not [text for text in warnings if "preload" in text]


@pytest.mark.parametrize("path", ["/", "/item/dragon-sword"])
def test_a_page_is_small_enough(user: User, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    page = user.context.new_page()
    responses = _watch(page)
    user.open(path, page)
    page.wait_for_load_state("networkidle")
    weights = _weights(responses)
    total = sum(weights.values())
    with capsys.disabled():
        print(f"\n{path}: {total:.1f} kB of JS + CSS, gzip, in {len(weights)} files (at most {MAX_KB})")
    assert len(weights) > 3, "hardly any script was loaded: the measurement is wrong"
    assert total <= MAX_KB, sorted(weights.items(), key=lambda one: -one[1])[:8]


@pytest.mark.parametrize(("width", "height"), [(412, 823), (1280, 800)])
def test_covers_that_are_out_of_sight_wait(user: User, width: int, height: int) -> None:
    page = user.context.new_page()
    page.set_viewport_size({"width": width, "height": height})
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    user.open("/", page)
    page.wait_for_load_state("networkidle")
    assert len(requests) <= MAX_REQUESTS, requests
    cover = page.get_by_role("list", name="Items").get_by_test_id("card").nth(20).locator("img")
    expect(cover).not_to_have_attribute("src", re.compile("."))
    cover.scroll_into_view_if_needed()
    expect(cover).to_have_js_property("naturalWidth", 460)


def test_a_card_that_shows_another_item_shows_its_cover(user: User) -> None:
    page = user.open("/")
    cards = page.get_by_role("list", name="Items").get_by_test_id("card")
    cards.first.scroll_into_view_if_needed()
    expect(cards.first.locator("img")).to_have_attribute("src", "/covers/dragon-sword.svg")
    page.get_by_label("Sort by").select_option("-price")
    expect(cards.first).not_to_contain_text("Dragon Sword")
    expect(cards.first.locator("img")).not_to_have_attribute("src", "/covers/dragon-sword.svg")
    assert cards.first.locator("img").evaluate("image => image.src.endsWith(image.dataset.src)")
