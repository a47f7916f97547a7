"""Catalogues as a studio may have them: odd texts, broken covers, none, thousands, other currencies."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from store_app import languages
from store_app.routes import in_language
from tests.e2e.user import User, settled
from tests.support.store import StoreProcess

pytestmark = pytest.mark.browser
COLUMNS = ("sku", "name", "price", "currency", "kind", "tagline", "tags", "description", "facts")
ODD_NAMES = {
    "long": "The Exceedingly Long " + "Name" * 44,
    "arabic": "سيف التنين العظيم",
    "emoji": "\U0001f409\U0001f525 \U0001f468\u200d\U0001f469\u200d\U0001f467 Sword",
    "script": '<script>alert(1)</script>"onerror="x',
    "combining": "Z" + "\u0351" * 60,
}
TOO_WIDE = "document.documentElement.scrollWidth - innerWidth"


def _row(sku: str, name: str, price: str = "1.25", currency: str = "USD", **more: str) -> dict[str, str]:
    return {"sku": sku, "name": name, "price": price, "currency": currency, "kind": "consumable", **more}


@contextmanager
def _store_with(rows: Sequence[dict[str, str]], folder: Path) -> Iterator[StoreProcess]:
    with StoreProcess(samples=False) as store:
        if rows:
            with (folder / "items.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(rows)
            store.run("store_app", "items", "import", str(folder), "--apply")
        yield store


def test_odd_texts_break_no_page(browser: Browser, tmp_path: Path) -> None:
    texts = {"tagline": "<b>" + "W" * 150, "tags": "<i>Gear|" + "M" * 30, "facts": "<u>Label: " + "V" * 190}
    rows = [_row(sku, name, description="<p>long</p> " * 1_600, **texts) for sku, name in ODD_NAMES.items()]
    with _store_with(rows, tmp_path) as store:
        user = User(store, browser.new_context())
        page = user.context.new_page()
        page.on("dialog", lambda dialog: user.errors.append(dialog.message))
        paths = ("/", "/?tag=%3Ci%3EGear", *(f"/item/{sku}" for sku in ODD_NAMES))
        for path in (in_language(path, language) for path in paths for language in languages.known()):
            user.open(path, page)
            for width in (320, 1440):
                page.set_viewport_size({"width": width, "height": 800})
                assert page.evaluate(TOO_WIDE) <= 0, (path, width)
        user.open("/", page)
        for name in ODD_NAMES.values():
            expect(page.get_by_role("list", name="Items").get_by_text(name)).to_be_visible()
        assert not user.errors
        user.context.close()


def test_a_store_without_items_says_so(browser: Browser, tmp_path: Path) -> None:
    with _store_with([], tmp_path) as store:
        user = User(store, browser.new_context())
        page = user.open("/")
        expect(page.get_by_text("No items match")).to_be_visible()
        expect(user.open("/de").get_by_text("Keine passenden Artikel")).to_be_visible()
        expect(page.get_by_role("region", name="Featured")).to_have_count(0)
        assert not user.errors
        user.context.close()


@pytest.mark.parametrize(
    ("currency", "price", "shown", "german"),
    [
        ("JPY", "1500", "¥1,500", "1.500\u00a0¥"),
        ("KWD", "1.250", "KWD\u00a01.250", "1,250\u00a0KWD"),
    ],
)
def test_other_currencies_have_their_own_decimals(
    browser: Browser, tmp_path: Path, currency: str, price: str, shown: str, german: str
) -> None:
    with _store_with([_row("gem", "Gem", price, currency)], tmp_path) as store:
        user = User(store, browser.new_context())
        page = user.open("/item/gem")
        expect(page.get_by_test_id("price")).to_have_text(shown)
        expect(user.open("/de/item/gem").get_by_test_id("price")).to_have_text(german)
        assert not user.errors
        user.context.close()


def test_an_item_that_costs_nothing_is_in_the_library_at_once(browser: Browser, tmp_path: Path) -> None:
    with _store_with([_row("gift", "Gift", "0")], tmp_path) as store:
        user = User(store, browser.new_context()).sign_up()
        page = user.open("/item/gift")
        page.get_by_role("button", name="Buy now").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("It is in your library")
        assert len(user.purchases()) == 1
        user.context.close()


def test_ten_thousand_items(browser: Browser, tmp_path: Path) -> None:
    rows = [_row(f"item-{number}", f"Item {number}", tags=f"Tag {number % 7}") for number in range(10_000)]
    with _store_with(rows, tmp_path) as store:
        context = browser.new_context()
        page = context.new_page()
        page.goto(store.url)
        settled(page)
        cards = page.get_by_role("list", name="Items").get_by_test_id("card")
        expect(cards).to_have_count(24)
        expect(page.get_by_test_id("tag").first).to_have_text("All10000")
        page.get_by_role("button", name="Show more items").click()
        expect(cards).to_have_count(48)
        context.close()
