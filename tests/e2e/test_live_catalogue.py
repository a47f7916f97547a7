"""An import of items is on every open page, signed in or not, without a reload."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import BOTH_SHAPES, NewUser
from tests.support.store import StoreProcess

pytestmark = pytest.mark.browser
# The outbox is read once a second.
SOON_MS = 3_000
ITEM = "sku,name,price,kind,tags\nstorm-lantern,{},1.25,consumable,Gear\n"


@pytest.fixture(params=BOTH_SHAPES)
def store(request: pytest.FixtureRequest) -> object:
    """Return the store in both shapes."""
    return request.getfixturevalue(request.param)


def _import(store: StoreProcess, folder: Path, name: str) -> None:
    (folder / "items.csv").write_text(ITEM.format(name), encoding="utf-8")
    store.run("store_app", "items", "import", str(folder), "--apply")


def test_an_import_is_on_open_pages(new_user: NewUser, store: StoreProcess, tmp_path: Path) -> None:
    _import(store, tmp_path, "Storm Lantern")
    for user in (new_user(), new_user().sign_up()):
        # Its number stays in the header, which the message refreshes too.
        user.context.request.post(f"{store.url}/cart/add", form={"sku": "health-potion"}, max_redirects=0)
        listed, item = user.open("/?q=lantern"), user.open("/item/storm-lantern")
        _import(store, tmp_path, f"Lantern of {user.name}")
        for page in (listed, item):
            shown = page.locator("main").get_by_text(f"Lantern of {user.name}").first
            expect(shown).to_be_visible(timeout=SOON_MS)
            expect(page.get_by_test_id("cart-count")).to_have_text("1 item")
