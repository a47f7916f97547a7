"""The store dies while it places an order: the user's next try leads to the same order, and to no second one."""

import pytest

from tests.crash.crashing_store import CrashingStore, OrderSummary, failpoints_of
from tests.integration.shop import Shop
from tests.integration.web import ApiUser

PAID: OrderSummary = ("paid", ["payment"], ["granted"])
PENDING: OrderSummary = ("pending", [], [])
KEY = "one-click"
NEWEST = "SELECT id FROM orders ORDER BY created_at DESC"


def _order_and_crash(store: CrashingStore, failpoint: str) -> tuple[ApiUser, str, str]:
    """Let a user order an item while the worker dies; return the user, the SKU and the order's id."""
    # Each worker dies of the second order that it places.
    store.start(f"{failpoint}@2")
    user, sku = store.web.user(), store.shop.item().sku
    user.order(store.shop.item().sku)
    store.crash_during(lambda: user.order(sku, Idempotency_Key=KEY))
    order_id = str(store.shop.rows(NEWEST)[0][0])
    assert store.summary(order_id) == PENDING
    attempts = store.shop.rows("SELECT state FROM payment_attempts WHERE order_id = :id", id=order_id)
    assert attempts == [("opening",)]
    store.check()
    store.wait_until_recovered()
    return user, sku, order_id


@pytest.mark.parametrize("failpoint", failpoints_of("checkout"))
@pytest.mark.parametrize("dialect", ["sqlite"])
def test_the_next_try_after_a_crash_leads_to_the_same_order(
    failpoint: str, store_with_provider: CrashingStore, shop: Shop
) -> None:
    store = store_with_provider
    user, sku, order_id = _order_and_crash(store, failpoint)
    assert user.order(sku, Idempotency_Key=KEY)["order_id"] == order_id
    assert len(shop.rows("SELECT id FROM orders")) == 2
    assert len(shop.rows("SELECT id FROM payment_attempts WHERE state = 'open'")) == 2
    assert store.run_scenario(order_id, "duplicate")["acknowledged"]
    assert store.summary(order_id) == PAID
    store.check_outbox_drains()


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_a_payment_page_that_the_crashed_store_did_not_record_can_be_paid(
    store_with_provider: CrashingStore,
) -> None:
    store = store_with_provider
    user, sku, order_id = _order_and_crash(store, "checkout: payment page opened")
    assert store.run_scenario(order_id, "happy")["acknowledged"]
    assert store.summary(order_id) == PAID
    assert user.post("/api/purchases", {"items": [{"sku": sku, "quantity": 1}]}).status_code == 409
    store.check_outbox_drains()
