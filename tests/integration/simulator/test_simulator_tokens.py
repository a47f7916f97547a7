"""The token calls, with the errors that the provider documents."""

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
    """One simulator for all refusals, which leave nothing behind."""
    store = FakeStore()
    port = free_port()
    with served(store.app(), free_port()) as url, served(create_app(settings_for(url, port)), port) as own:
        yield Driver(own)


def changed(path: str, value: Any) -> dict[str, Any]:
    """A good body with one value replaced or added."""
    body: Any = token_body()
    *parents, last = path.split(".")
    at = body
    for name in parents:
        at = at[name]
    at[last] = value
    assert isinstance(body, dict)
    return body


def test_a_token_comes_with_an_order_number(shared: Driver) -> None:
    answer = shared.ask_token(token_body(sku="sword"))
    assert answer.status_code == 201
    assert answer.json().keys() == {"token", "order_id"}
    assert isinstance(answer.json()["order_id"], int)


@pytest.mark.parametrize("name", [str(PROJECT), str(MERCHANT)])
def test_both_ids_open_the_store_api(shared: Driver, name: str) -> None:
    assert shared.ask_token(token_body(), auth=(name, KEY)).status_code == 201


@pytest.mark.parametrize("auth", [("1", KEY), (str(PROJECT), "wrong"), (str(PROJECT), "schlüssel"), None])
def test_bad_credentials(shared: Driver, auth: tuple[str, str] | None) -> None:
    answer = shared.ask_token(token_body(), auth=auth)
    assert answer.status_code == 401
    error = answer.json()
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
        ("purchase.items", [{"sku": "nobody-sells-this"}], 1417),
        ("purchase.items", [{"sku": "badge"}], 1421),
        ("purchase.items", [{"sku": "yen"}, {"sku": "potion"}], 1401),
        ("settings.currency", "EUR", 1401),
    ],
)
def test_bad_bodies(shared: Driver, path: str, value: Any, code: int) -> None:
    answer = shared.ask_token(changed(path, value))
    assert answer.status_code == 422, answer.text
    assert answer.json()["errorCode"] == code
    assert answer.json()["errorMessage"].startswith(f"[0401-{code}]: ")


def test_country_may_be_left_out_when_the_address_is_sent(shared: Driver) -> None:
    body = token_body()
    del body["user"]["country"]
    refused = shared.ask_token(body)
    assert (refused.status_code, refused.json()["errorCode"]) == (422, 1102)
    assert shared.ask_token(body, headers={"X-User-Ip": "not an address"}).status_code == 422
    assert shared.ask_token(body, headers={"X-User-Ip": "8.29.109.241"}).status_code == 201


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'{"a": NaN}', b"[" * 100_000, b"\xff"])
def test_broken_json(shared: Driver, raw: bytes) -> None:
    answer = shared.ask_token(None, content=raw)
    assert (answer.status_code, answer.json()["errorCode"]) == (422, 1102)


def test_the_catalogue_is_read_once_and_again_for_an_unknown_sku(simulator: Driver, store: FakeStore) -> None:
    simulator.new_order()
    simulator.new_order(sku="sword")
    assert store.list_reads == 2, "two pages, one reading"
    store.items.append({"sku": "new", "name": "New", "price": 3, "currency": "USD", "kind": "consumable"})
    simulator.new_order(sku="new")


def test_merchant_token_has_no_order_number(shared: Driver) -> None:
    answer = shared.ask_merchant_token(merchant_token_body())
    assert answer.status_code == 200
    assert answer.json().keys() == {"token"}


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
def test_merchant_token_names_the_bad_field(shared: Driver, part: str, value: Any, field: str) -> None:
    answer = shared.ask_merchant_token(merchant_token_body() | {part: value})
    assert answer.status_code == 422
    assert answer.json()["extended_message"]["property_errors"].keys() == {field}


def test_merchant_token_with_bad_credentials(shared: Driver) -> None:
    answer = shared.ask_merchant_token(merchant_token_body(), auth=("1", KEY))
    assert answer.status_code == 401
    assert json.loads(answer.text)["http_status_code"] == 401
