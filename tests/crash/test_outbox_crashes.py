"""The store dies between a commit and the message that must follow it: the message is still sent."""

import json

import pytest

from store_app.accounts.service import CurrentUser
from tests.crash.crashing_store import TIMEOUT_SECONDS, CrashingStore, OrderSummary, failpoints_of
from tests.integration.shop import Shop, order_paid, wait_until

PAID: OrderSummary = ("paid", ["payment"], ["granted"])


@pytest.mark.parametrize("failpoint", failpoints_of("outbox"))
def test_a_message_whose_sender_died_reaches_the_user(failpoint: str, store: CrashingStore, shop: Shop) -> None:
    # Each worker dies of the second message that it sends.
    store.start(f"{failpoint}@2")
    user = store.web.user()
    current_user = CurrentUser(user.id, user.username, user.token)
    other, order = shop.order(current_user, shop.item()), shop.order(current_user, shop.item())
    store.deliver(order_paid(other, "T0"))
    wait_until(store.outbox_is_empty, TIMEOUT_SECONDS)

    store.crash_while_processing(order_paid(order))
    # Whether or not the delivery was acknowledged: the message follows a database transaction that committed.
    assert store.summary(order.id) == PAID
    assert len(shop.rows("SELECT id FROM outbox")) == 1
    store.check()

    store.wait_until_recovered()
    with store.web.socket(Authorization=f"Bearer {user.token}") as listener:
        store.expire_leases()
        message = json.loads(listener.recv(timeout=TIMEOUT_SECONDS))
    assert (message["event"], message["order_id"]) == ("purchase_success", order.id)
    store.deliver(order_paid(order))
    assert store.summary(order.id) == PAID
    store.check_outbox_drains()
