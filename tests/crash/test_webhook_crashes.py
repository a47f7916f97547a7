"""The store dies while it processes a notification: the order changed and the delivery is kept, or neither."""

import pytest

from tests.crash.crashing_store import CrashingStore, OrderSummary, failpoints_of
from tests.integration.shop import Shop, order_paid, refund

NEW: OrderSummary = ("pending", [], [])
PAID: OrderSummary = ("paid", ["payment"], ["granted"])
REFUNDED: OrderSummary = ("refunded", ["payment", "refund"], ["refunded"])


@pytest.mark.parametrize("failpoint", failpoints_of("webhook"))
def test_a_crash_neither_loses_a_notification_nor_applies_it_twice(
    failpoint: str, store: CrashingStore, shop: Shop
) -> None:
    user = shop.user()
    other, order = shop.order(user, shop.item()), shop.order(user, shop.item())
    committed = failpoint == "webhook: after commit"
    # Each worker dies of the second notification that it processes.
    store.start(f"{failpoint}@2")
    store.deliver(order_paid(other, "T0"))

    store.crash_while_processing(order_paid(order))
    assert store.summary(order.id) == (PAID if committed else NEW)
    assert len(shop.rows("SELECT id FROM webhook_deliveries")) == 1 + committed
    store.check()

    store.wait_until_recovered()
    store.deliver(order_paid(order))
    assert store.summary(order.id) == PAID
    store.crash_while_processing(refund(order))
    store.process.kill()
    assert store.summary(order.id) == (REFUNDED if committed else PAID)
    store.check()

    store.start()
    store.deliver(refund(order))
    store.deliver(order_paid(order))
    assert store.summary(order.id) == REFUNDED
    assert store.summary(other.id) == PAID
    store.check_outbox_drains()
