"""The process that asks the provider about a lost payment dies, again and again: a later pass settles it."""

import signal

import pytest

from tests.crash.crashing_store import Scene, failpoints_of
from tests.integration.shop import Shop


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_a_later_pass_settles_the_order(scene_with_provider: Scene, shop: Shop) -> None:
    scene = scene_with_provider
    scene.start()
    order_id = scene.web.player().order(shop.item().sku)["order_id"]
    scene.at_provider(order_id, "drop-all")
    # The store repairs by itself, now and then: it must not come before the passes of this test.
    scene.store.kill()

    for name in failpoints_of("repair"):
        assert scene.repair(name) == -signal.SIGKILL, name
        assert scene.standing(order_id) == ("pending", [], []), name
        scene.check()
    for _ in range(2):
        assert scene.repair() == 0
        assert scene.standing(order_id) == ("paid", ["payment"], ["granted"])

    scene.start()
    scene.check_everything_sent()
