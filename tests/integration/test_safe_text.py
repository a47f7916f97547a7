"""Text that PostgreSQL rejects, in queries with what clients send: it matches nothing, and is never stored."""

from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from store_app.catalogue.queries import ItemFilter, find_item, list_items
from store_app.db.unit_of_work import read_session, unit_of_work
from store_app.errors import NotFound
from store_app.models import Item, Order
from store_app.orders.order import Orders
from tests.integration.shop import Shop

pytestmark = pytest.mark.parametrize("text", ["\0", "dragon\0sword", "\ud800", "sword \udfff"], ids=ascii)


def test_rejected_text_finds_no_row(shop: Shop, text: str) -> None:
    shop.item(name="Dragon")
    with read_session() as session:
        assert session.get(Order, text) is None
        assert list_items(session, ItemFilter(q=text)).rows == []
        with pytest.raises(NotFound):
            find_item(session, text)
    with unit_of_work() as session, pytest.raises(NotFound):
        Orders.of(session).lock(text)


def test_other_values_of_the_same_query_still_find_their_rows(shop: Shop, text: str) -> None:
    item, order = shop.item(), shop.order(shop.user(), shop.item())
    with unit_of_work() as session:
        assert session.exec(select(Item.sku).where(col(Item.sku).in_([text, item.sku]))).all() == [item.sku]
        orders = Orders.of(session)
        orders.lock_all([text, order.id])
        assert (orders.locked.get(text), orders.lock(order.id).facts) == (None, [])


def test_a_row_with_rejected_text_is_refused(shop: Shop, text: str) -> None:
    for field in ("sku", "name", "description"):
        changed: dict[str, Any] = {field: text}
        with pytest.raises(IntegrityError):
            shop.item(**changed)
    assert shop.rows("SELECT id FROM items") == []
