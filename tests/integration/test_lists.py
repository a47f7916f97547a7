"""The pages of lists on both databases: complete, read by index, and with statements that are built once."""

import asyncio
import random
import re
from typing import Any

import pytest
from sqlalchemy import event, insert

from store_app.accounts.service import find_current_user, open_session, session_is_open
from store_app.catalogue.queries import ItemFilter, Sort, list_items
from store_app.checkout import cart
from store_app.db.pagination import MAX_ID, make_cursor
from store_app.db.unit_of_work import read_session
from store_app.errors import Invalid
from store_app.library.queries import list_purchases
from store_app.models import Item, ItemKind, ItemRow
from store_app.web.catalogue.state import ItemListState
from tests.integration.shop import Shop

each_sort = pytest.mark.parametrize("sort", Sort)
SQL_ORDER = {
    Sort.FEATURED: "id",
    Sort.NEWEST: "id DESC",
    Sort.PRICE_LOW: "price, id",
    Sort.PRICE_HIGH: "price DESC, id DESC",
    Sort.NAME: "name, id",
}
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
NAMES = ("Ärmel", "Map", "map", "Zebra", "élan", "日本", "a'b", FAMILY, "می\u200cخواهم", "日本\u3000語", "س" * 200)


def _fill(shop: Shop, count: int) -> None:
    """Put items on sale, many of them with the same price or name, and in no order."""
    chance = random.Random(7)
    rows = [
        {
            "sku": f"item-{number}",
            "name": chance.choice(NAMES),
            "price": chance.choice((0, 100, 199)),
            "kind": chance.choice([*ItemKind]),
        }
        for number in range(count)
    ]
    with shop.engine.begin() as connection:
        connection.execute(insert(Item), rows)


def _walk(wanted: ItemFilter, limit: int) -> list[ItemRow]:
    found: list[ItemRow] = []
    cursor = ""
    with read_session() as session:
        while True:
            page = list_items(session, wanted, limit, cursor)
            found += page.rows
            cursor = page.next_cursor
            if not cursor:
                return found
            assert len(page.rows) == limit


@each_sort
@pytest.mark.parametrize("limit", [1, 7, 50])
def test_a_walk_over_all_pages_gives_each_item_once_in_order(shop: Shop, sort: Sort, limit: int) -> None:
    _fill(shop, 100)
    found = _walk(ItemFilter(sort=sort), limit)
    assert len({item.id for item in found}) == len(found) == 100
    assert [(item.id,) for item in found] == shop.rows(f"SELECT id FROM items ORDER BY {SQL_ORDER[sort]}")


@each_sort
def test_filters_hold_on_every_page(shop: Shop, sort: Sort) -> None:
    _fill(shop, 100)
    found = _walk(ItemFilter("m a", ItemKind.CONSUMABLE, 100, 150, sort), 3)
    expected = shop.rows(
        "SELECT id FROM items WHERE lower(name) = 'map' AND kind = 'consumable' AND price = 100 ORDER BY id"
    )
    assert expected
    assert sorted((item.id,) for item in found) == expected


@pytest.mark.parametrize("sort", [Sort.FEATURED, Sort.NEWEST])
def test_a_cursor_of_an_earlier_release_is_refused(shop: Shop, sort: Sort) -> None:
    shop.item()
    with read_session() as session, pytest.raises(Invalid, match="Start again without it"):
        list_items(session, ItemFilter(sort=sort), cursor=make_cursor(sort, 1, 1))


def test_a_tab_with_a_cursor_of_an_earlier_release_shows_the_first_page(shop: Shop) -> None:
    _fill(shop, 30)
    state: Any = ItemListState(_reflex_internal_init=True)  # type: ignore[call-arg]
    load_more: Any = ItemListState.event_handlers["load_more"].fn
    state._cursor = make_cursor(Sort.FEATURED, 24, 24)
    asyncio.run(load_more(state))
    assert [card.sku for card in state.cards] == [f"item-{number}" for number in range(24)]
    assert state.has_more
    asyncio.run(load_more(state))
    assert len(state.cards) == 30
    assert not state.has_more


@pytest.mark.parametrize("number", [0, MAX_ID])
def test_ids_at_the_ends_are_no_error(shop: Shop, number: int) -> None:
    _fill(shop, 3)
    with read_session() as session:
        for sort, key in ((Sort.NEWEST, [number]), (Sort.PRICE_HIGH, [number, number])):
            rows = list_items(session, ItemFilter(sort=sort), cursor=make_cursor(sort, *key)).rows
            assert len(rows) == (3 if number else 0)
        assert list_purchases(session, "nobody", cursor=make_cursor("purchases", number)).rows == []


@each_sort
def test_the_next_page_is_searched_in_an_index_and_not_sorted(shop: Shop, sort: Sort) -> None:
    _fill(shop, 5_000)
    if shop.dialect == "postgresql":
        # SQLite has no statistics in production either.
        shop.change("ANALYZE items")
    plan = _plan(shop, ItemFilter(sort=sort))
    column = {Sort.NAME: "name", Sort.PRICE_LOW: "price", Sort.PRICE_HIGH: "price"}.get(sort, "id")
    assert re.search(rf"{column}[<>]\?|Index Cond: .*{column}.* [<>]", plan), plan
    assert not re.search("Sort|B-TREE", plan), plan


def _plan(shop: Shop, wanted: ItemFilter) -> str:
    explain = "EXPLAIN QUERY PLAN " if shop.dialect == "sqlite" else "EXPLAIN "
    plans: list[str] = []

    def note(connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if statement.startswith("SELECT") and not plans:
            plans.append("")
            rows = connection.exec_driver_sql(explain + statement, parameters)
            plans[0] = "\n".join(str(row[-1]) for row in rows)

    with read_session() as session:
        cursor = list_items(session, wanted).next_cursor
        event.listen(shop.engine, "before_cursor_execute", note)
        list_items(session, wanted, cursor=cursor)
        event.remove(shop.engine, "before_cursor_execute", note)
    return plans[0]


def test_prebuilt_statements_take_their_values_from_each_call(shop: Shop) -> None:
    first, second = shop.user(), shop.user()
    potion = shop.item(consumable=True)
    shop.paid_order(first, potion)
    cart.add(second.user_id, potion.sku)
    tokens = [open_session(user.user_id).token for user in (first, second)]
    for user, token in zip((first, second), tokens, strict=True):
        found = find_current_user(token)
        assert found is not None
        assert found.user_id == user.user_id
        with read_session() as session:
            assert session_is_open(session, found.session_hash)
            assert not session_is_open(session, token)
            assert cart.count(session, user.user_id) == (user is second)
            assert len(list_purchases(session, user.user_id).rows) == (user is first)
