"""Player B asks the API for what is A's: refused, and nothing of it in the answer."""

import httpx
import pytest

from tests.security.users import Person, rows_of


@pytest.fixture
def paid(anna: Person) -> str:
    """Return the id of a paid order of the victim."""
    return anna.buy("dragon-sword")


@pytest.fixture
def pending(anna: Person) -> str:
    """Return the id of an unpaid order of the victim."""
    return anna.order("magic-shield")


def _nothing_of(person: Person, answer: httpx.Response, *order_ids: str) -> None:
    for secret in (person.name, *order_ids, "Dragon Sword", "Magic Shield"):
        assert secret not in answer.text


def test_orders(anna: Person, mallory: Person, paid: str, pending: str) -> None:
    before = rows_of(anna)
    for order_id in (paid, pending):
        for method, path in (("GET", f"/api/orders/{order_id}"), ("POST", f"/api/orders/{order_id}/cancel")):
            answer = mallory.ask(method, path)
            assert answer.status_code == 404, path
            _nothing_of(anna, answer, paid, pending)
            # The same answer as for an order that never was.
            never = mallory.ask(method, path.replace(order_id, "0" * 32))
            assert (never.status_code, never.text) == (answer.status_code, answer.text)
    assert rows_of(anna) == before


def test_orders_without_a_session(anna: Person, paid: str) -> None:
    for method, path in (("GET", f"/api/orders/{paid}"), ("POST", f"/api/orders/{paid}/cancel")):
        answer = httpx.request(method, anna.shop.url + path)
        assert answer.status_code == 401
        _nothing_of(anna, answer)


def test_purchases(anna: Person, mallory: Person, paid: str) -> None:
    assert anna.ask("GET", f"/api/purchases?user_id={anna.user_id}").json()[0]["order_id"] == paid
    answer = mallory.ask("GET", f"/api/purchases?user_id={anna.user_id}")
    assert answer.status_code == 403
    _nothing_of(anna, answer, paid)
    assert mallory.ask("GET", "/api/purchases").json() == []
    assert httpx.get(f"{anna.shop.url}/api/purchases?user_id={anna.user_id}").status_code == 401
    twice = f"/api/purchases?user_id={mallory.user_id}&user_id={anna.user_id}"
    _nothing_of(anna, mallory.ask("GET", twice), paid)


@pytest.mark.usefixtures("paid")
def test_a_cursor_of_anothers_list_shows_only_ones_own(anna: Person, mallory: Person) -> None:
    anna.buy("health-potion")
    link = anna.ask("GET", "/api/purchases?limit=1").headers["link"]
    cursor = httpx.URL(link.partition("<")[2].partition(">")[0]).params["cursor"]
    answer = mallory.ask("GET", "/api/purchases", params={"cursor": cursor})
    assert answer.status_code == 200
    assert answer.json() == []


def test_accounts(anna: Person, mallory: Person) -> None:
    before = rows_of(anna)
    assert mallory.ask("DELETE", f"/api/users/{anna.user_id}").status_code == 403
    assert httpx.delete(f"{anna.shop.url}/api/users/{anna.user_id}").status_code == 401
    assert rows_of(anna) == before


def test_an_idempotency_key_of_another_player_is_ones_own(anna: Person, mallory: Person) -> None:
    key, items = {"Idempotency-Key": "the-same"}, {"items": [{"sku": "health-potion", "quantity": 1}]}
    theirs, mine = (who.ask("POST", "/api/purchases", json=items, headers=key) for who in (anna, mallory))
    assert theirs.status_code == mine.status_code == 201
    assert theirs.json()["order_id"] != mine.json()["order_id"]


def test_what_a_request_says_about_price_and_buyer_counts_for_nothing(anna: Person, mallory: Person) -> None:
    line = {"sku": "dragon-sword", "quantity": 1, "price": 0.01}
    order = {"items": [line], "user_id": anna.user_id, "total": 0.01}
    before = rows_of(anna)
    answer = mallory.ask("POST", "/api/purchases", json=order)
    assert answer.status_code in {201, 422}
    if answer.status_code == 201:
        assert answer.json()["total"] == 999.99
    assert rows_of(anna) == before
