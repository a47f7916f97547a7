"""PostgreSQL stops abruptly under load, and comes back after some seconds."""

from tests.integration.shop import Shop, order_paid, wait_until
from tests.integration.web import Web
from tests.outage.load import HealthMonitor, RetryingProvider
from tests.support.invariants import check
from tests.support.postgres import PostgresServer

ORDERS = 120
STOPPED_SECONDS = 5.0
# A refused connection fails immediately, so that no delivery waits for a timeout.
MAX_RESPONSE_SECONDS = 5.0
TIMEOUT_SECONDS = 30


def test_notifications_sent_while_postgresql_is_stopped_are_applied_once_afterwards(
    web: Web, shop: Shop, own_postgres: PostgresServer
) -> None:
    user, potion = shop.user(), shop.item(consumable=True)
    orders = [shop.order(user, potion) for _ in range(ORDERS)]
    with RetryingProvider(web, [order_paid(order, f"T-{order.id}") for order in orders]) as provider:
        wait_until(lambda: len(provider.accepted) >= ORDERS // 4, TIMEOUT_SECONDS)
        own_postgres.kill()
        monitor = HealthMonitor(web, STOPPED_SECONDS)
        assert len(provider.accepted) < 2 * ORDERS, "all deliveries were done before the database stopped"
        own_postgres.start()
        provider.wait(TIMEOUT_SECONDS)
    shop.engine.dispose()

    assert provider.statuses() == {204, 503}
    assert provider.slowest() < MAX_RESPONSE_SECONDS
    monitor.check("the database does not answer")
    assert monitor.items.status == 503
    assert web.http.get("/health").status_code == 200
    paid = shop.rows("SELECT order_id FROM payments WHERE kind = 'payment'")
    assert sorted(row[0] for row in paid) == sorted(order.id for order in orders)
    check(shop.engine, provider.accepted)
