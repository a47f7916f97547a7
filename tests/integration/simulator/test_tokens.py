"""Requests for tokens, with the errors that the provider documents."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from simulator.app import create_app
from tests.integration.simulator.driver import (
    KEY,
    MERCHANT,
    PROJECT,
    Driver,
    merchant_token_body,
    settings_for,
    token_body,
)
from tests.integration.simulator.fake_store import FakeStore, free_port, served


@pytest.fixture(scope="module")
def shared() -> Iterator[Driver]:
    """A simulator for all tests of refused requests, which change nothing."""
    port = free_port()
    with served(FakeStore().app(), free_port()) as store_url:
        app = create_app(settings_for(store_url, port))
        with served(app, port) as url:
            yield Driver(url)


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return a valid body with one value replaced or added."""
    body: Any = token_body()
    *parents, last = path.split(".")
    at = body
    for name in parents:
        at = at[name]
    at[last] = value
    assert isinstance(body, dict)
    return body


def test_a_store_token_comes_with_an_order_id(shared: Driver) -> None:
    response = shared.request_token(token_body(sku="sword"))
    assert response.status_code == 201
    assert response.json().keys() == {"token", "order_id"}
    assert isinstance(response.json()["order_id"], int)


@pytest.mark.parametrize("name", [str(PROJECT), str(MERCHANT)])
def test_the_user_name_may_be_the_project_id_or_the_merchant_id(shared: Driver, name: str) -> None:
    assert shared.request_token(token_body(), auth=(name, KEY)).status_code == 201


@pytest.mark.parametrize("auth", [("1", KEY), (str(PROJECT), "wrong"), (str(PROJECT), "schlüssel"), None])
def test_wrong_credentials_are_refused(shared: Driver, auth: tuple[str, str] | None) -> None:
    response = shared.request_token(token_body(), auth=auth)
    assert response.status_code == 401
    error = response.json()
    assert error.keys() == {"statusCode", "errorCode", "errorMessage", "transactionId"}
    assert (error["statusCode"], error["errorCode"]) == (401, 1020)


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("mode", "sandbox", 1102),
        ("user.nickname", {"value": "x"}, 1102),
        ("user.id", {"value": ""}, 1102),
        ("user.id", {"value": 42}, 1102),
        ("user.email", {"value": "no address"}, 1102),
        ("user.country", {"value": "usa"}, 1102),
        ("purchase.checkout", {"amount": 1}, 1102),
        ("purchase.items", [{"sku": "potion", "quantity": 0}], 1102),
        ("purchase.items", [{"sku": "potion", "quantity": "1"}], 1102),
        ("settings.mode", "sandbox", 1102),
        ("settings.return_url", "javascript:alert(1)", 1102),
        ("settings.return_url", "https://shop.example/" + "x" * 1000, 1102),
        ("settings.external_id", "", 1102),
        ("sandbox", 1, 1102),
        ("custom_parameters", {}, 1102),
        ("custom_parameters", {"order_id": None}, 1102),
        ("purchase.items", [], 1417),
        ("purchase.items", [{"sku": "unknown-sku"}], 1417),
        ("purchase.items", [{"sku": "badge"}], 1421),
        ("purchase.items", [{"sku": "yen"}, {"sku": "potion"}], 1401),
        ("settings.currency", "EUR", 1401),
    ],
)
def test_invalid_bodies_are_refused_with_the_documented_code(
    shared: Driver, path: str, value: Any, code: int
) -> None:
    response = shared.request_token(changed(path, value))
    assert response.status_code == 422, response.text
    assert response.json()["errorCode"] == code
    assert response.json()["errorMessage"].startswith(f"[0401-{code}]: ")


def test_the_country_may_be_missing_if_the_ip_address_is_sent(shared: Driver) -> None:
    body = token_body()
    del body["user"]["country"]
    refused = shared.request_token(body)
    assert (refused.status_code, refused.json()["errorCode"]) == (422, 1102)
    assert shared.request_token(body, headers={"X-User-Ip": "not an address"}).status_code == 422
    assert shared.request_token(body, headers={"X-User-Ip": "8.29.109.241"}).status_code == 201


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'{"a": NaN}', b"[" * 100_000, b"\xff"])
def test_malformed_json_is_refused(shared: Driver, raw: bytes) -> None:
    response = shared.request_token(None, content=raw)
    assert (response.status_code, response.json()["errorCode"]) == (422, 1102)


def test_the_item_list_is_cached_and_read_again_for_an_unknown_sku(simulator: Driver, store: FakeStore) -> None:
    simulator.new_order()
    simulator.new_order(sku="sword")
    assert store.item_list_requests == 2, "the list has two pages and was read once"
    store.items.append({"sku": "new", "name": "New", "price": 3, "currency": "USD", "kind": "consumable"})
    simulator.new_order(sku="new")


def test_a_merchant_token_comes_without_an_order_id(shared: Driver) -> None:
    response = shared.request_merchant_token(merchant_token_body())
    assert response.status_code == 200
    assert response.json().keys() == {"token"}


@pytest.mark.parametrize(
    ("part", "value", "field"),
    [
        ("settings", {"project_id": str(PROJECT)}, "settings.project_id"),
        ("settings", {"project_id": 1}, "settings.project_id"),
        ("purchase", {"checkout": {"amount": "19.99", "currency": "USD"}}, "purchase.checkout.amount"),
        ("purchase", {"checkout": {"amount": 0, "currency": "USD"}}, "purchase.checkout.amount"),
        ("purchase", {"checkout": {"amount": 0.001, "currency": "USD"}}, "purchase.checkout.amount"),
        ("user", {}, "user.id"),
    ],
)
def test_an_invalid_merchant_token_request_names_the_field(
    shared: Driver, part: str, value: Any, field: str
) -> None:
    response = shared.request_merchant_token(merchant_token_body() | {part: value})
    assert response.status_code == 422
    assert response.json()["extended_message"]["property_errors"].keys() == {field}


def test_wrong_credentials_for_a_merchant_token_are_refused(shared: Driver) -> None:
    response = shared.request_merchant_token(merchant_token_body(), auth=("1", KEY))
    assert response.status_code == 401
    assert json.loads(response.text)["http_status_code"] == 401
