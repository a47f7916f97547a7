"""axe finds nothing, on any page, in either theme, signed in and out, with orders of every status."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from store_app.routes import in_language
from tests.e2e.user import User, settled
from tests.support.store import StoreProcess

pytestmark = pytest.mark.browser
PUBLIC = (
    "/",
    "/?q=sword",
    "/?q=no+such+thing",
    "/item/dragon-sword",
    "/login",
    "/register",
    "/library",
    "/nowhere",
)
SCENARIOS: Mapping[str, Sequence[str]] = {
    "health_potion": ("happy",),
    "wizard_hat": ("happy", "refund"),
    "magic_shield": ("happy", "partial-refund"),
    "starfall": ("happy", "chargeback"),
    "crystal_bow": ("decline",),
    "dragon_egg": ("wrong-amount",),
    "storm_hammer": (),
}


def _findings(user: User, path: str) -> list[str]:
    page = user.context.new_page()
    page.goto(user.store.url + path)
    settled(page)
    # Where a page goes on without its animation, colors are final.
    page.emulate_media(reduced_motion="reduce")
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    page.close()
    return [f"{path}: {one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]]


# No color depends on the language, and no word on the theme.
@pytest.mark.parametrize(("theme", "language"), [("dark", "en"), ("light", "de")])
def test_axe_finds_nothing(
    browser: Browser, small_store: StoreProcess, theme: Literal["dark", "light"], language: str
) -> None:
    visitor = User(small_store, browser.new_context(color_scheme=theme, reduced_motion="reduce"))
    found = [finding for path in PUBLIC for finding in _findings(visitor, in_language(path, language))]
    player = User(small_store, browser.new_context(color_scheme=theme, reduced_motion="reduce")).sign_up()
    orders = []
    for sku, scenarios in SCENARIOS.items():
        orders.append(player.order(**{sku: 1}))
        for scenario in scenarios:
            # Not all of them are acknowledged: a wrong amount is not.
            url = f"{small_store.simulator_url}/simulator/orders/{orders[-1]}/send"
            assert player.context.request.post(url, data={"scenario": scenario}).ok
    player.context.request.post(f"{small_store.url}/cart/add", form={"sku": "dragon-sword"}, max_redirects=0)
    own = ("/", "/cart", "/library", "/account", *(f"/orders/{order_id}" for order_id in orders))
    found += [finding for path in own for finding in _findings(player, in_language(path, language))]
    for user in (visitor, player):
        user.context.close()
    assert not found, "\n".join(found)
