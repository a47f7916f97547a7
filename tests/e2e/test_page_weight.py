"""The size of the JavaScript and CSS of a page, compressed, with an empty cache."""

import gzip

import pytest
from playwright.sync_api import Page, Response

from tests.e2e.user import User

pytestmark = pytest.mark.browser
GOAL_KB, MAX_KB = 180, 190
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


@pytest.mark.parametrize("path", ["/", "/item/dragon-sword"])
def test_a_page_is_small_enough(user: User, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    page = user.context.new_page()
    responses = _watch(page)
    user.open(path, page)
    page.wait_for_load_state("networkidle")
    weights = _weights(responses)
    total = sum(weights.values())
    with capsys.disabled():
        print(
            f"\n{path}: {total:.1f} kB of JS + CSS, gzip, in {len(weights)} files "
            f"(goal {GOAL_KB}, at most {MAX_KB})"
        )
    assert len(weights) > 3, "hardly any script was loaded: the measurement is wrong"
    assert total <= MAX_KB, sorted(weights.items(), key=lambda one: -one[1])[:8]
