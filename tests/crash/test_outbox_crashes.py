"""The store dies between the commit and the message that should follow it: the message still comes."""

import json

import pytest

from store_app.accounts.service import CurrentUser
from tests.crash.crashing_store import SECONDS, Scene, Standing, failpoints_of
from tests.integration.shop import Shop, order_paid, wait_until

PAID: Standing = ("paid", ["payment"], ["granted"])


@pytest.mark.parametrize("name", failpoints_of("outbox"))
def test_a_message_whose_sender_died_reaches_the_player(name: str, scene: Scene, shop: Shop) -> None:
    # Each worker dies of the second message that it sends.
    scene.start(f"{name}@2")
    player = scene.web.player()
    current_user = CurrentUser(player.id, player.username, player.token)
    other, order = shop.order(current_user, shop.item()), shop.order(current_user, shop.item())
    scene.deliver(order_paid(other, "T0"))
    wait_until(scene.everything_sent, SECONDS)

    scene.dies_taking(order_paid(order))
    # Whether it was answered or not: the message follows a transaction that was committed.
    assert scene.standing(order.id) == PAID
    assert len(shop.rows("SELECT id FROM outbox")) == 1
    scene.check()

    scene.recovers()
    with scene.web.socket(Authorization=f"Bearer {player.token}") as listener:
        scene.let_leases_end()
        heard = json.loads(listener.recv(timeout=SECONDS))
    assert (heard["event"], heard["order_id"]) == ("purchase_success", order.id)
    scene.deliver(order_paid(order))
    assert scene.standing(order.id) == PAID
    scene.check_everything_sent()
