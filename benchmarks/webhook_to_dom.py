"""The time from sending a paid order's notification until the library in a real Chromium shows it.

The page itself sends the notification, so that one clock measures the beginning and the end.
"""

import statistics
from collections.abc import Sequence
from uuid import uuid4

import httpx
from playwright.sync_api import Page, expect, sync_playwright

from benchmarks.deliveries import order_paid, place_order
from tests.support.browser import launch_options
from tests.support.postgres import fresh_database, postgres_server
from tests.support.redis import redis_server
from tests.support.store import StoreProcess

ORDERS, WARM_UP_ORDERS = 60, 10

# Sends the notification and waits for one more row in the library; returns milliseconds.
_SEND_AND_WATCH = """
([body, signature]) => new Promise((resolve, reject) => {
  const rows = () => document.querySelectorAll('[data-testid=purchase]').length;
  const before = rows();
  const observer = new MutationObserver(() => {
    if (rows() > before) { observer.disconnect(); resolve(performance.now() - begin); }
  });
  observer.observe(document.body, {childList: true, subtree: true});
  setTimeout(() => reject(new Error('nothing arrived within 5 s')), 5000);
  const begin = performance.now();
  fetch('/api/webhooks/payment', {method: 'POST', body, headers: {Authorization: signature}});
})
"""


def _sign_in(page: Page, store: StoreProcess, name: str) -> tuple[httpx.Client, str]:
    """Register in the browser and open the library; return an API client of the same user, and the user's id."""
    page.goto(f"{store.url}/register?next=/library")
    expect(page.locator("input[name=next]")).to_have_value("/library")
    page.fill("#username", name)
    page.fill("#password", "a long one, please")
    page.click("main button[type=submit]")
    page.wait_for_selector("text=Nothing here yet")
    session = {"username": name, "password": "a long one, please"}
    signed_in = httpx.post(f"{store.url}/api/sessions", json=session).raise_for_status().json()
    headers = {"Authorization": f"Bearer {signed_in['token']}"}
    return httpx.Client(base_url=store.url, headers=headers), signed_in["user_id"]


def measure(store: StoreProcess) -> list[float]:
    """Return the milliseconds of each order."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        page = browser.new_page()
        client, user_id = _sign_in(page, store, f"measured-{uuid4().hex[:8]}")
        times = []
        # A new user every 20 orders, fewer than a page of the library holds, so that each order adds a row.
        for number in range(ORDERS + WARM_UP_ORDERS):
            if number and number % 20 == 0:
                page.context.clear_cookies()
                client, user_id = _sign_in(page, store, f"measured-{uuid4().hex[:8]}")
            delivery = order_paid(store, place_order(client, user_id))
            arguments = [delivery.body.decode(), delivery.headers["Authorization"]]
            times.append(float(page.evaluate(_SEND_AND_WATCH, arguments)))
        browser.close()
    return times[WARM_UP_ORDERS:]


def _print(name: str, times: Sequence[float], goal: float) -> None:
    p95 = statistics.quantiles(times, n=20)[18]
    print(f"  {name}: median {statistics.median(times):.1f} ms (goal {goal:.0f}), p95 {p95:.1f} ms", flush=True)


def main() -> None:
    """Measure with SQLite and one worker, and with PostgreSQL, Redis and three workers."""
    print(f"from the notification to the row in the library, {ORDERS} orders:")
    with StoreProcess(simulator=True) as store:
        _print("SQLite, one worker", measure(store), 15)
    with (
        postgres_server() as server,
        redis_server() as redis,
        StoreProcess(simulator=True, database_url=fresh_database(server), redis_url=redis.url, workers=3) as store,
    ):
        _print("PostgreSQL, Redis, 3 workers", measure(store), 25)


if __name__ == "__main__":
    main()
