"""A client of a running store: of its API, its webhook, its `/ws` and its database."""

import hashlib
import json
import random
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx
from sqlalchemy import Engine, insert, text
from websockets.sync.client import ClientConnection, connect

from store_app.db.engine import make_engine
from store_app.models import metadata
from tests.support.store import StoreProcess

Json = dict[str, Any]
PASSWORD = "a long one, please"
# The tests use no TLS, and loading certificates would take most of the time of a test.
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def problem(answer: httpx.Response, status: int, code: str = "") -> Json:
    """Check that an answer is a problem document (RFC 9457) and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: Json = answer.json()
    assert body["type"] == "about:blank"
    assert body["title"] == HTTPStatus(status).phrase
    assert body["status"] == status
    assert body["detail"]
    assert not code or body["code"] == code
    return body


@dataclass
class ApiUser:
    """An account with a session."""

    web: "Web"
    id: str
    username: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """The credentials of an API client."""
        return {"Authorization": f"Bearer {self.token}"}

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Send a GET request as this user."""
        return self.web.http.get(path, headers=self.headers, **options)

    def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Send a POST request as this user."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        # As ASCII, so that it can hold lone surrogates.
        content, json_type = json.dumps(body), {"Content-Type": "application/json"}
        return self.web.http.post(path, content=content, headers={**self.headers, **json_type, **named})

    def delete(self, path: str) -> httpx.Response:
        """Send a DELETE request as this user."""
        return self.web.http.delete(path, headers=self.headers)

    def order(self, *skus: str, **headers: str) -> Json:
        """Order one of each item and return the body of the answer."""
        items = [{"sku": sku, "quantity": 1} for sku in skus]
        answer = self.post("/api/purchases", {"items": items}, **headers)
        assert answer.status_code == 201, answer.text
        placed: Json = answer.json()
        return placed

    def pay(self, order: Json) -> httpx.Response:
        """Deliver the notification that an order of this user was paid."""
        return self.web.notify(self.paid(order))

    def paid(self, order: Json) -> Json:
        """Return the notification that an order of this user was paid."""
        return self._notification("order_paid", order)

    def refunded(self, order: Json) -> Json:
        """Return the notification that a paid order of this user was refunded."""
        return self._notification("order_canceled", order)

    def _notification(self, kind: str, order: Json) -> Json:
        return {
            "notification_type": kind,
            "order": {
                "mode": "sandbox",
                "currency": order["currency"],
                "amount": f"{order['total']:.4f}",
                "invoice_id": f"T-{order['order_id']}",
            },
            "user": {"external_id": self.id},
            "custom_parameters": {"order_id": order["order_id"]},
        }


class Web:
    """A client with an address of its own."""

    def __init__(self, store: StoreProcess) -> None:
        """Connect to this store."""
        self.store = store
        self.address = ".".join(str(random.randrange(1, 255)) for _ in range(4))
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{store.port}",
            headers={"X-Forwarded-For": self.address},
            verify=_NO_CERTIFICATES,
            trust_env=False,
            timeout=30,
        )
        self._log_begins = len(store.log())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()
        if "engine" in self.__dict__:
            self.engine.dispose()

    @cached_property
    def engine(self) -> Engine:
        """The store's database."""
        return make_engine(self.store.database_url.replace("postgresql://", "postgresql+psycopg2://"))

    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query), values)]

    def change(self, statement: str, **values: Any) -> None:
        """Change the store's database directly."""
        with self.engine.execution_options(writes=True).begin() as connection:
            connection.execute(text(statement), values)

    def insert(self, table: str, **values: Any) -> None:
        """Write a row directly; columns that are left out get the models' defaults."""
        with self.engine.execution_options(writes=True).begin() as connection:
            connection.execute(insert(metadata.tables[table]).values(values))

    def log(self) -> str:
        """Return what the store has logged since this client was made."""
        return self.store.log()[self._log_begins :]

    def register(self, username: str = "", password: str = PASSWORD) -> httpx.Response:
        """Create an account."""
        name = username or f"p-{uuid4().hex[:16]}"
        return self.http.post("/api/users", json={"username": name, "password": password})

    def sign_in(self, username: str, password: str = PASSWORD, **headers: str) -> httpx.Response:
        """Ask for a session."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post("/api/sessions", json={"username": username, "password": password}, headers=named)

    def user(self) -> ApiUser:
        """Return a new user, signed in."""
        user = self.register()
        assert user.status_code == 201, user.text
        session = self.sign_in(user.json()["username"])
        assert session.status_code == 201, session.text
        return ApiUser(self, user.json()["id"], user.json()["username"], session.json()["token"])

    def sign(self, body: bytes) -> str:
        """Return the provider's Authorization header for a body."""
        secret = self.store.env["XSOLLA_WEBHOOK_SECRET"]
        return f"Signature {hashlib.sha1(body + secret.encode()).hexdigest()}"  # noqa: S324 - the provider's choice

    def deliver(self, body: bytes, **headers: str) -> httpx.Response:
        """Deliver a body to the webhook, signed unless another Authorization is given."""
        headers = {"Authorization": self.sign(body), "Content-Type": "application/json", **headers}
        return self.http.post("/api/webhooks/payment", content=body, headers=headers)

    def notify(self, notification: Json) -> httpx.Response:
        """Deliver a notification, signed."""
        settings = {"project_id": int(self.store.env["XSOLLA_PROJECT_ID"])}
        return self.deliver(json.dumps({**notification, "settings": settings}).encode())

    @contextmanager
    def socket(self, **headers: str) -> Iterator[ClientConnection]:
        """Open `/ws`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"ws://127.0.0.1:{self.store.port}/ws"
        with connect(url, additional_headers=named, open_timeout=10, proxy=None) as connection:
            yield connection

    def follow(self, answer: httpx.Response) -> Iterator[list[Json]]:
        """Yield a page, and the pages that its Link header leads to."""
        for _ in range(100):
            assert answer.status_code == 200, answer.text
            yield answer.json()
            if "next" not in answer.links:
                assert "link" not in answer.headers
                return
            url = answer.links["next"]["url"]
            assert url.startswith(self.store.url)
            path = url.removeprefix(self.store.url)
            answer = self.http.get(
                path, headers={"Authorization": answer.request.headers.get("Authorization", "")}
            )
        raise AssertionError("the pages do not end")
