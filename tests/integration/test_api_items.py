"""GET /api/items on running stores."""

from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.integration.web import Json, Web, problem

FIELDS = {"id", "sku", "name", "description", "price", "currency", "kind", "image_url"}
SORTS = ("featured", "newest", "price", "-price", "name")


def _all(web: Web, **query: Any) -> list[Json]:
    answer = web.http.get("/api/items", params={"limit": 100, **query})
    assert answer.status_code == 200, answer.text
    items: list[Json] = answer.json()
    return items


def test_items_are_an_array_with_the_fields_of_the_contract(web: Web) -> None:
    items = _all(web)
    assert len(items) >= 24
    assert all(set(item) == FIELDS for item in items)
    sword = items[0]
    assert (sword["sku"], sword["name"], sword["price"], sword["currency"]) == (
        "dragon-sword",
        "Dragon Sword",
        999.99,
        "USD",
    )
    assert {item["kind"] for item in items} == {"consumable", "non_consumable"}
    answer = web.http.get("/api/items")
    assert len(answer.json()) == 24
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("sort", SORTS)
def test_the_pages_list_every_item_once(web: Web, sort: str) -> None:
    first = web.http.get("/api/items", params={"sort": sort, "limit": 5})
    pages = list(web.follow(first))
    assert all(len(page) == 5 for page in pages[:-1])
    assert [item for page in pages for item in page] == _all(web, sort=sort)


def test_items_are_sorted(web: Web) -> None:
    prices = [item["price"] for item in _all(web, sort="price")]
    assert prices == sorted(prices)
    prices = [item["price"] for item in _all(web, sort="-price")]
    assert prices == sorted(prices, reverse=True)
    names = [item["name"] for item in _all(web, sort="name")]
    assert names == sorted(names)
    assert [item["id"] for item in _all(web, sort="newest")] == sorted((i["id"] for i in _all(web)), reverse=True)


def test_items_of_one_price_are_all_listed(web: Web) -> None:
    skus = [f"same-{uuid4().hex[:8]}" for _ in range(7)]
    for sku in skus:
        _put_on_sale(web, sku, "Twin", 1_234_567)
    wanted: Json = {"min_price": "12345.67", "max_price": "12345.67", "limit": 2}
    for sort in SORTS:
        pages = web.follow(web.http.get("/api/items", params={**wanted, "sort": sort}))
        found = [item["sku"] for page in pages for item in page]
        assert sorted(found) == sorted(skus)
    web.change("UPDATE items SET status = 'withdrawn' WHERE price = 1234567")


def _put_on_sale(web: Web, sku: str, name: str, price: int) -> None:
    web.insert("items", sku=sku, name=name, price=price, kind="non_consumable")


def test_items_are_filtered(web: Web) -> None:
    assert {item["kind"] for item in _all(web, kind="consumable")} == {"consumable"}
    between = _all(web, min_price="49.99", max_price=299.99)
    assert between
    assert all(49.99 <= item["price"] <= 299.99 for item in between)
    assert "health-potion" in {item["sku"] for item in between}
    assert _all(web, min_price=20, max_price=10) == []
    sword = _all(web, q="dragon SWORD")
    assert sword[0]["sku"] == "dragon-sword"
    assert _all(web, q="no such words anywhere") == []


@pytest.mark.parametrize("currency", ["JPY", "KWD"])
def test_prices_are_asked_for_in_the_currency_of_the_items(web: Web, currency: str) -> None:
    web.change("UPDATE items SET currency = :currency", currency=currency)
    try:
        item = _all(web)[0]
        assert item in _all(web, min_price=item["price"], max_price=item["price"])
        assert problem(web.http.get("/api/items?min_price=1.2345"), 422)["detail"].startswith(
            f"min_price must be an amount in {currency}"
        )
    finally:
        web.change("UPDATE items SET currency = 'USD'")


@pytest.mark.parametrize(
    "text", ["%", "_", "\\", "'", "' OR 1=1 --", "%' OR '1'='1", "[a-z]", "*", "\\%", "dragon%sword"]
)
def test_the_search_text_is_matched_literally(web: Web, text: str) -> None:
    for item in _all(web, q=text):
        words = f"{item['name']} {item['description']}".casefold()
        assert all(word.casefold() in words for word in text.split())


@pytest.mark.parametrize("text", ["می\u200cخواهم", "\U0001f468\u200d\U0001f469", "a\u00a0b"], ids=ascii)
def test_texts_with_joiners_and_other_spaces_are_found(web: Web, text: str) -> None:
    sku = f"joined-{uuid4().hex[:8]}"
    web.insert("items", sku=sku, name=f"{text} {sku}", price=1, kind="consumable", tags=[text])
    assert [item["sku"] for item in _all(web, q=f"{text} {sku}")] == [sku]
    assert sku in {item["sku"] for item in _all(web, tag=text)}
    web.change("UPDATE items SET status = 'withdrawn' WHERE sku = :sku", sku=sku)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=many",
        "limit=1e1",
        "limit=",
        "limit=99999999999999999999999",
        "sort=cheapest",
        "kind=rented",
        "min_price=-1",
        "min_price=NaN",
        "min_price=Infinity",
        "min_price=1e400",
        "min_price=1e999999999999999999",
        "min_price=1e-999999999999999999",
        "min_price=9.999",
        "min_price=free",
        "max_price=99999999999999999999",
        "q=" + "x" * 101,
        "q=a%00b",
        "q=a%0Ab",
        "cursor=x",
        "cursor=%00",
        "cursor=%FF",
        "cursor=" + "A" * 1_201,
        "cursor=W10",
        "cursor=bnVsbA",
    ],
)
def test_invalid_parameters_are_refused(web: Web, query: str) -> None:
    problem(web.http.get(f"/api/items?{query}"), 422)


def test_a_cursor_that_was_tampered_with_is_refused(web: Web) -> None:
    answer = web.http.get("/api/items", params={"sort": "price", "limit": 2})
    cursor = answer.links["next"]["url"].partition("cursor=")[2].partition("&")[0]
    for sort in set(SORTS) - {"price"}:
        assert problem(web.http.get(f"/api/items?sort={sort}&cursor={cursor}"), 422)["field"] == "cursor"
    for changed in (cursor[:-3], cursor[3:], cursor.swapcase(), "A" + cursor, cursor + "AAAA"):
        answer = web.http.get("/api/items", params={"sort": "price", "cursor": changed})
        problem(answer, 422)


def test_an_item_is_found_by_its_sku(web: Web) -> None:
    answer = web.http.get("/api/items/dragon-sword")
    assert answer.status_code == 200
    assert answer.json() == _all(web)[0]


@pytest.mark.parametrize(
    "sku",
    ["no-such-item", "%00", "a%00b", "%FF", "..%2F..", "%ED%A0%80", "x" * 2_000, "' OR 1=1", "Dragon-Sword"],
)
def test_an_unknown_item_is_not_found(web: Web, sku: str) -> None:
    problem(web.http.get(f"/api/items/{sku}"), 404)
    problem(web.http.get(f"/api/items/{sku}/cover.svg"), 404)


def test_a_withdrawn_item_is_not_listed_but_still_found_by_its_sku(web: Web) -> None:
    sku = f"old <b>item {uuid4().hex[:6]}"
    _put_on_sale(web, sku, "<script>alert(1)</script>", 100)
    assert sku in {item["sku"] for item in _all(web, sort="newest")}
    web.change("UPDATE items SET status = 'withdrawn' WHERE sku = :sku", sku=sku)
    assert sku not in {item["sku"] for item in _all(web, sort="newest")}
    answer = web.http.get(f"/api/items/{quote(sku)}")
    assert answer.json()["sku"] == sku
    cover = web.http.get(answer.json()["image_url"])
    assert cover.headers["content-type"].startswith("image/svg+xml")
    assert "<script" not in cover.text
