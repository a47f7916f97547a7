"""The simulator as the store, the user and the developer use it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from simulator.settings import Settings
from tests.integration.simulator.fake_store import NO_CERTIFICATES, wait_until

SECRET = "test_secret"
PROJECT, MERCHANT, KEY = 308077, 887981, "api-key"
STORE_ORDER_ID = "4F7K-2M9Q"


class MovableClock:
    """The current time, plus what a test adds to it."""

    def __init__(self) -> None:
        self.offset = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset


def settings_for(store_url: str, port: int, **changed: object) -> Settings:
    values: dict[str, object] = {
        "xsolla_webhook_secret": SECRET,
        "xsolla_project_id": PROJECT,
        "xsolla_merchant_id": MERCHANT,
        "xsolla_api_key": KEY,
        "public_url": store_url,
        "simulator_port": port,
        # A retry delay of five minutes takes 20 ms.
        "simulator_speed": 15_000,
    }
    return Settings.model_validate(values | changed)


def token_body(*, store_order_id: str = STORE_ORDER_ID, sku: str = "potion", quantity: int = 1) -> dict[str, Any]:
    return {
        "sandbox": True,
        "user": {"id": {"value": "user-1"}, "country": {"value": "US"}},
        "purchase": {"items": [{"sku": sku, "quantity": quantity}]},
        "settings": {
            "currency": "USD",
            "external_id": f"{store_order_id}-1",
            "return_url": "http://shop.example/orders/1?from=pay",
        },
        "custom_parameters": {"order_id": store_order_id},
    }


def merchant_token_body() -> dict[str, Any]:
    return {
        "user": {"id": {"value": "user-1"}},
        "settings": {"project_id": PROJECT, "external_id": "M-1", "mode": "sandbox"},
        "purchase": {"checkout": {"amount": 19.99, "currency": "USD"}, "description": {"value": "Order M"}},
        "custom_parameters": {"order_id": "M"},
    }


class Driver:
    """Calls of one running simulator."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, trust_env=False, verify=NO_CERTIFICATES, timeout=10)

    def request_token(self, body: Any, **options: Any) -> httpx.Response:
        options.setdefault("auth", (str(PROJECT), KEY))
        return self.http.post(f"/api/v3/project/{PROJECT}/admin/payment/token", json=body, **options)

    def request_merchant_token(self, body: Any, **options: Any) -> httpx.Response:
        options.setdefault("auth", (str(MERCHANT), KEY))
        return self.http.post(f"/merchant/v2/merchants/{MERCHANT}/token", json=body, **options)

    def new_order(self, **changed: Any) -> tuple[str, int]:
        """Create an order; return its token and its id."""
        response = self.request_token(token_body(**changed))
        assert response.status_code == 201, response.text
        return response.json()["token"], response.json()["order_id"]

    def open(self, token: str) -> httpx.Response:
        return self.http.get("/paystation4/", params={"token": token})

    def click(self, button: str, token: str) -> httpx.Response:
        """Click a button of the payment page."""
        return self.http.post(f"/paystation4/{button}", params={"token": token})

    def send(self, reference: object, scenario: str, wait: float = 8) -> httpx.Response:
        return self.http.post(f"/simulator/orders/{reference}/send", json={"scenario": scenario, "wait": wait})

    def order(self, reference: object) -> dict[str, Any]:
        response = self.http.get(f"/simulator/orders/{reference}")
        assert response.status_code == 200, response.text
        order: dict[str, Any] = response.json()
        return order

    def notifications(self, reference: object) -> list[tuple[str, str]]:
        """Return type and status of an order's notifications, without user validations."""
        notifications = self.order(reference)["notifications"]
        return [(each["type"], each["status"]) for each in notifications if each["type"] != "user_validation"]

    def wait_for(self, reference: object, *notifications: tuple[str, str]) -> None:
        wait_until(
            lambda: self.notifications(reference) == list(notifications),
            lambda: self.order(reference)["notifications"],
        )

    def transaction_id(self, reference: object) -> int:
        transaction_id: int = self.order(reference)["transactions"][-1]["id"]
        return transaction_id

    def transactions(self, path: str, method: str = "GET", **options: Any) -> httpx.Response:
        """Call the merchant API's transactions."""
        options.setdefault("auth", (str(MERCHANT), KEY))
        address = f"/merchant/v2/merchants/{MERCHANT}/reports/transactions/{path}"
        return self.http.request(method, address, **options)
