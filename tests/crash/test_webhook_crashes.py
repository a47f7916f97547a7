"""The store dies while it takes a notification: the order moved and the delivery is kept, or neither."""

import pytest

from tests.crash.crashing_store import Scene, Standing, failpoints_of
from tests.integration.shop import Shop, order_paid, refund

NEW: Standing = ("pending", [], [])
PAID: Standing = ("paid", ["payment"], ["granted"])
REFUNDED: Standing = ("refunded", ["payment", "refund"], ["refunded"])


@pytest.mark.parametrize("name", failpoints_of("webhook"))
def test_dying_with_a_notification_neither_loses_nor_doubles_it(name: str, scene: Scene, shop: Shop) -> None:
    player = shop.player()
    other, order = shop.order(player, shop.item()), shop.order(player, shop.item())
    committed = name == "webhook: after commit"
    # Each worker dies of the second notification that it takes.
    scene.start(f"{name}@2")
    scene.deliver(order_paid(other, "T0"))

    scene.dies_taking(order_paid(order))
    assert scene.standing(order.id) == (PAID if committed else NEW)
    assert len(shop.rows("SELECT id FROM webhook_deliveries")) == 1 + committed
    scene.check()

    scene.recovers()
    scene.deliver(order_paid(order))
    assert scene.standing(order.id) == PAID
    scene.dies_taking(refund(order))
    scene.store.kill()
    assert scene.standing(order.id) == (REFUNDED if committed else PAID)
    scene.check()

    scene.start()
    scene.deliver(refund(order))
    scene.deliver(order_paid(order))
    assert scene.standing(order.id) == REFUNDED
    assert scene.standing(other.id) == PAID
    scene.check_everything_sent()
