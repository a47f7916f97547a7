"""The store dies while it places an order: the player's next try leads to the same order, once."""

import pytest

from tests.crash.crashing_store import Scene, Standing, failpoints_of
from tests.integration.shop import Shop
from tests.integration.web import Player

PAID: Standing = ("paid", ["payment"], ["granted"])
PENDING: Standing = ("pending", [], [])
KEY = "one-click"
NEWEST = "SELECT id FROM orders ORDER BY created_at DESC"


def _order_and_die(scene: Scene, name: str) -> tuple[Player, str, str]:
    """Let a player order a thing, of which the worker dies; return the player, the SKU and the order."""
    # Each worker dies of the second order that is placed.
    scene.start(f"{name}@2")
    player, sku = scene.web.player(), scene.shop.item().sku
    player.order(scene.shop.item().sku)
    scene.dies(lambda: player.order(sku, Idempotency_Key=KEY))
    order_id = str(scene.shop.rows(NEWEST)[0][0])
    assert scene.standing(order_id) == PENDING
    assert scene.shop.rows("SELECT id FROM payment_attempts WHERE order_id = :id", id=order_id) == []
    scene.check()
    scene.recovers()
    return player, sku, order_id


@pytest.mark.parametrize("name", failpoints_of("checkout"))
@pytest.mark.parametrize("dialect", ["sqlite"])
def test_the_next_try_leads_to_the_same_order(name: str, scene_with_provider: Scene, shop: Shop) -> None:
    scene = scene_with_provider
    player, sku, order_id = _order_and_die(scene, name)
    assert player.order(sku, Idempotency_Key=KEY)["order_id"] == order_id
    assert len(shop.rows("SELECT id FROM orders")) == len(shop.rows("SELECT id FROM payment_attempts")) == 2
    assert scene.at_provider(order_id, "duplicate")["acknowledged"]
    assert scene.standing(order_id) == PAID
    scene.check_everything_sent()


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_a_payment_page_of_which_only_the_provider_knows_can_be_paid(scene_with_provider: Scene) -> None:
    scene = scene_with_provider
    player, sku, order_id = _order_and_die(scene, "checkout: payment page opened")
    assert scene.at_provider(order_id, "happy")["acknowledged"]
    assert scene.standing(order_id) == PAID
    assert player.post("/api/purchases", {"items": [{"sku": sku, "quantity": 1}]}).status_code == 409
    scene.check_everything_sent()
