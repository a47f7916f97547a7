"""Concurrent actions on one order: no deadlocks, nothing is granted twice, the invariants hold."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from store_app.accounts.service import CurrentUser, find_current_user, open_session, sign_out
from store_app.checkout import cart
from store_app.db.unit_of_work import unit_of_work
from store_app.errors import Refusal
from store_app.models import Order
from store_app.orders import service
from store_app.orders.order import Orders
from store_app.orders.service import close_account
from tests.integration.shop import Shop, declined, order_paid, refund, sign, wait_until
from tests.support.deliveries import receive
from tests.support.invariants import check

Action = Callable[[], Any]


def _at_once(actions: list[Action]) -> list[Any]:
    """Run all actions at the same time; any exception but a refusal is raised."""
    barrier = threading.Barrier(len(actions))

    def run(action: Action) -> Any:
        barrier.wait()
        with suppress(Refusal):
            return action()
        return None

    with ThreadPoolExecutor(len(actions)) as threads:
        return list(threads.map(run, actions))


def test_the_same_payment_many_times_at_once_grants_once(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    body = json.dumps(order_paid(order)).encode()
    outcomes = _at_once([lambda: receive(body, sign(body), {})] * 16)
    assert [outcome.status for outcome in outcomes] == [204] * 16
    assert sorted(outcome.verdict for outcome in outcomes) == ["done", *["repeat"] * 15]
    assert shop.purchases(order.id) == ["granted"]
    assert len(shop.rows("SELECT id FROM outbox WHERE payload LIKE '%purchase_success%'")) == 1
    assert len(shop.rows("SELECT id FROM webhook_deliveries")) == 16
    check(shop.engine, [body])


def _expire() -> int:
    with unit_of_work() as work:
        return Orders.of(work).expire_due()


def _everything(shop: Shop, user: CurrentUser, order: Order, sku: str) -> list[Action]:
    return [
        lambda: shop.notify(order_paid(order, "A" + order.id[:8])),
        lambda: shop.notify(order_paid(order, "B" + order.id[:8])),
        lambda: shop.notify(refund(order, "A" + order.id[:8])),
        lambda: shop.notify(declined(order)),
        lambda: service.cancel(user.user_id, order.id),
        lambda: shop.buy(user, {sku: 1}),
        lambda: cart.add(user.user_id, sku),
        _expire,
    ]


@pytest.mark.parametrize("attempt", range(5))
def test_everything_at_once_on_one_order(shop: Shop, attempt: int) -> None:
    user, sword = shop.user(), shop.item()
    order = shop.order(user, sword)
    shop.age(order.id)
    actions = _everything(shop, user, order, sword.sku)
    _at_once(actions[attempt:] + actions[:attempt])
    check(shop.engine)
    # Payment A was refunded and payment B was not: whatever happened in between, the order ends paid.
    assert shop.read(order.id).status == "paid"
    assert shop.rows("SELECT COUNT(*) FROM webhook_deliveries WHERE verdict = 'failed'") == [(0,)]


def _pay_action(shop: Shop, order: Order) -> Action:
    return lambda: shop.notify(order_paid(order, f"T{order.id[:12]}"))


def _check_that_one_order_is_granted(shop: Shop, orders: list[Order]) -> None:
    assert sorted({tuple(set(shop.purchases(order.id))) for order in orders}) == [("granted",), ("held",)]
    check(shop.engine)


def test_of_two_orders_for_the_same_items_one_is_granted(shop: Shop) -> None:
    user, items = shop.user(), [shop.item() for _ in range(12)]
    orders = [shop.order(user, *items), shop.order(user, *items[::-1])]
    outcomes = _at_once([_pay_action(shop, order) for order in orders])
    assert [outcome.status for outcome in outcomes] == [204, 204]
    _check_that_one_order_is_granted(shop, orders)


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
@pytest.mark.parametrize("attempt", range(4))
def test_two_orders_for_the_same_items_do_not_deadlock(shop: Shop, attempt: int) -> None:
    user, items = shop.user(), [shop.item(), shop.item()]
    orders = [shop.order(user, *items), shop.order(user, *items[::-1]), shop.order(user, items[0])]
    row = """
        INSERT INTO purchases
               (order_id, user_id, item_id, quantity, unit_price, currency, owned_once, timestamp, status)
        SELECT order_id, user_id, item_id, quantity, unit_price, currency, owned_once, timestamp, 'granted'
        FROM pending_purchases WHERE order_id = :order
    """
    both_wait = (
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with ThreadPoolExecutor(2) as threads:
        # Both wait at the first item; if one of them had inserted the second already, they would now deadlock.
        with shop.engine.connect() as connection:
            connection.execute(text(row), {"order": orders[2].id})
            outcomes = [
                threads.submit(_pay_action(shop, order)) for order in orders[:2][:: 1 if attempt % 2 else -1]
            ]
            wait_until(lambda: shop.rows(both_wait) == [(2,)])
            connection.rollback()
        assert [outcome.result().status for outcome in outcomes] == [204, 204]
    _check_that_one_order_is_granted(shop, orders[:2])


def test_paying_while_the_user_empties_the_cart(shop: Shop) -> None:
    user, items = shop.user(), [shop.item() for _ in range(6)]
    for item in items:
        cart.add(user.user_id, item.sku)
    order = shop.order(user, *items)
    removals = [lambda sku=item.sku: cart.remove(user.user_id, sku) for item in items]
    _at_once([lambda: shop.notify(order_paid(order)), *removals])
    assert shop.read(order.id).status == "paid"
    assert shop.rows("SELECT id FROM cart_lines") == []
    check(shop.engine)


def test_workers_that_expire_orders_at_the_same_time_expire_each_once(shop: Shop) -> None:
    user, potion = shop.user(), shop.item(consumable=True)
    placed = [shop.order(user, potion) for _ in range(10)]
    for order in placed:
        shop.age(order.id)
    assert sum(_at_once([_expire] * 4)) == 10
    assert shop.rows("SELECT COUNT(*) FROM order_events WHERE kind = 'expired'") == [(10,)]
    check(shop.engine)


def test_a_unit_of_work_inside_another_is_refused_instead_of_waiting_for_itself(shop: Shop) -> None:
    with unit_of_work(), pytest.raises(RuntimeError, match="pass the session on"), unit_of_work():
        pass
    assert shop.user().user_id


def test_signing_out_while_the_account_is_closed_is_no_deadlock(shop: Shop) -> None:
    for _ in range(30):
        user = shop.user()
        session = open_session(user.user_id)
        current_user = find_current_user(session.token)
        assert current_user is not None
        _at_once([partial(sign_out, current_user), partial(close_account, current_user, user.user_id)])
    assert shop.rows("SELECT token_hash FROM sessions WHERE ended_at IS NULL") == []
