"""`python -m scripts.screenshot`: take the README's picture of the store page, from a running store."""

from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.support.browser import launch_options
from tests.support.store import StoreProcess

PICTURE = Path("docs/store.png")


def main() -> None:
    """Start a store with the sample items and take a screenshot of its first page."""
    with StoreProcess() as store, sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        page = browser.new_page(viewport={"width": 1200, "height": 760}, color_scheme="dark")
        page.goto(store.url)
        page.wait_for_selector("[data-testid=card]")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
