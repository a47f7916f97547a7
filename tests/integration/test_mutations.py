"""Tests for mutations that the other tests, which depend on races, notice only most of the time."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from store_app.db.unit_of_work import unit_of_work
from store_app.errors import NotFound
from store_app.orders import service
from store_app.orders.locked_order import lock
from tests.integration.shop import Shop


@pytest.mark.parametrize("dialect", ["postgresql"])
def test_a_locked_order_is_locked_until_its_transaction_ends(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    lock_now = text("SELECT id FROM orders WHERE id = :id FOR NO KEY UPDATE NOWAIT")
    with unit_of_work() as session, shop.engine.connect() as other:
        lock(session, order.id)
        with pytest.raises(OperationalError, match="could not obtain lock"):
            other.execute(lock_now, {"id": order.id})
    with shop.engine.connect() as other:
        assert other.execute(lock_now, {"id": order.id}).scalar_one() == order.id


def test_a_user_cannot_cancel_the_order_of_another_user(shop: Shop) -> None:
    order, stranger = shop.order(shop.user(), shop.item()), shop.user()
    with pytest.raises(NotFound):
        service.cancel(stranger.user_id, order.id)
    assert shop.read(order.id).status == "pending"
