"""The Content-Security-Policy: no page of the store breaks it, and scripts of others do not run."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.user import User, settled
from tests.support.store import StoreProcess

pytestmark = pytest.mark.browser
PUBLIC = ("/", "/?q=sword", "/item/dragon-sword", "/item/nothing", "/login", "/register", "/no-such-page", "/cart")
# Violations are reported to the page itself, before any script of the page runs.
_LISTEN = """
window.violations = [];
document.addEventListener('securitypolicyviolation', event => {
  window.violations.push([event.violatedDirective, event.blockedURI, event.lineNumber].join(' '));
});
"""


def _check(page: Page, user: User, path: str, *, is_ours: bool = True) -> None:
    answer = page.goto(user.store.url + path)
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    scripts = policy.partition("script-src ")[2].partition(";")[0].split()
    assert "'unsafe-inline'" not in scripts
    assert "http" not in policy.partition("form-action")[0].replace("ws://", "")
    if is_ours:
        settled(page)
    else:
        page.wait_for_selector(".opblock")
    assert page.evaluate("window.violations") == [], path


@pytest.fixture(params=["light", "dark"])
def user(request: pytest.FixtureRequest, browser: Browser, small_store: StoreProcess) -> Iterator[User]:
    """Return a user who prefers a theme, and whose pages keep what breaks their policy."""
    context = browser.new_context(color_scheme=request.param)
    context.add_init_script(_LISTEN)
    yield User(small_store, context)
    context.close()


def test_no_page_breaks_its_policy(user: User) -> None:
    page = user.context.new_page()
    for path in PUBLIC:
        _check(page, user, path)
    _check(page, user, "/docs", is_ours=False)
    user.sign_up()
    pending, paid, canceled = (user.order(health_potion=number) for number in (1, 2, 3))
    user.pays(paid)
    assert user.context.request.post(f"{user.store.url}/api/orders/{canceled}/cancel").ok
    orders = [f"/orders/{order}" for order in (pending, paid, canceled, "nothing")]
    for path in (*PUBLIC, "/library", "/account", *orders):
        _check(page, user, path)
    assert [error for error in user.errors if "Content Security Policy" in error] == []


def test_a_script_that_somebody_puts_into_a_page_does_not_run(user: User) -> None:
    page = user.open("/")
    with page.expect_console_message(lambda message: "inline event handler" in message.text):
        page.evaluate(
            """() => {
          const script = document.createElement('script');
          script.textContent = 'window.injected = true';
          document.body.append(script);
          const image = document.createElement('img');
          image.setAttribute('onerror', 'window.injected = true');
          image.src = '/nothing.png';
          document.body.append(image);
        }"""
        )
    page.wait_for_function("window.violations.length >= 2")
    assert page.evaluate("window.injected") is None
    assert page.evaluate("fetch('https://other.example/').then(() => 'sent', () => 'blocked')") == "blocked"


def test_a_receipt_can_be_printed(user: User) -> None:
    order_id = user.sign_up().order(health_potion=1)
    user.pays(order_id)
    user.context.add_init_script("window.printed = 0; window.print = () => { window.printed += 1; };")
    page = user.open(f"/orders/{order_id}")
    page.get_by_role("button", name="Print receipt").click()
    assert page.evaluate("window.printed") == 1
    assert page.evaluate("window.violations") == []


def test_not_modified_leaves_the_policy_of_the_page_as_it_is(user: User) -> None:
    page = httpx.get(user.store.url + "/library")
    assert "script-src 'self' 'sha256-" in page.headers["content-security-policy"]
    again = httpx.get(user.store.url + "/library", headers={"If-None-Match": page.headers["etag"]})
    assert again.status_code == 304
    assert "content-security-policy" not in again.headers


@pytest.mark.parametrize("path", ["/nowhere", "/de/nowhere", "/item/_", "/de/item/_", "/index", "/de/index.html"])
def test_the_page_that_says_that_there_is_none_runs(user: User, path: str) -> None:
    page = user.open(path)
    expect(page.locator("h1")).to_be_visible()
    assert page.evaluate("window.violations") == []


def test_only_files_that_exist_are_kept_for_a_year(user: User) -> None:
    html = httpx.get(user.store.url).text
    there = "/assets/" + html.partition("/assets/")[2].partition('"')[0]
    assert "immutable" in httpx.get(user.store.url + there).headers["cache-control"]
    missing = httpx.get(user.store.url + "/assets/nonexistent-abc.js")
    assert (missing.status_code, missing.headers["cache-control"]) == (404, "no-store")


def test_a_link_from_the_payment_page_leads_to_the_order(user: User) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert httpx.get(f"{user.store.url}/library", headers=headers).status_code == 200
