"""The log of what the torture test sent and which responses it got, and its comparison with the database."""

import json
import random
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Engine, text

from benchmarks.deliveries import PlacedOrder
from store_app.models import Order, utc_now
from tests.integration.shop import declined, order_paid, refund
from tests.support.invariants import violations

# The kinds of notifications that an order gets, their weight in the random choice, and the status that the order
# must have in the end, in whatever sequence the notifications arrive.
COURSES: dict[tuple[str, ...], tuple[int, str]] = {
    ("paid",): (40, "paid"),
    ("paid", "refund"): (25, "refunded"),
    ("paid", "chargeback"): (8, "charged_back"),
    ("paid", "refund", "chargeback"): (4, "charged_back"),
    ("paid", "partial_refund"): (8, "partially_refunded"),
    ("declined", "paid"): (7, "paid"),
    ("declined",): (4, "failed"),
    ("refund",): (4, "canceled"),
}
PURCHASES = {
    "paid": ["granted"],
    "partially_refunded": ["granted"],
    "refunded": ["refunded"],
    "charged_back": ["refunded"],
}
# What is counted for a delivery whose connection broke before the response came.
NO_RESPONSE = "no response"


def _body(kind: str, placed: PlacedOrder) -> bytes:
    cents = round(float(placed.total) * 100)
    order = Order(
        id=placed.order_id, user_id=placed.user_id, total=cents, currency="USD", number="", expires_at=utc_now()
    )
    transaction = f"T-{placed.order_id[:24]}"
    match kind:
        case "paid":
            notification = order_paid(order, transaction)
        case "declined":
            notification = declined(order)
        case "partial_refund":
            part = {"currency": "USD", "amount": f"{cents // 2 / 100:.2f}"}
            notification = refund(order, transaction)
            notification |= {"notification_type": "partial_refund", "payment_details": {"payment": part}}
        case _:
            notification = refund(order, transaction, code=2 if kind == "chargeback" else 1)
    return json.dumps(notification).encode()


@dataclass
class DeliveryLog:
    """The status that each order must reach, the acknowledged deliveries, and all responses, counted."""

    expected: dict[str, str] = field(default_factory=dict)
    acknowledged: Counter[bytes] = field(default_factory=Counter)
    responses: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def plan(
        self, orders: Sequence[PlacedOrder], generator: random.Random, enough: int = sys.maxsize
    ) -> list[bytes]:
        """Choose a course for each order; return all their notifications, each once.

        Orders that are left when there are `enough` notifications get none.
        """
        weights = [weight for weight, _ in COURSES.values()]
        bodies: list[bytes] = []
        for order in orders:
            if len(bodies) >= enough:
                break
            (course,) = generator.choices(list(COURSES), weights)
            self.expected[order.order_id] = COURSES[course][1]
            bodies += [_body(kind, order) for kind in course]
        return bodies

    def record(self, response: str, body: bytes) -> None:
        """Count the response to a delivery."""
        with self.lock:
            self.responses[response] += 1
            if response == "2xx":
                self.acknowledged[body] += 1


def _rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(query))]


def count_unsent_messages(connection: Connection) -> int:
    """Return how many messages are in the outbox."""
    return len(_rows(connection, "SELECT id FROM outbox"))


def _lost_deliveries(connection: Connection, log: DeliveryLog) -> list[str]:
    kept = Counter(bytes(body) for (body,) in _rows(connection, "SELECT body FROM webhook_deliveries"))
    return [f"a delivery: {body[:80]!r}" for body, times in log.acknowledged.items() if kept[body] < times]


def _duplicates(connection: Connection) -> list[str]:
    """Return rows that an order has twice in its ledger or timeline; no course has any kind twice."""
    query = "SELECT order_id, kind, COUNT(*) FROM {} GROUP BY order_id, kind HAVING COUNT(*) > 1"
    tables = ("payments", "order_events")
    return [
        f"order {order_id} has {times} {table} of {kind}"
        for table in tables
        for order_id, kind, times in _rows(connection, query.format(table))
    ]


@dataclass(frozen=True)
class Findings:
    """What is wrong in the end; everything is empty when nothing is."""

    lost: list[str]
    duplicates: list[str]
    invariants: list[str]
    unsent: int = 0

    @classmethod
    def of(cls, engine: Engine, log: DeliveryLog) -> "Findings":
        """Compare the database with the log."""
        with engine.connect() as connection:
            found = cls(_lost_deliveries(connection, log), _duplicates(connection), violations(engine))
            statuses = dict(_rows(connection, "SELECT id, status FROM orders"))
            purchases: dict[str, list[str]] = {}
            for order_id, status in _rows(connection, "SELECT order_id, status FROM purchases"):
                purchases.setdefault(order_id, []).append(status)
            unsent = count_unsent_messages(connection)
        for order_id, expected in log.expected.items():
            status, bought = statuses.get(order_id), purchases.get(order_id, [])
            expected_purchases = PURCHASES.get(expected, [])
            description = f"order {order_id} is {status}, not {expected}"
            description += f"; its purchases are {bought}, not {expected_purchases}"
            if len(bought) > len(expected_purchases):
                found.duplicates.append(description)
            elif bought != expected_purchases or status != expected:
                found.lost.append(description)
        return replace(found, unsent=unsent)

    def all(self) -> list[str]:
        """Return everything that is wrong."""
        unsent = [f"{self.unsent} messages are still in the outbox"] if self.unsent else []
        return [*self.lost, *self.duplicates, *self.invariants, *unsent]
