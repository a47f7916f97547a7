"""Orders and purchases on running stores."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.integration.web import ApiUser, Json, Web, problem
from tests.support.invariants import check
from tests.support.store import StoreProcess


def _wanted(*lines: Any) -> Json:
    return {"items": list(lines)}


def test_a_paid_order_becomes_purchases(web: Web) -> None:
    user = web.user()
    items = [{"sku": "dragon-sword", "quantity": 1}, {"sku": "health-potion", "quantity": 3}]
    answer = user.post("/api/purchases", _wanted(*items))
    assert answer.status_code == 201
    placed = answer.json()
    assert set(placed) == {"order_id", "status", "total", "currency", "payment_url"}
    assert (placed["status"], placed["total"], placed["currency"]) == ("pending", 1149.96, "USD")
    assert placed["payment_url"].startswith(web.store.simulator_url)
    assert web.http.get(placed["payment_url"]).status_code == 200
    order = user.get(f"/api/orders/{placed['order_id']}").json()
    assert {"order_id", "status", "total", "currency", "items", "timeline"} <= set(order)
    assert [(line["sku"], line["quantity"], line["price"]) for line in order["items"]] == [
        ("dragon-sword", 1, 999.99),
        ("health-potion", 3, 49.99),
    ]
    assert user.get("/api/purchases").json() == []
    assert user.pay(placed).status_code == 204
    order = user.get(f"/api/orders/{placed['order_id']}").json()
    assert (order["status"], order["payment_url"]) == ("paid", "")
    assert [event["kind"] for event in order["timeline"]] == ["placed", "paid"]
    owned = user.get("/api/purchases").json()
    fields = {"id", "user_id", "item_id", "order_id", "quantity", "timestamp", "status", "item"}
    assert all(set(line) == fields for line in owned)
    assert {(line["item"]["sku"], line["quantity"], line["status"]) for line in owned} == {
        ("dragon-sword", 1, "granted"),
        ("health-potion", 3, "granted"),
    }
    assert {line["user_id"] for line in owned} == {user.id}
    bought_at = datetime.fromisoformat(owned[0]["timestamp"])
    assert bought_at.utcoffset() == timedelta(0)
    check(web.engine)


def test_an_owned_item_is_not_sold_again_until_it_is_refunded(web: Web) -> None:
    user = web.user()
    placed = user.order("dragon-sword")
    user.pay(placed)
    problem(user.post("/api/purchases", _wanted({"sku": "dragon-sword"})), 409, "already-owned")
    assert web.notify(user.refunded(placed)).status_code == 204
    assert user.get(f"/api/orders/{placed['order_id']}").json()["status"] == "refunded"
    assert [line["status"] for line in user.get("/api/purchases").json()] == ["refunded"]
    assert user.order("dragon-sword")["order_id"] != placed["order_id"]


def test_an_open_order_is_offered_again(web: Web) -> None:
    user = web.user()
    first = user.order("dragon-sword", "magic-shield")
    assert user.order("magic-shield", "dragon-sword") == first
    refusal = problem(user.post("/api/purchases", _wanted({"sku": "dragon-sword"})), 409, "in-open-order")
    assert refusal["order_id"] == first["order_id"]


def test_an_order_is_canceled_once_and_a_paid_one_never(web: Web) -> None:
    user, stranger = web.user(), web.user()
    placed = user.order("dragon-sword")
    path = f"/api/orders/{placed['order_id']}/cancel"
    problem(stranger.post(path), 404, "not-found")
    assert user.post(path).json()["status"] == "canceled"
    assert user.post(path).status_code == 200
    again = user.order("dragon-sword")
    user.pay(again)
    problem(user.post(f"/api/orders/{again['order_id']}/cancel"), 409, "order-closed")
    assert user.get("/api/purchases").json()[0]["status"] == "granted"


def test_orders_and_purchases_of_other_users_are_not_shown(web: Web) -> None:
    user, stranger = web.user(), web.user()
    placed = user.order("dragon-sword")
    user.pay(placed)
    missing = problem(stranger.get("/api/orders/no-such-order"), 404)
    assert problem(stranger.get(f"/api/orders/{placed['order_id']}"), 404) == missing
    problem(stranger.get("/api/purchases", params={"user_id": user.id}), 403, "not-yours")
    problem(stranger.get("/api/purchases", params={"user_id": ""}), 403)
    problem(web.http.get("/api/purchases", params={"user_id": user.id}), 401)
    assert stranger.get("/api/purchases").json() == []
    own = user.get("/api/purchases", params={"user_id": user.id})
    assert own.json() == user.get("/api/purchases").json()


STRANGE = ["%00", "a%00b", "%FF", "%ED%A0%80", "x" * 2_000, "' OR 1=1", "%2E%2E"]


@pytest.mark.parametrize("order_id", STRANGE)
def test_ids_that_cannot_exist_are_refused(web: Web, order_id: str) -> None:
    user = web.user()
    problem(user.get(f"/api/orders/{order_id}"), 404)
    problem(user.post(f"/api/orders/{order_id}/cancel"), 404)
    problem(user.delete(f"/api/users/{order_id}"), 403)
    problem(user.get(f"/api/purchases?user_id={order_id}"), 403)


BAD_ORDERS: dict[str, Any] = {
    "nothing": None,
    "an array": [],
    "no items": {},
    "an empty list": _wanted(),
    "items of another type": {"items": "dragon-sword"},
    "lines of another type": _wanted("dragon-sword"),
    "no sku": _wanted({"quantity": 1}),
    "unknown sku": _wanted({"sku": "no-such-item"}),
    "empty sku": _wanted({"sku": ""}),
    "long sku": _wanted({"sku": "x" * 10_000}),
    "a sku with NUL": _wanted({"sku": "\x00"}),
    "a lone surrogate": _wanted({"sku": "\ud800"}),
    "a lone surrogate in a name": _wanted({"sku": "dragon-sword", "\ud800": 1}),
    "quantity 0": _wanted({"sku": "health-potion", "quantity": 0}),
    "negative": _wanted({"sku": "health-potion", "quantity": -1}),
    "a billion": _wanted({"sku": "health-potion", "quantity": 10**9}),
    "a huge quantity": _wanted({"sku": "health-potion", "quantity": 10**30}),
    "a fraction": _wanted({"sku": "health-potion", "quantity": 1.5}),
    "text": _wanted({"sku": "health-potion", "quantity": "1"}),
    "true": _wanted({"sku": "health-potion", "quantity": True}),
    "null": _wanted({"sku": "health-potion", "quantity": None}),
    "two of what is owned once": _wanted({"sku": "dragon-sword", "quantity": 2}),
    "twice one of what is owned once": _wanted({"sku": "dragon-sword"}, {"sku": "dragon-sword"}),
    "a negative line beside another": _wanted(
        {"sku": "health-potion", "quantity": 2}, {"sku": "health-potion", "quantity": -1}
    ),
    "a price": _wanted({"sku": "dragon-sword", "quantity": 1, "price": 0.01}),
    "a total": {**_wanted({"sku": "dragon-sword"}), "total": 0.01},
    "a user": {**_wanted({"sku": "dragon-sword"}), "user_id": "somebody"},
    "too many": _wanted(*({"sku": f"item-{number}"} for number in range(51))),
}


@pytest.mark.parametrize("body", BAD_ORDERS.values(), ids=BAD_ORDERS.keys())
def test_invalid_orders_are_refused(web: Web, body: Any) -> None:
    user = web.user()
    problem(user.post("/api/purchases", body), 422)
    assert web.rows("SELECT id FROM orders WHERE user_id = :id", id=user.id) == []


def test_an_idempotency_key_makes_one_order(web: Web) -> None:
    user = web.user()
    first = user.order("health-potion", Idempotency_Key="one")
    assert user.order("health-potion", Idempotency_Key="one") == first
    assert user.order("health-potion", Idempotency_Key="two")["order_id"] != first["order_id"]
    other = user.post("/api/purchases", _wanted({"sku": "dragon-sword"}), Idempotency_Key="one")
    problem(other, 422)
    user.pay(first)
    assert user.order("health-potion", Idempotency_Key="one")["status"] == "paid"
    problem(user.post("/api/purchases", _wanted({"sku": "dragon-sword"}), Idempotency_Key="one"), 422)


@pytest.mark.parametrize("key", [b"x" * 256, b"", b"\xff\x85", b"a\tb"])
def test_bad_idempotency_keys_are_refused(web: Web, key: bytes) -> None:
    user = web.user()
    headers = {**user.headers, "Idempotency-Key": key}
    answer = web.http.post("/api/purchases", json=_wanted({"sku": "health-potion"}), headers=headers)  # type: ignore[arg-type]
    problem(answer, 422)


def test_equal_requests_at_the_same_time_make_one_order(web: Web) -> None:
    user = web.user()
    with ThreadPoolExecutor(8) as threads:
        placed = list(threads.map(lambda _: user.order("dragon-sword", Idempotency_Key="k"), range(8)))
    assert len({order["order_id"] for order in placed}) == 1
    assert len({order["payment_url"] for order in placed}) == 1
    assert len(web.rows("SELECT id FROM orders WHERE user_id = :id", id=user.id)) == 1


def _buy(user: ApiUser, count: int) -> None:
    """Order and pay for one potion, `count` times."""
    for _ in range(count):
        assert user.pay(user.order("health-potion")).status_code == 204


def test_the_pages_list_every_purchase_once_newest_first(web: Web) -> None:
    user, other = web.user(), web.user()
    _buy(user, 23)
    _buy(other, 2)
    whole = user.get("/api/purchases", params={"limit": 100}).json()
    assert [line["id"] for line in whole] == sorted((line["id"] for line in whole), reverse=True)
    assert len(whole) == 23
    pages = list(web.follow(user.get("/api/purchases", params={"limit": 5, "user_id": user.id})))
    assert [len(page) for page in pages] == [5, 5, 5, 5, 3]
    assert [line for page in pages for line in page] == whole
    link = user.get("/api/purchases", params={"limit": 5}).links["next"]["url"]
    cursor = link.partition("cursor=")[2].partition("&")[0]
    # With the cursor of another user, users still see only their own purchases.
    theirs = other.get("/api/purchases", params={"cursor": cursor}).json()
    assert {line["user_id"] for line in theirs} <= {other.id}


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "cursor=x", "cursor=W10", "cursor=%00", "cursor=" + "A" * 501]
)
def test_invalid_parameters_are_refused(web: Web, query: str) -> None:
    problem(web.user().get(f"/api/purchases?{query}"), 422)


def test_a_new_purchase_does_not_shift_the_next_page(web: Web) -> None:
    user = web.user()
    _buy(user, 4)
    first = user.get("/api/purchases", params={"limit": 2})
    user.pay(user.order("dragon-sword"))
    pages = list(web.follow(first))
    ids = [line["id"] for page in pages for line in page]
    assert len(ids) == len(set(ids)) == 4


def test_a_provider_that_is_down_is_reported_and_a_retry_succeeds() -> None:
    store = StoreProcess(simulator=True)
    assert store.simulator
    try:
        store.prepare()
        store.start_store()
        with Web(store) as web:
            user = web.user()
            refused = user.post("/api/purchases", _wanted({"sku": "dragon-sword"}))
            assert "not charged" in problem(refused, 503, "provider-unavailable")["detail"]
            ((waiting,),) = web.rows("SELECT id FROM orders")
            store.simulator.start().wait_until_answers(store.simulator_url, 30)
            placed = user.order("dragon-sword")
            assert placed["order_id"] == waiting
            assert user.pay(placed).status_code == 204
            check(web.engine)
    finally:
        store.close()
