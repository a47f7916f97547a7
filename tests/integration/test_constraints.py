"""The database itself refuses invalid rows, whatever the code does."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from store_app.models import metadata
from tests.integration.shop import Shop
from tests.support.invariants import violations

NOW = datetime(2026, 11, 23, 18, 52, tzinfo=UTC)
# Columns that are left out have defaults in the models.
ROWS: dict[str, dict[str, Any]] = {
    "items": {
        "sku": "new",
        "name": "New",
        "description": "",
        "price": 1,
        "currency": "USD",
        "kind": "consumable",
        "image": "",
        "status": "active",
        "created_at": NOW,
    },
    "users": {"id": "new", "username": "New", "username_key": "new", "password": "-", "created_at": NOW},
    "sessions": {"token_hash": "new", "user_id": "user", "created_at": NOW, "expires_at": NOW},
    "orders": {
        "id": "new",
        "number": "NEW",
        "user_id": "user",
        "status": "pending",
        "total": 0,
        "currency": "USD",
        "idempotency_key": None,
        "needs_attention": "",
        "created_at": NOW,
        "expires_at": NOW,
        "updated_at": NOW,
    },
    "payment_attempts": {
        "order_id": "order",
        "number": 2,
        "provider_order_id": "P2",
        "payment_url": "-",
        "created_at": NOW,
    },
    "order_events": {"order_id": "order", "kind": "paid", "at": NOW},
    "payments": {
        "order_id": "order",
        "kind": "payment",
        "amount": 1,
        "currency": "USD",
        "transaction_id": "T2",
        "provider_id": "T2",
        "at": NOW,
    },
    "cart_lines": {"user_id": "user", "item_id": 2, "quantity": 1, "added_at": NOW},
    "outbox": {"user_id": "user", "payload": "{}", "leased_until": NOW, "attempts": 0, "last_error": ""},
    "webhook_deliveries": {
        "received_at": NOW,
        "notification_type": "",
        "order_id": None,
        "verdict": "done",
        "reason": "",
        "response_status": 204,
        "headers": "",
        "body": b"",
    },
}
_LINE = {
    "order_id": "order",
    "user_id": "user",
    "item_id": 2,
    "quantity": 1,
    "unit_price": 0,
    "currency": "USD",
    "owned_once": False,
    "timestamp": NOW,
}
ROWS["pending_purchases"] = _LINE
ROWS["purchases"] = {**_LINE, "status": "granted"}

# Each of these changes makes an acceptable row one that must be refused.
BAD: list[tuple[str, dict[str, Any]]] = [
    ("items", {"sku": "first"}),
    ("items", {"price": -1}),
    ("items", {"kind": "rented"}),
    ("items", {"status": "hidden"}),
    ("items", {"name": None}),
    ("users", {"username_key": "user"}),
    ("users", {"id": "user"}),
    ("sessions", {"user_id": "nobody"}),
    ("orders", {"number": "FIRST"}),
    ("orders", {"user_id": "nobody"}),
    ("orders", {"status": "lost"}),
    ("orders", {"total": -1}),
    ("orders", {"idempotency_key": "key"}),
    ("payment_attempts", {"order_id": "none"}),
    ("payment_attempts", {"number": 1}),
    ("payment_attempts", {"provider_order_id": "P1"}),
    ("order_events", {"order_id": "none"}),
    ("payments", {"provider_id": "T1"}),
    ("payments", {"order_id": "none"}),
    ("payments", {"amount": -1}),
    ("payments", {"kind": "refund"}),
    ("payments", {"kind": "chargeback"}),
    ("payments", {"kind": "gift"}),
    ("cart_lines", {"item_id": 1}),
    ("cart_lines", {"item_id": 99}),
    ("cart_lines", {"user_id": "nobody"}),
    ("cart_lines", {"quantity": 0}),
    ("outbox", {"user_id": "nobody"}),
    ("webhook_deliveries", {"verdict": "lost"}),
    ("webhook_deliveries", {"order_id": "none"}),
    *(
        (table, change)
        for table in ("pending_purchases", "purchases")
        for change in (
            {"item_id": 1},
            {"item_id": 99},
            {"order_id": "none"},
            {"user_id": "nobody"},
            {"quantity": 0},
            {"quantity": -1},
            {"unit_price": -1},
        )
    ),
    ("purchases", {"status": "lost"}),
    ("purchases", {"order_id": "other", "item_id": 1, "owned_once": True}),
]


@pytest.fixture
def filled(shop: Shop) -> Shop:
    _insert(shop, "users", id="user", username_key="user")
    _insert(shop, "items", sku="first")
    _insert(shop, "items", sku="second")
    _insert(shop, "orders", id="order", number="FIRST", idempotency_key="key")
    _insert(shop, "orders", id="other", number="OTHER")
    _insert(shop, "payment_attempts", number=1, provider_order_id="P1")
    _insert(shop, "payments", provider_id="T1")
    _insert(shop, "cart_lines", item_id=1)
    _insert(shop, "pending_purchases", item_id=1)
    _insert(shop, "purchases", item_id=1, owned_once=True)
    return shop


def _insert(shop: Shop, table: str, **changed: Any) -> None:
    with shop.engine.begin() as connection:
        connection.execute(insert(metadata.tables[table]).values({**ROWS[table], **changed}))


def test_acceptable_rows_are_accepted(filled: Shop) -> None:
    for table in ROWS:
        _insert(filled, table)


def test_every_bad_row_is_refused(filled: Shop) -> None:
    accepted = []
    for table, change in BAD:
        try:
            _insert(filled, table, **change)
        except IntegrityError:
            continue
        accepted.append((table, change))
    assert accepted == []


def test_a_row_that_others_refer_to_cannot_be_deleted(filled: Shop) -> None:
    for table, where in (("items", "id = 1"), ("users", "id = 'user'"), ("orders", "id = 'order'")):
        with pytest.raises(IntegrityError):
            filled.change(f"DELETE FROM {table} WHERE {where}")


def test_only_granted_purchases_count_as_owned(filled: Shop) -> None:
    for status in ("held", "refunded"):
        _insert(filled, "orders", id=status, number=status)
        _insert(filled, "purchases", order_id=status, item_id=1, owned_once=True, status=status)
    _insert(filled, "purchases", order_id="other", item_id=1, owned_once=False)


def test_the_invariants_detect_what_the_database_cannot_refuse(filled: Shop) -> None:
    # A rule with a mistake in it would let everything pass.
    broken = " ".join(violations(filled.engine))
    assert "a purchase belongs to an order that was paid" in broken
    assert "only money makes an order paid" in broken
    assert "a payment is of its order's amount" in broken
    filled.change("UPDATE orders SET status = 'paid' WHERE id = 'order'")
    broken = " ".join(violations(filled.engine))
    assert "an order that was paid has no pending lines" in broken
    assert "an order has the status that its timeline ends with" not in broken
    filled.change("UPDATE orders SET status = 'refunded' WHERE id = 'order'")
    broken = " ".join(violations(filled.engine))
    assert "what was refunded is not owned" in broken
    assert "a refunded order's money is gone" in broken
