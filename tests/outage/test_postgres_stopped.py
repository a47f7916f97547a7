"""PostgreSQL stops at once, in the middle of everything, and comes back after some seconds."""

from tests.integration.shop import Shop, order_paid, wait_until
from tests.integration.web import Web
from tests.outage.load import Provider, Watch
from tests.support.invariants import check
from tests.support.postgres import PostgresServer

ORDERS = 120
AWAY = 5.0
# Nothing is waited for: who cannot connect is told so at once.
MAX_ANSWER_SECONDS = 5.0
SECONDS = 30


def test_what_was_notified_meanwhile_is_taken_afterwards_once(
    web: Web, shop: Shop, postgres_of_our_own: PostgresServer
) -> None:
    player, potion = shop.player(), shop.item(consumable=True)
    orders = [shop.order(player, potion) for _ in range(ORDERS)]
    with Provider(web, [order_paid(order, f"T-{order.id}") for order in orders]) as provider:
        wait_until(lambda: len(provider.accepted) >= ORDERS // 4, SECONDS)
        postgres_of_our_own.kill()
        watch = Watch(web, AWAY)
        assert len(provider.accepted) < 2 * ORDERS, "it was over before the database stopped"
        postgres_of_our_own.start()
        provider.wait(SECONDS)
    shop.engine.dispose()

    assert provider.statuses() == {204, 503}
    assert provider.slowest() < MAX_ANSWER_SECONDS
    watch.check("the database does not answer")
    assert watch.items.status == 503
    assert web.http.get("/health").status_code == 200
    paid = shop.rows("SELECT order_id FROM payments WHERE kind = 'payment'")
    assert sorted(row[0] for row in paid) == sorted(order.id for order in orders)
    check(shop.engine, provider.accepted)
