"""A user requests what belongs to another one: the API refuses, and its response reveals nothing."""

import httpx
import pytest

from tests.security.users import SignedInUser, rows_of


@pytest.fixture
def paid(anna: SignedInUser) -> str:
    """Return the id of a paid order of the victim."""
    return anna.buy("dragon-sword")


@pytest.fixture
def pending(anna: SignedInUser) -> str:
    """Return the id of an unpaid order of the victim."""
    return anna.order("magic-shield")


def _check_reveals_nothing_of(user: SignedInUser, response: httpx.Response, *order_ids: str) -> None:
    for secret in (user.name, *order_ids, "Dragon Sword", "Magic Shield"):
        assert secret not in response.text


def test_orders_of_another_user_are_not_found(
    anna: SignedInUser, mallory: SignedInUser, paid: str, pending: str
) -> None:
    before = rows_of(anna)
    for order_id in (paid, pending):
        for method, path in (("GET", f"/api/orders/{order_id}"), ("POST", f"/api/orders/{order_id}/cancel")):
            response = mallory.request(method, path)
            assert response.status_code == 404, path
            _check_reveals_nothing_of(anna, response, paid, pending)
            # The same response as for an order that does not exist.
            missing = mallory.request(method, path.replace(order_id, "0" * 32))
            assert (missing.status_code, missing.text) == (response.status_code, response.text)
    assert rows_of(anna) == before


def test_orders_need_a_session(anna: SignedInUser, paid: str) -> None:
    for method, path in (("GET", f"/api/orders/{paid}"), ("POST", f"/api/orders/{paid}/cancel")):
        response = httpx.request(method, anna.store.url + path)
        assert response.status_code == 401
        _check_reveals_nothing_of(anna, response)


def test_purchases_of_another_user_are_refused(anna: SignedInUser, mallory: SignedInUser, paid: str) -> None:
    assert anna.request("GET", f"/api/purchases?user_id={anna.user_id}").json()[0]["order_id"] == paid
    response = mallory.request("GET", f"/api/purchases?user_id={anna.user_id}")
    assert response.status_code == 403
    _check_reveals_nothing_of(anna, response, paid)
    assert mallory.request("GET", "/api/purchases").json() == []
    assert httpx.get(f"{anna.store.url}/api/purchases?user_id={anna.user_id}").status_code == 401
    twice = f"/api/purchases?user_id={mallory.user_id}&user_id={anna.user_id}"
    _check_reveals_nothing_of(anna, mallory.request("GET", twice), paid)


@pytest.mark.usefixtures("paid")
def test_a_cursor_of_another_users_list_shows_only_own_purchases(
    anna: SignedInUser, mallory: SignedInUser
) -> None:
    anna.buy("health-potion")
    link = anna.request("GET", "/api/purchases?limit=1").headers["link"]
    cursor = httpx.URL(link.partition("<")[2].partition(">")[0]).params["cursor"]
    response = mallory.request("GET", "/api/purchases", params={"cursor": cursor})
    assert response.status_code == 200
    assert response.json() == []


def test_the_account_of_another_user_cannot_be_closed(anna: SignedInUser, mallory: SignedInUser) -> None:
    before = rows_of(anna)
    assert mallory.request("DELETE", f"/api/users/{anna.user_id}").status_code == 403
    assert httpx.delete(f"{anna.store.url}/api/users/{anna.user_id}").status_code == 401
    assert rows_of(anna) == before


def test_two_users_can_use_the_same_idempotency_key(anna: SignedInUser, mallory: SignedInUser) -> None:
    key, items = {"Idempotency-Key": "the-same"}, {"items": [{"sku": "health-potion", "quantity": 1}]}
    one, other = (user.request("POST", "/api/purchases", json=items, headers=key) for user in (anna, mallory))
    assert one.status_code == other.status_code == 201
    assert one.json()["order_id"] != other.json()["order_id"]


def test_a_price_or_user_in_the_request_is_ignored(anna: SignedInUser, mallory: SignedInUser) -> None:
    line = {"sku": "dragon-sword", "quantity": 1, "price": 0.01}
    order = {"items": [line], "user_id": anna.user_id, "total": 0.01}
    before = rows_of(anna)
    response = mallory.request("POST", "/api/purchases", json=order)
    assert response.status_code in {201, 422}
    if response.status_code == 201:
        assert response.json()["total"] == 999.99
    assert rows_of(anna) == before
