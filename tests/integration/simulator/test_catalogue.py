"""The catalogue calls of the store API, and the prices of carts with and without a catalogue."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from simulator.app import create_app
from tests.integration.simulator.driver import KEY, PROJECT, Driver, settings_for, token_body
from tests.integration.simulator.fake_store import FakeStore, free_port, served


@pytest.fixture(scope="module")
def shared() -> Iterator[Driver]:
    """A simulator for all tests of refused requests, which change nothing."""
    port = free_port()
    with served(create_app(settings_for("http://127.0.0.1:9", port)), port) as url:
        yield Driver(url)


def item(sku: str = "potion", **changed: Any) -> dict[str, Any]:
    return {
        "sku": sku,
        "name": {"en": "Health Potion"},
        "description": {"en": "Heals."},
        "is_enabled": True,
        "is_free": False,
        "is_show_in_store": True,
        "prices": [{"currency": "USD", "amount": 2.49, "is_default": True, "is_enabled": True}],
    } | changed


def call(simulator: Driver, method: str, path: str = "", **options: Any) -> httpx.Response:
    options.setdefault("auth", (str(PROJECT), KEY))
    address = f"/api/v2/project/{PROJECT}/admin/items/virtual_items{path}"
    return simulator.http.request(method, address, **options)


def test_items_are_created_read_updated_and_deleted(simulator: Driver) -> None:
    created = call(simulator, "POST", json=item())
    assert (created.status_code, created.json()) == (201, {"sku": "potion"})
    shown = call(simulator, "GET", "/sku/potion").json()
    assert {name: shown[name] for name in item()} == item()
    assert call(simulator, "PUT", "/sku/potion", json=item(name={"en": "Cure"})).status_code == 204
    [listed] = call(simulator, "GET").json()["items"]
    assert listed["name"] == {"en": "Cure"}
    assert call(simulator, "DELETE", "/sku/potion").status_code == 204
    assert call(simulator, "GET").json() == {"items": []}


def test_a_sku_cannot_be_created_twice(simulator: Driver) -> None:
    call(simulator, "POST", json=item())
    second = call(simulator, "POST", json=item())
    assert (second.status_code, second.json()["errorCode"]) == (409, 4003)
    assert second.json()["statusCode"] == 409


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_unknown_sku_is_not_found(shared: Driver, method: str) -> None:
    options = {"json": item("unknown-sku")} if method == "PUT" else {}
    response = call(shared, method, "/sku/unknown-sku", **options)
    assert (response.status_code, response.json()["errorCode"]) == (404, 4001)
    assert response.json()["errorMessage"] == "[0401-4001]: Item with sku = 'unknown-sku' not found"


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", ""), ("PUT", "/sku/x"), ("DELETE", "/sku/x")])
def test_wrong_credentials_are_refused(shared: Driver, method: str, path: str) -> None:
    response = call(shared, method, path, auth=(str(PROJECT), "wrong"))
    assert (response.status_code, response.json()["errorCode"]) == (401, 1020)


@pytest.mark.parametrize(
    "changed",
    [
        {"sku": ""},
        {"sku": "with space"},
        {"sku": "x" * 256},
        {"name": {}},
        {"name": "Health Potion"},
        {"is_enabled": 1},
        {"prices": [{"currency": "USD", "amount": "2.49"}]},
        {"prices": [{"currency": "USD", "amount": 0}]},
        {"prices": [{"currency": "USD", "amount": 2.499}]},
        {"prices": [{"currency": "usd", "amount": 2.49}]},
        {"prices": [{"currency": "USD", "amount": 1}, {"currency": "USD", "amount": 2}]},
        {
            "prices": [
                {"currency": "USD", "amount": 1, "is_default": True},
                {"currency": "EUR", "amount": 1, "is_default": True},
            ]
        },
    ],
)
def test_invalid_items_are_refused(shared: Driver, changed: dict[str, Any]) -> None:
    response = call(shared, "POST", json=item(**changed))
    assert (response.status_code, response.json()["errorCode"]) == (422, 1102)


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "x"}, {"offset": "-1"}, {"offset": "1" * 20}])
def test_invalid_limits_and_offsets_are_refused(shared: Driver, query: dict[str, str]) -> None:
    assert call(shared, "GET", params=query).status_code == 422


def test_an_update_with_another_sku_is_refused(simulator: Driver) -> None:
    call(simulator, "POST", json=item())
    assert call(simulator, "PUT", "/sku/potion", json=item("another")).status_code == 422


def test_items_are_listed_in_pages(simulator: Driver) -> None:
    for number in range(5):
        call(simulator, "POST", json=item(f"item-{number}"))
    page = call(simulator, "GET", params={"limit": 2, "offset": 2}).json()["items"]
    assert [each["sku"] for each in page] == ["item-2", "item-3"]


def test_carts_have_the_prices_of_the_catalogue_once_it_is_in_use(simulator: Driver, store: FakeStore) -> None:
    _, before = simulator.new_order()
    call(simulator, "POST", json=item())
    requests_before = store.item_list_requests
    _, after = simulator.new_order()
    assert [simulator.order(each)["total"] for each in (before, after)] == ["1.9900", "2.4900"]
    assert store.item_list_requests == requests_before, "the store's item list is no longer read"
    unknown = simulator.request_token(token_body(sku="sword"))
    assert (unknown.status_code, unknown.json()["errorCode"]) == (422, 1417)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"is_enabled": False}, 1417),
        ({"is_free": True, "prices": []}, 1421),
        ({"prices": []}, 1401),
        ({"prices": [{"currency": "EUR", "amount": 1}]}, 1401),
        ({"prices": [{"currency": "USD", "amount": 1, "is_enabled": False}]}, 1401),
    ],
)
def test_items_that_are_not_for_sale_are_refused(simulator: Driver, changed: dict[str, Any], code: int) -> None:
    call(simulator, "POST", json=item(**changed))
    response = simulator.request_token(token_body())
    assert (response.status_code, response.json()["errorCode"]) == (422, code)


def test_a_cart_has_the_requested_currency_or_else_the_default(simulator: Driver) -> None:
    prices = [{"currency": "USD", "amount": 2.49}, {"currency": "EUR", "amount": 2.2, "is_default": True}]
    call(simulator, "POST", json=item(prices=prices))
    _, in_dollars = simulator.new_order()
    body = token_body()
    del body["settings"]["currency"]
    in_euros = simulator.request_token(body).json()["order_id"]
    shown = [simulator.order(each) for each in (in_dollars, in_euros)]
    assert [(each["total"], each["currency"]) for each in shown] == [("2.4900", "USD"), ("2.2000", "EUR")]
