"""The simulator as the store, the buyer and the developer use it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from simulator.settings import Settings
from tests.integration.simulator.fake_store import NO_CERTIFICATES, eventually

SECRET = "test_secret"
PROJECT, MERCHANT, KEY = 308077, 887981, "api-key"


class MovableClock:
    """The present, plus what a test adds to it."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def settings_for(store_url: str, port: int, **changed: object) -> Settings:
    values: dict[str, object] = {
        "xsolla_webhook_secret": SECRET,
        "xsolla_project_id": PROJECT,
        "xsolla_merchant_id": MERCHANT,
        "xsolla_api_key": KEY,
        "public_url": store_url,
        "simulator_port": port,
        # A pause of five minutes takes 20 ms.
        "simulator_speed": 15_000,
    }
    return Settings.model_validate(values | changed)


def token_body(*, store_order: str = "4F7K-2M9Q", sku: str = "potion", quantity: int = 1) -> dict[str, Any]:
    return {
        "sandbox": True,
        "user": {"id": {"value": "user-1"}, "country": {"value": "US"}},
        "purchase": {"items": [{"sku": sku, "quantity": quantity}]},
        "settings": {
            "currency": "USD",
            "external_id": f"{store_order}-1",
            "return_url": "http://shop.example/orders/1?from=pay",
        },
        "custom_parameters": {"order_id": store_order},
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

    def ask_token(self, body: Any, **options: Any) -> httpx.Response:
        options.setdefault("auth", (str(PROJECT), KEY))
        return self.http.post(f"/api/v3/project/{PROJECT}/admin/payment/token", json=body, **options)

    def ask_merchant_token(self, body: Any, **options: Any) -> httpx.Response:
        options.setdefault("auth", (str(MERCHANT), KEY))
        return self.http.post(f"/merchant/v2/merchants/{MERCHANT}/token", json=body, **options)

    def new_order(self, **changed: Any) -> tuple[str, int]:
        """Make an order; gives token and number."""
        answer = self.ask_token(token_body(**changed))
        assert answer.status_code == 201, answer.text
        return answer.json()["token"], answer.json()["order_id"]

    def open(self, token: str) -> httpx.Response:
        return self.http.get("/paystation4/", params={"token": token})

    def press(self, act: str, token: str) -> httpx.Response:
        """Press a button of the payment page."""
        return self.http.post(f"/paystation4/{act}", params={"token": token})

    def send(self, reference: object, scenario: str, wait: float = 8) -> httpx.Response:
        return self.http.post(f"/simulator/orders/{reference}/send", json={"scenario": scenario, "wait": wait})

    def order(self, reference: object) -> dict[str, Any]:
        answer = self.http.get(f"/simulator/orders/{reference}")
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    def outcomes(self, reference: object) -> list[tuple[str, str]]:
        """Notifications of an order with how they ended, the questions about the buyer left out."""
        deliveries = self.order(reference)["deliveries"]
        return [(d["type"], d["outcome"]) for d in deliveries if d["type"] != "user_validation"]

    def wait_for(self, reference: object, *outcomes: tuple[str, str]) -> None:
        eventually(lambda: self.outcomes(reference) == list(outcomes), lambda: self.order(reference)["deliveries"])

    def transaction_id(self, reference: object) -> int:
        made: int = self.order(reference)["transactions"][-1]["id"]
        return made

    def reports(self, path: str, method: str = "GET", **options: Any) -> httpx.Response:
        options.setdefault("auth", (str(MERCHANT), KEY))
        address = f"/merchant/v2/merchants/{MERCHANT}/reports/transactions/{path}"
        return self.http.request(method, address, **options)
