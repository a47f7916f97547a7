"""Players as an attacker meets them: an account, its session, and what the database holds of it."""

import secrets
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.store import StoreProcess

PASSWORD = "correct horse battery"


@dataclass
class Person:
    """A signed-in player; `token` is the value of the session cookie."""

    shop: StoreProcess
    name: str = field(default_factory=lambda: f"person-{secrets.token_hex(4)}")
    token: str = ""
    user_id: str = ""

    def __post_init__(self) -> None:
        """Create the account and sign in."""
        made = httpx.post(f"{self.shop.url}/api/users", json={"username": self.name, "password": PASSWORD})
        assert made.status_code == 201, made.text
        self.user_id = made.json()["id"]
        self.token = self.sign_in()

    def sign_in(self) -> str:
        """Sign in as the form does and return the new session's token."""
        form = {"username": self.name, "password": PASSWORD}
        answer = httpx.post(f"{self.shop.url}/auth/login", data=form)
        assert answer.status_code == 303, answer.text
        assert "session" in answer.cookies, answer.headers["location"]
        return answer.cookies["session"]

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a request with this person's cookie."""
        headers = {"Cookie": f"session={self.token}", **more.pop("headers", {})}
        return httpx.request(method, self.shop.url + path, headers=headers, timeout=30, **more)

    def order(self, sku: str) -> str:
        """Place an order and return its id."""
        answer = self.ask("POST", "/api/purchases", json={"items": [{"sku": sku, "quantity": 1}]})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["order_id"])

    def buy(self, sku: str) -> str:
        """Place an order, have it paid, and return its id."""
        order_id = self.order(sku)
        pay(self.shop, order_id)
        return order_id


def pay(shop: StoreProcess, order_id: str) -> None:
    """Have the provider tell the store that an order is paid."""
    answer = httpx.post(f"{shop.simulator_url}/simulator/orders/{order_id}/send", json={}, timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.json()["acknowledged"], answer.text


OF_A_USER = {
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


def database(shop: StoreProcess) -> sqlite3.Connection:
    """Open the database of a store on SQLite."""
    return sqlite3.connect(shop.data_dir / "store.db", timeout=10)


def rows_of(person: Person) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row that belongs to a person."""
    with closing(database(person.shop)) as connection:
        return {
            table: connection.execute(
                f"SELECT * FROM {table} WHERE {whose} ORDER BY 1",
                {"user": person.user_id},
            ).fetchall()
            for table, whose in OF_A_USER.items()
        }
