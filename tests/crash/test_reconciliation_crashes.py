"""The process that asks the provider about a lost payment dies, again and again: a later run settles the order."""

import signal

import pytest

from tests.crash.crashing_store import CrashingStore, failpoints_of
from tests.integration.shop import Shop


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_a_later_reconciliation_settles_the_order(store_with_provider: CrashingStore, shop: Shop) -> None:
    store = store_with_provider
    store.start()
    order_id = store.web.user().order(shop.item().sku)["order_id"]
    store.run_scenario(order_id, "drop-all")
    # The store reconciles regularly by itself: it must not do so before this test does.
    store.process.kill()

    for failpoint in failpoints_of("reconciliation"):
        assert store.reconcile(failpoint) == -signal.SIGKILL, failpoint
        assert store.summary(order_id) == ("pending", [], []), failpoint
        store.check()
    for _ in range(2):
        assert store.reconcile() == 0
        assert store.summary(order_id) == ("paid", ["payment"], ["granted"])

    store.start()
    store.check_outbox_drains()
