"""How much JavaScript and CSS the first view of a page costs, compressed, with nothing in the cache."""

import gzip

import pytest
from playwright.sync_api import Page, Response

from tests.e2e.user import User

pytestmark = pytest.mark.browser
GOAL_KB, MAX_KB = 180, 190
KINDS = ("javascript", "css")


def _watch(page: Page) -> list[Response]:
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - no built-in method, says Playwright
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    return answers


def _weights(answers: list[Response]) -> dict[str, float]:
    """Return kB for each script and style sheet, each counted once, compressed as a good server would."""
    return {
        answer.url: len(gzip.compress(answer.body(), 9)) / 1000
        for answer in answers
        if answer.ok and any(kind in answer.headers.get("content-type", "") for kind in KINDS)
    }


@pytest.mark.parametrize("path", ["/", "/item/dragon-sword"])
def test_first_load_is_light(user: User, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    page = user.context.new_page()
    answers = _watch(page)
    user.open(path, page)
    page.wait_for_load_state("networkidle")
    weights = _weights(answers)
    total = sum(weights.values())
    with capsys.disabled():
        print(
            f"\n{path}: {total:.1f} kB of JS + CSS, gzip, in {len(weights)} files "
            f"(goal {GOAL_KB}, at most {MAX_KB})"
        )
    assert len(weights) > 3, "hardly any script was seen: the measurement is wrong"
    assert total <= MAX_KB, sorted(weights.items(), key=lambda one: -one[1])[:8]
