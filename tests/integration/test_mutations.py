"""Tests for mutations that the other tests, which depend on races, notice only most of the time."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from store_app.db.unit_of_work import unit_of_work
from store_app.errors import NotFound
from store_app.models import PaymentKind
from store_app.orders import service
from store_app.orders.ledger import Fact
from store_app.orders.order import Orders
from tests.integration.shop import Shop, order_paid, wait_until

WAITING = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.mark.parametrize("dialect", ["postgresql"])
def test_a_locked_order_is_locked_until_its_transaction_ends(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    lock_now = text("SELECT id FROM orders WHERE id = :id FOR NO KEY UPDATE NOWAIT")
    with unit_of_work() as session, shop.engine.connect() as other:
        Orders.of(session).lock(order.id)
        with pytest.raises(OperationalError, match="could not obtain lock"):
            other.execute(lock_now, {"id": order.id})
    with shop.engine.connect() as other:
        assert other.execute(lock_now, {"id": order.id}).scalar_one() == order.id


@pytest.mark.parametrize("dialect", ["postgresql"])
def test_a_line_that_another_order_grants_at_the_same_moment_is_held(shop: Shop) -> None:
    user, sword = shop.user(), shop.item()
    first, second = shop.order(user, sword), shop.order(user, sword)
    with ThreadPoolExecutor(1) as threads:
        with unit_of_work() as work:
            payment = Fact(PaymentKind.PAYMENT, "T1", "xsolla", "T1", amount=first.total)
            Orders.of(work).lock(first.id).record(payment)
            paid = threads.submit(shop.notify, order_paid(second, "T2"))
            wait_until(lambda: shop.rows(WAITING) == [(1,)])
        assert paid.result().status == 204
    assert (shop.purchases(first.id), shop.purchases(second.id)) == (["granted"], ["held"])


@pytest.mark.parametrize("dialect", ["postgresql"])
def test_a_checkout_waits_for_another_one_of_its_user(shop: Shop) -> None:
    user, sword = shop.user(), shop.item()
    lock = text("SELECT id FROM users WHERE id = :id FOR NO KEY UPDATE")
    with ThreadPoolExecutor(1) as threads:
        with shop.engine.begin() as connection:
            connection.execute(lock, {"id": user.user_id})
            placed = threads.submit(shop.buy, user, {sword.sku: 1})
            wait_until(lambda: shop.rows(WAITING) == [(1,)])
            assert shop.rows("SELECT id FROM orders") == []
        assert placed.result().status == "pending"


def test_a_user_cannot_cancel_the_order_of_another_user(shop: Shop) -> None:
    order, stranger = shop.order(shop.user(), shop.item()), shop.user()
    with pytest.raises(NotFound):
        service.cancel(stranger.user_id, order.id)
    assert shop.read(order.id).status == "pending"
