"""Migration 0005: orders in every status, and ledgers of every kind, become facts, and back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.config import Config
from sqlalchemy import text

from alembic import command
from store_app.models import OrderStatus
from store_app.orders.ledger import Fact, standing
from tests.integration.conftest import alembic_config
from tests.support.invariants import violations

Row = dict[str, Any]
NOW = datetime.now(UTC).replace(tzinfo=None)
LONG_AGO = NOW - timedelta(days=200)
PAID_TWICE = "paid twice: one payment must be refunded"
UNKNOWN_PAYMENT = "money went back, but it is not known of which payment"
OWNED_ALREADY = "paid for something owned already"
ONCE_PAID = {"paid", "partially_refunded", "refunded", "charged_back"}


@dataclass
class Old:
    """An order in the schema of migration 0004."""

    status: str
    # kind, amount, charged, transaction, the provider's order, provider_id
    ledger: Sequence[tuple[str, int, int, str, str, str]] = ()
    # The provider's orders of its attempts; None: it keeps none.
    attempts: Sequence[str | None] = ()
    declined: bool = False
    flag: str = ""
    key: str | None = None
    total: int = 1000
    provider: str = "xsolla"
    # Of the second and later rows of the ledger, if it differs.
    other_provider: str = ""
    purchase: str = ""
    item_id: int = 1
    created_at: datetime = NOW
    next_check_at: datetime | None = None
    # What the new ledger says, where it corrects the status.
    corrected: OrderStatus | None = None


def _paid(transaction: str, provider_order: str = "", charged: int = 0, amount: int = 1000) -> Any:
    return "payment", amount, charged, transaction, provider_order, transaction


def _back(kind: str, amount: int, transaction: str, provider_order: str = "", key: str = "") -> Any:
    return kind, -amount, 0, transaction, provider_order, key or transaction


def _part(amount: int, charged: int, transaction: str, detail: str = "", provider_order: str = "") -> Any:
    return "partial_refund", -amount, -charged, transaction, provider_order, f"{transaction}:{detail}"


def _id(name: str) -> str:
    return name.encode().hex().zfill(32)[-32:]


ORDERS = {
    "pending": Old("pending", attempts=["100"], key="k1", next_check_at=NOW),
    "failed": Old("failed", attempts=["101", None], declined=True, flag="the payment has another amount"),
    "expired": Old("expired", attempts=["102"], next_check_at=LONG_AGO),
    "closed": Old("canceled", [_back("refund", 0, "order:103", "103")], ["103"]),
    "gone": Old("canceled", [_back("refund", 0, "T04"), _part(0, 500, "T04", "a")], [None]),
    "paid": Old("paid", [_paid("T05", "105", 1250)], ["105"], key="k2", next_check_at=LONG_AGO),
    "old": Old("paid", [_paid("T06")], ["106"], created_at=LONG_AGO, next_check_at=LONG_AGO),
    "second": Old("paid", [_paid("T07", "107")], ["1070", "107"], flag="dispute: fraud"),
    "nameless": Old("paid", [_paid("order:108", "108")], ["108"]),
    "before2": Old("paid", [_paid("order:109")], ["1090", "109"]),
    "itself": Old("paid", [_paid(f"order:{_id('itself')}")], ["110"]),
    "amount": Old("paid", [_paid(f"order:{_id('amount')}")], [None]),
    "backed": Old(
        "refunded",
        [_paid(f"order:{_id('backed')}"), _back("refund", 1000, f"order:{_id('backed')}")],
        [None],
    ),
    "free": Old("paid", [_paid(f"free:{_id('free')}", amount=0)], total=0, provider=""),
    "part": Old(
        "partially_refunded",
        [_paid("T14", "114", 1250), _part(400, 500, "T14", "a"), _part(160, 200, "T14", "b")],
        ["114"],
    ),
    "untaxed": Old("partially_refunded", [_paid("T15"), _part(400, 400, "T15", "a")], [None]),
    "unknown": Old(
        "partially_refunded",
        [_paid("T16", charged=1250), _part(0, 1250, "T16", "a"), _part(0, 0, "T16")],
        [None],
        flag="partly refunded, but it is not known how much",
    ),
    "parts": Old(
        "refunded", [_paid("T17", charged=1250), _part(400, 500, "T17", "a"), _part(600, 750, "T17", "b")]
    ),
    "rounded": Old(
        "refunded",
        [
            _paid("T18", charged=1199, amount=999),
            _part(500, 600, "T18", "a"),
            _part(499, 598, "T18", "b"),
        ],
        total=999,
    ),
    "rest": Old("refunded", [_paid("T19"), _part(400, 400, "T19", "a"), _back("refund", 600, "T19")], [None]),
    "early": Old("refunded", [_back("refund", 1000, "T20", "120", "order:120"), _paid("T20", "120")], ["120"]),
    "named": Old("refunded", [_paid("order:121", "121"), _back("refund", 1000, "order:121", "121")], ["121"]),
    "charged": Old(
        "charged_back",
        [_paid("T22"), _back("refund", 1000, "T22"), _back("chargeback", 0, "T22")],
        [None],
        key="k3",
    ),
    "twice": Old("paid", [_paid("T23", "123"), _paid("T24", "124")], ["123", "124"], flag=PAID_TWICE),
    "once": Old(
        "paid",
        [_paid("T25", "125"), _paid("T26", "125"), _back("refund", 1000, "T25", "125")],
        ["125"],
        flag=PAID_TWICE,
    ),
    "both": Old(
        "refunded",
        [
            _paid("T27", "127"),
            _paid("T28", "128"),
            _back("refund", 1000, "T27", "127"),
            _back("refund", 1000, "T28", "128"),
        ],
        ["127", "128"],
        flag=PAID_TWICE,
    ),
    "acme": Old(
        "paid",
        [_paid("T29"), _back("refund", 1000, "T29"), _paid("T29")],
        [None],
        other_provider="acme",
        flag=PAID_TWICE,
    ),
    # Finding 6 of the review: one payment, first found without its transaction.
    "reported": Old("paid", [_paid("order:130", "130"), _paid("T30", "130")], ["130"], flag=PAID_TWICE),
    # Finding 18: nobody was told.
    "stray": Old("paid", [_paid("T31", "131"), _back("refund", 0, "T9")], ["131"]),
    "missed": Old(
        "paid",
        [_paid("T32"), _back("refund", 0, "order:132", "132")],
        ["132"],
        corrected=OrderStatus.REFUNDED,
    ),
    "owner": Old("paid", [_paid("T33")], [None], item_id=2),
    "holder": Old("paid", [_paid("T34")], [None], item_id=2, purchase="held", flag=OWNED_ALREADY),
}
# verdict, the HTTP status, its order, notification_type, reason
DELIVERIES = [
    ("done", 204, _id("paid"), "order_paid", "why"),
    ("unmatched", 204, None, "refund", "matches no order of the store"),
    ("failed", 503, None, "", "OperationalError: disk full"),
    ("refused", 400, None, "order_paid", "a name twice"),
    ("refused", 400, None, "user_validation", "There is no such user."),
    ("refused", 400, _id("failed"), "order_paid", "the payment has another amount"),
    ("bad_signature", 400, None, "", "no signature"),
]
TABLES = (
    "orders",
    "payments",
    "payment_attempts",
    "purchases",
    "pending_purchases",
    "webhook_deliveries",
    "outbox",
)


@pytest.fixture
def config(empty_url: str) -> Iterator[Config]:
    config = alembic_config(empty_url)
    command.upgrade(config, "0004")
    yield config
    config.attributes["engine"].dispose()


@pytest.fixture
def filled(config: Config) -> Config:
    """Return a database of the schema before, with all the data."""
    user = {"id": "u", "username": "Kira", "username_key": "kira", "password": "-", "created_at": NOW}
    _insert(config, "users", user)
    for item_id, kind in ((1, "consumable"), (2, "non_consumable")):
        item = {"id": item_id, "sku": f"i{item_id}", "name": "Item", "description": "", "price": 1000}
        state = {"currency": "USD", "kind": kind, "image": "", "status": "active", "created_at": NOW}
        _insert(config, "items", item | state)
    for name, old in ORDERS.items():
        for table, row in _rows(name, old):
            _insert(config, table, row)
    for verdict, answered, order_id, kind, reason in DELIVERIES:
        outcome = {"verdict": verdict, "answered": answered, "reason": reason, "order_id": order_id}
        sent = {"notification_type": kind, "transaction_id": "", "headers": "{}", "body": b"{}"}
        _insert(config, "webhook_deliveries", {"received_at": NOW, "took_ms": 1} | outcome | sent)
    message = {"user_id": "u", "payload": "{}", "leased_until": NOW, "attempts": 0, "last_error": ""}
    _insert(config, "outbox", message)
    return config


def _insert(config: Config, table: str, row: Row) -> None:
    names, values = ", ".join(row), ", ".join(f":{name}" for name in row)
    times = [sa.bindparam(name, type_=sa.DateTime()) for name, value in row.items() if isinstance(value, datetime)]
    statement = text(f"INSERT INTO {table} ({names}) VALUES ({values})").bindparams(*times)
    with config.attributes["engine"].begin() as connection:
        connection.execute(statement, row)


def _rows(name: str, old: Old) -> Iterator[tuple[str, Row]]:
    order_id, paid = _id(name), old.status in ONCE_PAID
    yield (
        "orders",
        {
            "id": order_id,
            "number": name,
            "user_id": "u",
            "status": old.status,
            "total": old.total,
            "currency": "USD",
            "idempotency_key": old.key,
            "needs_attention": old.flag,
            "created_at": old.created_at,
            "expires_at": NOW,
            "next_check_at": old.next_check_at,
            "checks": 1,
            "updated_at": NOW,
        },
    )
    yield "order_events", {"order_id": order_id, "kind": old.status, "at": NOW}
    for number, provider_order in enumerate(old.attempts, 1):
        yield (
            "payment_attempts",
            {
                "order_id": order_id,
                "number": number,
                "provider": "xsolla",
                "provider_order_id": provider_order,
                "payment_url": "http://pay",
                "declined_at": NOW if old.declined else None,
                "created_at": NOW,
            },
        )
    line: Row = {
        "order_id": order_id,
        "user_id": "u",
        "item_id": old.item_id,
        "quantity": 1,
        "unit_price": old.total,
        "currency": "USD",
        "owned_once": old.item_id > 1,
        "timestamp": NOW,
    }
    if paid:
        granted = old.status in {"paid", "partially_refunded"}
        line["status"] = old.purchase or ("granted" if granted else "refunded")
    yield ("purchases" if paid else "pending_purchases"), line
    for place, (kind, amount, charged, transaction, provider_order, key) in enumerate(old.ledger):
        last = place == len(old.ledger) - 1
        yield (
            "payments",
            {
                "order_id": order_id,
                "provider": old.other_provider if last and old.other_provider else old.provider,
                "kind": kind,
                "amount": amount,
                "charged": charged,
                "currency": "USD",
                "transaction_id": transaction,
                "provider_order_id": provider_order,
                "provider_id": key,
                "at": NOW,
            },
        )


def _read(config: Config, query: str) -> list[Row]:
    with config.attributes["engine"].connect() as connection:
        return [dict(row) for row in connection.execute(text(query)).mappings()]


def _change(config: Config, *statements: str) -> None:
    with config.attributes["engine"].begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def _contents(config: Config, *more: str) -> dict[str, list[Row]]:
    return {table: _read(config, f"SELECT * FROM {table} ORDER BY 1, 2") for table in (*TABLES, *more)}


def _facts(config: Config, name: str) -> list[Fact]:
    columns = "kind, key, provider, transaction_id, provider_order_id, amount, charged"
    rows = _read(config, f"SELECT {columns} FROM payments WHERE order_id = '{_id(name)}' ORDER BY id")
    return [Fact(**row) for row in rows]


def test_nothing_changes_for_users(filled: Config) -> None:
    before = _contents(filled)
    command.upgrade(filled, "0005")
    after = _contents(filled)
    for table in ("purchases", "pending_purchases", "webhook_deliveries", "outbox"):
        assert after[table] == before[table]
    assert {row["id"]: row["status"] for row in after["orders"]} == {
        _id(name): old.status for name, old in ORDERS.items()
    }
    assert len(after["payments"]) == len(before["payments"])
    broken = violations(filled.attributes["engine"])
    assert broken == [f"a paid order has a payment without refunds: broken by ['{_id('missed')}']"]


def test_the_facts_say_the_statuses_that_the_orders_have(filled: Config) -> None:
    command.upgrade(filled, "0005")
    said = {name: standing(_facts(filled, name)).status for name in ORDERS}
    assert said == {
        name: (old.corrected or old.status) if old.status in ONCE_PAID else None for name, old in ORDERS.items()
    }


def test_what_was_said_is_kept_and_what_was_derived_is_not(filled: Config) -> None:
    command.upgrade(filled, "0005")

    def said(name: str) -> list[tuple[object, ...]]:
        return [
            (fact.kind, fact.key, fact.transaction_id, fact.provider_order_id, fact.amount, fact.charged)
            for fact in _facts(filled, name)
        ]

    assert said("part") == [
        ("payment", "T14", "T14", "114", 1000, 1250),
        ("partial_refund", "T14:a", "T14", "", 400, 500),
        ("partial_refund", "T14:b", "T14", "", 160, 200),
    ]
    assert said("closed") == [("refund", "order:103", "", "103", None, None)]
    assert said("old") == [("payment", "T06", "T06", "106", 1000, None)]
    assert said("second") == [("payment", "T07", "T07", "107", 1000, None)]
    assert said("before2") == [("payment", "order:109", "", "109", 1000, None)]
    assert said("itself") == [("payment", f"order:{_id('itself')}", "", "110", 1000, None)]
    assert said("amount") == [("payment", f"order:{_id('amount')}", "", "", 1000, None)]
    assert said("free") == [("payment", f"free:{_id('free')}", "", "", 0, None)]
    # A refund of an unknown transaction does not get the provider's order of the payment.
    assert said("stray")[1] == ("refund", "T9", "T9", "", None, None)
    assert [fact.amount for fact in _facts(filled, "charged")] == [1000, None, None]


def test_flags_keys_attempts_and_the_next_questions(filled: Config) -> None:
    before = datetime.now(UTC)
    command.upgrade(filled, "0005")
    flags = _read(filled, "SELECT order_id, delivery_id, reason FROM attention_flags WHERE settled_at IS NULL")
    assert {(row["order_id"], row["reason"]) for row in flags if row["order_id"]} == {
        *((_id(name), old.flag) for name, old in ORDERS.items() if old.flag),
        *((_id(name), UNKNOWN_PAYMENT) for name in ("stray", "missed")),
    }
    assert {(row["delivery_id"], row["reason"]) for row in flags if row["delivery_id"]} == {
        (2, "unmatched: matches no order of the store"),
        (3, "failed: OperationalError: disk full"),
        (4, "refused: a name twice"),
    }
    keys = _read(filled, "SELECT user_id, key, order_id FROM idempotency_keys ORDER BY key")
    assert [tuple(row.values()) for row in keys] == [
        ("u", "k1", _id("pending")),
        ("u", "k2", _id("paid")),
        ("u", "k3", _id("charged")),
    ]
    attempts = _read(filled, "SELECT order_id, kind, state FROM payment_attempts ORDER BY order_id, number")
    assert {tuple(row.values())[1:] for row in attempts if row["order_id"] == _id("failed")} == {
        ("catalogue", "declined"),
        ("amount", "declined"),
    }
    assert {row["state"] for row in attempts if row["order_id"] != _id("failed")} == {"open"}
    with filled.attributes["engine"].connect() as connection:
        orders = sa.table("orders", sa.column("id"), sa.column("next_check_at", sa.DateTime(timezone=True)))
        asked = {row.id: row.next_check_at for row in connection.execute(sa.select(orders)) if row.next_check_at}
    again = {_id(name) for name, old in ORDERS.items() if old.status in {"paid", "partially_refunded"}}
    assert set(asked) == {_id("pending"), _id("expired")} | again - {_id("old")}
    day = timedelta(days=1, seconds=60)
    assert all(before <= asked[one].replace(tzinfo=UTC) <= before + day for one in again - {_id("old")})


def test_the_previous_release_gets_its_data_back(filled: Config) -> None:
    expected = _contents(filled)
    for row in expected["orders"]:
        row["next_check_at"] = None if row["status"] in ONCE_PAID else row["next_check_at"]
        row["needs_attention"] = (
            UNKNOWN_PAYMENT if row["number"] in {"stray", "missed"} else row["needs_attention"]
        )
    for row in expected["payment_attempts"]:
        row["declined_at"] = row["declined_at"] and row["created_at"]
    # One payment that was reported twice.
    expected["payments"] = [row for row in expected["payments"] if row["provider_id"] != "order:130"]
    # The provider's order of a payment, as far as it was known; and what is matched by it now.
    known = {_id(name): order for name, order in (("old", "106"), ("before2", "109"), ("itself", "110"))}
    for row in expected["payments"]:
        row["provider_order_id"] = known.get(row["order_id"], row["provider_order_id"])
        if row["provider_id"] == "T32":
            row["provider_order_id"] = "132"
        if row["provider_id"] == "order:132":
            row["amount"], row["transaction_id"] = -1000, "T32"
    command.upgrade(filled, "0005")
    command.downgrade(filled, "0004")
    actual = _contents(filled)
    for table in TABLES:
        assert actual[table] == expected[table]


def test_up_again_is_the_same(filled: Config) -> None:
    def state() -> dict[str, list[Row]]:
        contents = _contents(filled, "attention_flags", "idempotency_keys")
        for row in contents["orders"]:
            row["next_check_at"] = row["next_check_at"] and "some time"
        for row in contents["attention_flags"]:
            del row["id"]
        contents["attention_flags"].sort(key=str)
        return contents

    command.upgrade(filled, "0005")
    first = state()
    command.downgrade(filled, "0004")
    command.upgrade(filled, "0005")
    second = state()
    first["payments"] = [row for row in first["payments"] if row["key"] != "order:130"]
    for row in first["payments"]:
        if row["key"] == "order:132":
            row["transaction_id"] = "T32"
    assert second == first


def test_what_the_new_release_wrote_becomes_what_the_old_one_would_have(filled: Config) -> None:
    command.upgrade(filled, "0005")
    _change(filled, *_new_facts())
    command.downgrade(filled, "0004")
    rows = _read(filled, "SELECT provider_id, transaction_id, kind, amount, charged FROM payments ORDER BY id")
    new = [tuple(row.values()) for row in rows if "N" in row["provider_id"]]
    assert new == [
        ("NT1", "NT1", "payment", 1000, 1250),
        ("NT1:a", "NT1", "partial_refund", -400, -500),
        ("NT1:b", "NT1", "partial_refund", -200, -250),
        ("NT1", "NT1", "refund", -400, -1250),
        ("NT1", "NT1", "chargeback", 0, 0),
        ("NT2", "NT2", "payment", 1000, 0),
        ("NT2:", "NT2", "partial_refund", 0, -900),
        ("NT9", "NT9", "refund", 0, 0),
        (f"NT5@{_id('pending')}", "NT5", "refund", 0, 0),
        (f"NT5@{_id('expired')}", "NT5", "refund", 0, 0),
        ("order:N6", "order:N6", "payment", 1000, 0),
        ("NT6", "order:N6", "refund", -1000, 0),
        ("order:N8", "", "refund", 0, 0),
        ("NT7", "NT7", "payment", 1000, 0),
        ("NT8", "NT8", "payment", 1000, 0),
        ("NU1", "NT7", "refund", -1000, 0),
        ("NU2", "NT8", "chargeback", -1000, 0),
    ]
    (order,) = _read(filled, f"SELECT needs_attention, idempotency_key FROM orders WHERE id = '{_id('pending')}'")
    assert order == {"needs_attention": "second", "idempotency_key": "k1"}
    attempts = f"SELECT declined_at, created_at FROM payment_attempts WHERE order_id = '{_id('pending')}'"
    assert all(row["declined_at"] == row["created_at"] for row in _read(filled, attempts))
    command.upgrade(filled, "0005")
    assert [fact.key for fact in _facts(filled, "expired")] == ["NT5"]


def _new_facts() -> Iterator[str]:
    facts = [
        ("gone", "payment", "NT1", "NT1", "", 1000, None),
        ("gone", "charge", "NT1", "NT1", "", None, 1250),
        ("gone", "partial_refund", "NT1:a", "NT1", "", None, 500),
        ("gone", "partial_refund", "NT1:b", "NT1", "", None, 250),
        ("gone", "refund", "NT1", "NT1", "", None, 1250),
        ("gone", "chargeback", "NT1", "NT1", "", None, None),
        # The tax is not known, nor is the payment of another refund.
        ("old", "payment", "NT2", "NT2", "", 1000, None),
        ("old", "partial_refund", "NT2:", "NT2", "", None, 900),
        ("old", "refund", "NT9", "NT9", "", None, None),
        # Of one transaction, on two orders.
        ("pending", "refund", "NT5", "NT5", "", None, None),
        ("expired", "refund", "NT5", "NT5", "", None, None),
        # By the provider's order: of a payment without a transaction, and of two payments.
        ("free", "payment", "order:N6", "", "N6", 1000, None),
        ("free", "refund", "NT6", "NT6", "N6", None, None),
        # It does not name its payment: it must not seem to be of the one that has no name, either.
        ("amount", "refund", "order:N8", "", "", None, None),
        ("both", "payment", "NT7", "NT7", "N7", 1000, None),
        ("both", "payment", "NT8", "NT8", "N7", 1000, None),
        ("both", "refund", "NU1", "NU1", "N7", None, None),
        ("both", "chargeback", "NU2", "NU2", "N7", None, None),
    ]
    for name, kind, key, transaction, provider_order, amount, charged in facts:
        said = ", ".join("NULL" if value is None else str(value) for value in (amount, charged))
        yield (
            "INSERT INTO payments (order_id, provider, currency, at, kind, key, transaction_id, provider_order_id,"
            f" amount, charged) VALUES ('{_id(name)}', 'xsolla', 'USD', CURRENT_TIMESTAMP, '{kind}', '{key}',"
            f" '{transaction}', '{provider_order}', {said})"
        )
    pending = _id("pending")
    flag = "INSERT INTO attention_flags (order_id, reason, at, settled_at, settled_by, note) VALUES"
    yield f"{flag} ('{pending}', 'first', '2026-01-01 00:00:00', '2026-01-02 00:00:00', 'Kira', '')"
    yield f"{flag} ('{pending}', 'second', '2026-01-02 00:00:00', NULL, '', '')"
    yield f"{flag} ('{pending}', 'third', '2026-01-03 00:00:00', NULL, '', '')"
    key = "INSERT INTO idempotency_keys (user_id, key, order_id, created_at) VALUES"
    yield f"{key} ('u', 'k0', '{pending}', '2100-01-01 00:00:00')"
    yield f"UPDATE payment_attempts SET state = 'canceled' WHERE order_id = '{pending}'"
    yield (
        "INSERT INTO payment_attempts (order_id, number, provider, kind, state, payment_url, created_at)"
        f" VALUES ('{pending}', 2, 'xsolla', 'catalogue', 'opening', '', '2026-01-01 00:00:00')"
    )
