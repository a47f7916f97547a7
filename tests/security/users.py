"""Signed-in users for the attacks: an account, its session, and its rows in the database."""

import secrets
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.store import StoreProcess

PASSWORD = "correct horse battery"


@dataclass
class SignedInUser:
    """A user with a session; `token` is the value of the session cookie."""

    store: StoreProcess
    name: str = field(default_factory=lambda: f"user-{secrets.token_hex(4)}")
    token: str = ""
    user_id: str = ""

    def __post_init__(self) -> None:
        """Create the account and sign in."""
        created = httpx.post(f"{self.store.url}/api/users", json={"username": self.name, "password": PASSWORD})
        assert created.status_code == 201, created.text
        self.user_id = created.json()["id"]
        self.token = self.sign_in()

    def sign_in(self) -> str:
        """Sign in as the form does and return the new session's token."""
        form = {"username": self.name, "password": PASSWORD}
        response = httpx.post(f"{self.store.url}/auth/login", data=form)
        assert response.status_code == 303, response.text
        assert "session" in response.cookies, response.headers["location"]
        return response.cookies["session"]

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request with this user's cookie."""
        headers = {"Cookie": f"session={self.token}", **options.pop("headers", {})}
        return httpx.request(method, self.store.url + path, headers=headers, timeout=30, **options)

    def order(self, sku: str) -> str:
        """Place an order and return its id."""
        response = self.request("POST", "/api/purchases", json={"items": [{"sku": sku, "quantity": 1}]})
        assert response.status_code == 201, response.text
        return str(response.json()["order_id"])

    def buy(self, sku: str) -> str:
        """Place an order, have it paid, and return its id."""
        order_id = self.order(sku)
        pay(self.store, order_id)
        return order_id


def pay(store: StoreProcess, order_id: str) -> None:
    """Have the provider notify the store that an order is paid."""
    response = httpx.post(f"{store.simulator_url}/simulator/orders/{order_id}/send", json={}, timeout=30)
    assert response.status_code == 200, response.text
    assert response.json()["acknowledged"], response.text


# Per table: which rows belong to a user.
ROWS_OF_USER = {
    "users": "id = :user",
    "sessions": "user_id = :user",
    "cart_lines": "user_id = :user",
    "orders": "user_id = :user",
    "purchases": "user_id = :user",
    "pending_purchases": "user_id = :user",
    "payments": "order_id IN (SELECT id FROM orders WHERE user_id = :user)",
    "payment_attempts": "order_id IN (SELECT id FROM orders WHERE user_id = :user)",
    "order_events": "order_id IN (SELECT id FROM orders WHERE user_id = :user)",
}


def database(store: StoreProcess) -> sqlite3.Connection:
    """Open the database of a store on SQLite."""
    return sqlite3.connect(store.data_dir / "store.db", timeout=10)


def rows_of(user: SignedInUser) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row that belongs to a user."""
    with closing(database(user.store)) as connection:
        return {
            table: connection.execute(
                f"SELECT * FROM {table} WHERE {condition} ORDER BY 1",
                {"user": user.user_id},
            ).fetchall()
            for table, condition in ROWS_OF_USER.items()
        }
