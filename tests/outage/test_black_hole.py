"""The network to PostgreSQL drops everything silently, or is slow."""

from tests.integration.shop import Shop, order_paid, wait_until
from tests.integration.web import Web
from tests.outage.load import HealthMonitor, RetryingProvider
from tests.support.invariants import check
from tests.support.network import Network

ORDERS = 60
# More than the store has database connections, so that some deliveries wait for one.
THREADS = 12
CONNECTIONS = 8
BLACK_HOLE_SECONDS = 9.0
SLOW_SECONDS = 1.0
# In each direction; a delivery needs some ten statements.
DELAY_SECONDS = 0.02
# The store times out after 8 seconds; the rest is a margin for a busy machine.
MAX_RESPONSE_SECONDS = 12.0
TIMEOUT_SECONDS = 30


def test_deliveries_during_a_black_hole_get_a_timely_response_and_succeed_later(
    web_behind_network: Web, shop: Shop, network: Network
) -> None:
    user, potion = shop.user(), shop.item(consumable=True)
    orders = [shop.order(user, potion) for _ in range(ORDERS)]
    notifications = [order_paid(order, f"T-{order.id}") for order in orders]
    with RetryingProvider(web_behind_network, notifications, THREADS) as provider:
        wait_until(lambda: len(provider.accepted) >= ORDERS // 2, TIMEOUT_SECONDS)
        with network.black_hole():
            monitor = HealthMonitor(web_behind_network, BLACK_HOLE_SECONDS)
            assert network.dead_connections() >= CONNECTIONS, "not every connection was in use"
        assert len(provider.accepted) < 2 * ORDERS, "all deliveries were done before the black hole began"
        provider.wait(TIMEOUT_SECONDS)

    assert provider.statuses() == {204, 503}
    assert provider.slowest() < MAX_RESPONSE_SECONDS
    monitor.check("the database does not answer")
    assert monitor.items.status == 503
    assert web_behind_network.http.get("/health").status_code == 200
    _check_paid_once(shop, [order.id for order in orders])
    check(shop.engine, provider.accepted)


def test_a_slow_network_only_makes_deliveries_slower(
    web_behind_network: Web, shop: Shop, network: Network
) -> None:
    user, potion = shop.user(), shop.item(consumable=True)
    orders = [shop.order(user, potion) for _ in range(ORDERS // 2)]
    notifications = [order_paid(order, f"T-{order.id}") for order in orders]
    with network.slow(DELAY_SECONDS), RetryingProvider(web_behind_network, notifications, THREADS) as provider:
        monitor = HealthMonitor(web_behind_network, SLOW_SECONDS)
        provider.wait(TIMEOUT_SECONDS)

    assert provider.statuses() == {204}
    monitor.check()
    _check_paid_once(shop, [order.id for order in orders])
    check(shop.engine, provider.accepted)


def _check_paid_once(shop: Shop, order_ids: list[str]) -> None:
    rows = shop.rows("SELECT order_id FROM payments WHERE kind = 'payment'")
    assert sorted(row[0] for row in rows if row[0] in order_ids) == sorted(order_ids)
