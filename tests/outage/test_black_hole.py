"""The network to PostgreSQL swallows everything without a word, or is slow."""

from tests.integration.shop import Shop, order_paid, wait_until
from tests.integration.web import Web
from tests.outage.load import Provider, Watch
from tests.support.invariants import check
from tests.support.network import Network

ORDERS = 60
# More than the store has connections, so that some wait for a thread.
THREADS = 12
CONNECTIONS = 8
SWALLOWED_FOR = 9.0
SLOW_FOR = 1.0
# Each way: a webhook needs some ten statements.
DELAY = 0.02
# The store gives up after 8 seconds; the rest is for a busy machine.
MAX_ANSWER_SECONDS = 12.0
SECONDS = 30


def test_a_black_hole_is_answered_in_time_and_survived(distant_web: Web, shop: Shop, network: Network) -> None:
    player, potion = shop.player(), shop.item(consumable=True)
    orders = [shop.order(player, potion) for _ in range(ORDERS)]
    with Provider(distant_web, [order_paid(order, f"T-{order.id}") for order in orders], THREADS) as provider:
        wait_until(lambda: len(provider.accepted) >= ORDERS // 2, SECONDS)
        with network.black_hole():
            watch = Watch(distant_web, SWALLOWED_FOR)
            assert network.dead_connections() >= CONNECTIONS, "not every connection was in use"
        assert len(provider.accepted) < 2 * ORDERS, "it was over before the black hole began"
        provider.wait(SECONDS)

    assert provider.statuses() == {204, 503}
    assert provider.slowest() < MAX_ANSWER_SECONDS
    watch.check("the database does not answer")
    assert watch.items.status == 503
    assert distant_web.http.get("/health").status_code == 200
    _check_paid_once(shop, [order.id for order in orders])
    check(shop.engine, provider.accepted)


def test_a_slow_network_costs_time_only(distant_web: Web, shop: Shop, network: Network) -> None:
    player, potion = shop.player(), shop.item(consumable=True)
    orders = [shop.order(player, potion) for _ in range(ORDERS // 2)]
    notifications = [order_paid(order, f"T-{order.id}") for order in orders]
    with network.slow(DELAY), Provider(distant_web, notifications, THREADS) as provider:
        watch = Watch(distant_web, SLOW_FOR)
        provider.wait(SECONDS)

    assert provider.statuses() == {204}
    watch.check()
    _check_paid_once(shop, [order.id for order in orders])
    check(shop.engine, provider.accepted)


def _check_paid_once(shop: Shop, order_ids: list[str]) -> None:
    rows = shop.rows("SELECT order_id FROM payments WHERE kind = 'payment'")
    assert sorted(row[0] for row in rows if row[0] in order_ids) == sorted(order_ids)
