"""`make screenshots`: every page, in both themes and three widths, into `test-results/screenshots`.

`make screenshots ARGS=docs` takes those of the README, into `docs/pictures`.
"""

import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, ViewportSize, sync_playwright

from scripts import chromium
from tests.e2e.user import User, settled
from tests.support.store import StoreProcess

FOLDER = Path("test-results/screenshots")
THEMES: tuple[Literal["dark", "light"], ...] = ("dark", "light")
WIDTHS = (1440, 768, 360)
DOCS = Path("docs/pictures")
_DESKTOP, _PHONE = ViewportSize(width=1280, height=800), ViewportSize(width=390, height=780)
_DOCS_PAGES: tuple[tuple[str, str, ViewportSize, Literal["dark", "light"]], ...] = (
    ("store", "/", _DESKTOP, "dark"),
    ("item", "/item/starfall", _DESKTOP, "dark"),
    ("library", "/library", _DESKTOP, "dark"),
    ("phone", "/item/dragon-sword", _PHONE, "light"),
)
# For somebody who is not signed in.
PUBLIC = {
    "home": "/",
    "search": "/?q=sword",
    "nothing-found": "/?q=no+such+thing",
    "item": "/item/dragon-sword",
    "login": "/login",
    "register": "/register",
    "not-found": "/no/such/page",
    "library-signed-out": "/library",
}


def _of_a_player(user: User) -> dict[str, str]:
    """Make a player's purchases, and return the addresses of their pages."""
    user.sign_up()
    empty = {"account-empty": "/account", "library-empty": "/library", "cart-empty": "/cart"}
    for name, path in empty.items():
        _shoot_tab(user, name, path)
    orders = {
        "order-paid": user.order(starfall=1, health_potion=3),
        "order-refunded": user.order(wizard_hat=1),
        "order-partly": user.order(magic_shield=1, speed_boots=1),
        "order-declined": user.order(crystal_bow=1),
    }
    for name, scenarios in {
        "order-paid": ("happy",),
        "order-refunded": ("happy", "refund"),
        "order-partly": ("happy", "partial-refund"),
        "order-declined": ("decline",),
    }.items():
        for scenario in scenarios:
            user.pays(orders[name], scenario)
    orders["order-open"] = user.order(storm_hammer=1)
    for sku in ("dragon-sword", "health-potion"):
        user.context.request.post(f"{user.store.url}/cart/add", form={"sku": sku}, max_redirects=0)
    pages = {name: f"/orders/{order_id}" for name, order_id in orders.items()}
    return {**pages, "library": "/library", "account": "/account", "cart": "/cart", "item-owned": "/item/starfall"}


def _shoot_tab(user: User, name: str, path: str) -> None:
    page = user.context.new_page()
    page.goto(user.store.url + path)
    settled(page)
    # Pictures below the fold load when they are near.
    page.evaluate("scrollTo({ top: document.body.scrollHeight, behavior: 'instant' })")
    page.wait_for_load_state("networkidle")
    page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    width = page.evaluate("innerWidth")
    theme = "dark" if page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
    page.screenshot(path=FOLDER / f"{name}-{width}-{theme}.png", full_page=True)
    page.close()


def _visitor(browser: Browser, store: StoreProcess, width: int, theme: Literal["dark", "light"]) -> User:
    size = ViewportSize(width=width, height=900 if width > 700 else 740)
    return User(store, browser.new_context(viewport=size, color_scheme=theme))


def _all_pages(browser: Browser, store: StoreProcess, chosen: Sequence[str]) -> None:
    for width in WIDTHS:
        for theme in THEMES:
            visitor = _visitor(browser, store, width, theme)
            player = _visitor(browser, store, width, theme)
            for who, pages in ((visitor, PUBLIC), (player, _of_a_player(player))):
                for name, path in pages.items():
                    if not chosen or name in chosen:
                        _shoot_tab(who, name, path)
    print(f"{len(list(FOLDER.glob('*.png')))} pictures in {FOLDER}")


def _for_docs(browser: Browser, store: StoreProcess) -> None:
    DOCS.mkdir(exist_ok=True)
    for name, path, size, theme in _DOCS_PAGES:
        context = browser.new_context(viewport=size, color_scheme=theme)
        user = User(store, context)
        if path == "/library":
            user.sign_up()
            for sku in ("starfall", "dragon_sword", "the_lantern_below", "sky_citadel", "magic_shield"):
                user.pays(user.order(**{sku: 1}))
        page = user.open(path)
        page.wait_for_load_state("networkidle")
        picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
        picture.save(DOCS / f"{name}.webp", quality=84, method=6)


def main(chosen: Sequence[str]) -> None:
    """Take the pictures whose names are chosen; all, if none is."""
    with (
        StoreProcess(simulator=True) as store,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium.provide(), args=["--no-sandbox"]) as browser,
    ):
        if "docs" in chosen:
            _for_docs(browser, store)
        else:
            _all_pages(browser, store, chosen)


if __name__ == "__main__":
    main(sys.argv[1:])
