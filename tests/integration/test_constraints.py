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
    "sessions": {
        "token_hash": "new",
        "user_id": "user",
        "created_at": NOW,
        "expires_at": NOW,
        "last_seen_at": NOW,
    },
    "orders": {
        "id": "new",
        "number": "NEW",
        "user_id": "user",
        "status": "pending",
        "total": 0,
        "currency": "USD",
        "created_at": NOW,
        "expires_at": NOW,
        "updated_at": NOW,
    },
    "payment_attempts": {
        "order_id": "order",
        "number": 2,
        "provider": "xsolla",
        "kind": "catalogue",
        "state": "open",
        "provider_order_id": "P2",
        "payment_url": "-",
        "created_at": NOW,
    },
    "idempotency_keys": {"user_id": "user", "key": "new", "order_id": "order", "created_at": NOW},
    "attention_flags": {
        "order_id": "order",
        "delivery_id": None,
        "reason": "new",
        "at": NOW,
        "settled_at": None,
        "settled_by": "",
        "note": "",
    },
    "order_events": {"order_id": "order", "kind": "paid", "at": NOW},
    "payments": {
        "order_id": "order",
        "provider": "xsolla",
        "kind": "payment",
        "amount": 1,
        "charged": None,
        "currency": "USD",
        "transaction_id": "T2",
        "provider_order_id": "",
        "key": "T2",
        "at": NOW,
    },
    "cart_lines": {"user_id": "user", "item_id": 2, "quantity": 1, "added_at": NOW},
    "outbox": {"user_id": "user", "payload": "{}", "leased_until": NOW, "attempts": 0, "last_error": ""},
    "webhook_deliveries": {
        "received_at": NOW,
        "provider": "xsolla",
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
    ("payment_attempts", {"order_id": "none"}),
    ("payment_attempts", {"number": 1}),
    ("payment_attempts", {"provider_order_id": "P1"}),
    ("payment_attempts", {"kind": "gift"}),
    ("payment_attempts", {"kind": None}),
    ("payment_attempts", {"state": "lost"}),
    ("payment_attempts", {"state": None}),
    ("idempotency_keys", {"key": "key"}),
    ("idempotency_keys", {"key": "key", "order_id": "other"}),
    ("idempotency_keys", {"order_id": "none"}),
    ("idempotency_keys", {"user_id": "nobody"}),
    ("attention_flags", {"reason": "known"}),
    ("attention_flags", {"order_id": "none"}),
    ("attention_flags", {"order_id": None}),
    ("attention_flags", {"delivery_id": 2}),
    ("attention_flags", {"order_id": None, "delivery_id": 1}),
    ("attention_flags", {"order_id": None, "delivery_id": 99}),
    ("order_events", {"order_id": "none"}),
    ("payments", {"key": "T1"}),
    ("payments", {"key": "again", "transaction_id": "T1"}),
    ("payments", {"order_id": "other", "key": "T1", "transaction_id": "T1"}),
    ("payments", {"order_id": "none"}),
    ("payments", {"amount": -1}),
    ("payments", {"amount": None}),
    ("payments", {"charged": -1}),
    ("payments", {"kind": "refund", "amount": -1}),
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
    _insert(shop, "orders", id="order", number="FIRST")
    _insert(shop, "orders", id="other", number="OTHER")
    _insert(shop, "idempotency_keys", key="key")
    _insert(shop, "payment_attempts", number=1, provider_order_id="P1")
    _insert(shop, "payments", key="T1", transaction_id="T1")
    _insert(shop, "webhook_deliveries")
    _insert(shop, "webhook_deliveries")
    _insert(shop, "attention_flags", reason="known")
    _insert(shop, "attention_flags", order_id=None, delivery_id=1)
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


def test_facts_that_differ_are_all_kept(filled: Shop) -> None:
    for kind in ("charge", "refund", "partial_refund", "chargeback"):
        _insert(filled, "payments", kind=kind, key="T1", transaction_id="T1", amount=None)
    for key in ("order:P1", "order:P2"):
        _insert(filled, "payments", key=key, transaction_id="")
    # Another provider, and a refund that names another order's payment.
    _insert(filled, "payments", provider="acme", key="T1", transaction_id="T1")
    _insert(filled, "payments", order_id="other", kind="refund", key="T1", transaction_id="T1", amount=None)


def test_only_granted_purchases_count_as_owned(filled: Shop) -> None:
    for status in ("held", "refunded"):
        _insert(filled, "orders", id=status, number=status)
        _insert(filled, "purchases", order_id=status, item_id=1, owned_once=True, status=status)
    _insert(filled, "purchases", order_id="other", item_id=1, owned_once=False)


def _broken(shop: Shop) -> str:
    return "; ".join(violations(shop.engine))


def test_the_invariants_detect_what_the_database_cannot_refuse(filled: Shop) -> None:
    # A rule with a mistake in it would let everything pass.
    broken = _broken(filled)
    assert "a purchase belongs to an order that was paid" in broken
    assert "only money makes an order paid" in broken
    assert "a payment is of its order's amount" in broken
    assert "a genuine delivery that did nothing is flagged" not in broken
    filled.change("UPDATE orders SET status = 'paid' WHERE id = 'order'")
    broken = _broken(filled)
    assert "an order that was paid has no pending lines" in broken
    assert "an order has the status that its timeline ends with" not in broken
    assert "a paid order has a payment without refunds" not in broken
    filled.change("UPDATE orders SET status = 'refunded' WHERE id = 'order'")
    broken = _broken(filled)
    assert "what was refunded is not owned" in broken
    assert "a refunded order's money is gone" in broken


def test_the_invariants_detect_a_status_that_the_ledger_does_not_say(filled: Shop) -> None:
    filled.change("UPDATE orders SET status = 'paid', total = 1 WHERE id = 'order'")
    assert "payment without refunds" not in _broken(filled)
    _insert(filled, "payments", kind="partial_refund", key="T1:", transaction_id="T1", amount=None)
    assert "a paid order has a payment without refunds" in _broken(filled)
    filled.change("UPDATE orders SET status = 'partially_refunded' WHERE id = 'order'")
    assert "a partially refunded order has money left" not in _broken(filled)
    _insert(filled, "payments", kind="refund", key="T1", transaction_id="T1", amount=None)
    assert "a partially refunded order has money left" in _broken(filled)
    filled.change("UPDATE orders SET status = 'refunded' WHERE id = 'order'")
    assert "a refunded order's money is gone" not in _broken(filled)
    for number in (2, 3):
        _insert(filled, "payments", key=f"T{number}", transaction_id=f"T{number}")
    broken = _broken(filled)
    assert "a refunded order's money is gone" in broken
    assert "an order that was paid twice is flagged" in broken
    _insert(filled, "attention_flags", reason="paid twice: one payment must be refunded")
    assert "an order that was paid twice is flagged" not in _broken(filled)


def test_the_invariants_detect_lines_held_for_nothing(filled: Shop) -> None:
    _insert(filled, "purchases", order_id="other", item_id=1, owned_once=True, status="held")
    assert "an order with a held line is flagged" in _broken(filled)
    assert "a line is held only while" not in _broken(filled)
    _insert(filled, "attention_flags", order_id="other", reason="paid for something owned already")
    assert "an order with a held line is flagged" not in _broken(filled)
    filled.change("UPDATE purchases SET status = 'refunded' WHERE order_id = 'order'")
    assert "a line is held only while its user owns the item through another order" in _broken(filled)


def test_the_invariants_detect_deliveries_that_nobody_is_told_of(filled: Shop) -> None:
    for verdict, answered in (("unmatched", 204), ("failed", 503), ("refused", 400)):
        _insert(filled, "webhook_deliveries", verdict=verdict, response_status=answered)
    _insert(filled, "webhook_deliveries", verdict="refused", response_status=400, order_id="order")
    _insert(
        filled,
        "webhook_deliveries",
        verdict="refused",
        response_status=400,
        reason="There is no such user.",
    )
    assert "a genuine delivery that did nothing is flagged: broken by [3, 4, 5]" in _broken(filled)
