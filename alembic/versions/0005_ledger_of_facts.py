"""the ledger holds what was said, not amounts derived from it; flags, idempotency keys and attempts with a state

The previous release does not run on the new schema: stop the store, migrate, start it.

A downgrade loses what the schema before cannot hold: settled flags, flags of deliveries, all flags and idempotency
keys of an order but the oldest, when an attempt was declined (it gets the time when it was opened), the attempt
states `opening` and `canceled` (they become declined), that one payment was reported more than once, and which
transaction a refund named, if it was not that of its payment.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic.operations import BatchOperations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

PAYMENT_UNKNOWN = "money went back, but it is not known of which payment"
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
OLD_PAYMENT_CHECKS = {
    "sign_fits_kind": "amount = 0 OR (kind = 'payment') = (amount > 0)",
    "kind_known": "kind IN ('payment', 'refund', 'partial_refund', 'chargeback')",
}
NEW_PAYMENT_CHECKS = {
    "kind_known": "kind IN ('payment', 'charge', 'refund', 'partial_refund', 'chargeback')",
    "amount_not_negative": "amount >= 0",
    "charged_not_negative": "charged >= 0",
    "payment_has_amount": "kind <> 'payment' OR amount IS NOT NULL",
}
ATTEMPT_CHECKS = {
    "kind_known": "kind IN ('catalogue', 'amount')",
    "state_known": "state IN ('opening', 'open', 'declined', 'canceled')",
}
OLD_NEXT_CHECK = "status IN ('pending', 'failed', 'canceled', 'expired')"
NEW_NEXT_CHECK = "next_check_at IS NOT NULL"
ONE_ORDER = "kind = 'payment' AND transaction_id <> ''"
# Asked about refunds, so long and no longer.
REFUNDS_WITHIN = timedelta(days=180)
AT_A_TIME = 1000


def upgrade() -> None:
    _allow_long_statements()
    _create_flags()
    _create_keys()
    _flag_unknown_refunds()
    _upgrade_payments()
    _upgrade_attempts()
    _upgrade_orders()
    _recreate_outbox(autoincrement=True)


def downgrade() -> None:
    _allow_long_statements()
    _recreate_outbox(autoincrement=False)
    _downgrade_orders()
    _downgrade_attempts()
    _downgrade_payments()
    op.drop_table("idempotency_keys")
    op.drop_table("attention_flags")


def _run(statement: str, **values: Any) -> None:
    times = [
        sa.bindparam(name, value, type_=TIME) for name, value in values.items() if isinstance(value, datetime)
    ]
    others = {name: value for name, value in values.items() if not isinstance(value, datetime)}
    op.get_bind().execute(sa.text(statement).bindparams(*times), others)


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _allow_long_statements() -> None:
    if not _is_sqlite():
        _run("SET LOCAL statement_timeout = 0")
        _run("SET LOCAL idle_in_transaction_session_timeout = 0")


def _partial(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _drop_checks(table: BatchOperations, checks: Mapping[str, str]) -> None:
    for name in checks:
        table.drop_constraint(name, type_="check")


def _create_checks(table: BatchOperations, checks: Mapping[str, str]) -> None:
    for name, condition in checks.items():
        table.create_check_constraint(name, condition)


# --- flags and idempotency keys


def _create_flags() -> None:
    op.create_table(
        "attention_flags",
        sa.Column("id", ID, nullable=False),
        sa.Column("order_id", sa.String(length=32), nullable=True),
        sa.Column("delivery_id", ID, nullable=True),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("settled_at", TIME, nullable=True),
        sa.Column("settled_by", sa.String(length=64), nullable=False),
        sa.Column("note", sa.String(length=1000), nullable=False),
        sa.CheckConstraint("(order_id IS NULL) <> (delivery_id IS NULL)", name="of_order_or_delivery"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"]),
        sa.ForeignKeyConstraint(["delivery_id"], ["webhook_deliveries.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("order_id", "reason", name="uq_attention_flags_order_reason"),
        sa.UniqueConstraint("delivery_id", name="uq_attention_flags_delivery"),
    )
    op.create_index("ix_attention_flags_open", "attention_flags", ["id"], **_partial("settled_at IS NULL"))
    _run(
        "INSERT INTO attention_flags (order_id, reason, at, settled_by, note)"
        " SELECT id, needs_attention, updated_at, '', '' FROM orders WHERE needs_attention <> ''"
        " ORDER BY updated_at, id"
    )
    # What the provider asked about a user changes nothing, and money was never in it.
    _run(
        "INSERT INTO attention_flags (delivery_id, reason, at, settled_by, note)"
        " SELECT id, substr(verdict || ': ' || reason, 1, 300), received_at, '', '' FROM webhook_deliveries"
        " WHERE verdict IN ('unmatched', 'failed') OR (verdict = 'refused' AND order_id IS NULL"
        " AND notification_type NOT IN ('user_validation', 'user_search')) ORDER BY id"
    )


def _create_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("order_id", sa.String(length=32), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"]),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.PrimaryKeyConstraint("user_id", "key"),
    )
    op.create_index("ix_idempotency_keys_order_id", "idempotency_keys", ["order_id"])
    _run(
        "INSERT INTO idempotency_keys (user_id, key, order_id, created_at)"
        " SELECT user_id, idempotency_key, id, created_at FROM orders WHERE idempotency_key IS NOT NULL"
    )


def _flag_unknown_refunds() -> None:
    """Flag paid orders with a refund of an unknown payment: the previous release told nobody.

    The payment may be known now that it gets the provider's order of its attempt, but an order's status changes
    only with its next event.
    """
    _run(
        "INSERT INTO attention_flags (order_id, reason, at, settled_by, note)"
        " SELECT id, :reason, updated_at, '', '' FROM orders"
        " WHERE status IN ('paid', 'partially_refunded') AND needs_attention <> :reason AND id IN ("
        "  SELECT refund.order_id FROM payments refund WHERE refund.kind <> 'payment'"
        "  AND NOT EXISTS (SELECT 1 FROM payments paid WHERE paid.order_id = refund.order_id"
        "   AND paid.provider = refund.provider AND paid.kind = 'payment'"
        "   AND paid.transaction_id = refund.transaction_id))",
        reason=PAYMENT_UNKNOWN,
    )


# --- orders


def _upgrade_orders() -> None:
    now = datetime.now(UTC)
    # Spread over a day, so that they are not all asked about at once.
    spread = (
        "strftime('%Y-%m-%d %H:%M:%f000', :now, (abs(random()) % 86400) || ' seconds')"
        if _is_sqlite()
        else "CAST(:now AS timestamptz) + random() * interval '1 day'"
    )
    _run(
        f"UPDATE orders SET next_check_at = CASE WHEN status IN ('paid', 'partially_refunded')"  # noqa: S608 - above
        f" AND created_at > :oldest THEN {spread} END"
        " WHERE status IN ('paid', 'partially_refunded', 'refunded', 'charged_back')",
        now=now,
        oldest=now - REFUNDS_WITHIN,
    )
    op.drop_index("ix_orders_next_check", table_name="orders")
    with op.batch_alter_table("orders") as table:
        table.drop_constraint("uq_orders_user_idempotency_key", type_="unique")
        table.drop_column("idempotency_key")
        table.drop_column("needs_attention")
    op.create_index("ix_orders_next_check", "orders", ["next_check_at"], **_partial(NEW_NEXT_CHECK))


def _downgrade_orders() -> None:
    op.add_column("orders", sa.Column("idempotency_key", sa.String(length=255), nullable=True))
    op.add_column("orders", sa.Column("needs_attention", sa.String(length=200), nullable=True))
    _run(
        "UPDATE orders SET idempotency_key = (SELECT key FROM idempotency_keys"
        "  WHERE order_id = orders.id ORDER BY created_at, key LIMIT 1),"
        " needs_attention = COALESCE((SELECT substr(reason, 1, 200) FROM attention_flags"
        "  WHERE order_id = orders.id AND settled_at IS NULL ORDER BY at, id LIMIT 1), '')"
    )
    # The previous release asks about unpaid orders only.
    _run(
        "UPDATE orders SET next_check_at = NULL"
        " WHERE status IN ('paid', 'partially_refunded', 'refunded', 'charged_back')"
    )
    op.drop_index("ix_orders_next_check", table_name="orders")
    with op.batch_alter_table("orders") as table:
        table.alter_column("needs_attention", existing_type=sa.String(length=200), nullable=False)
        table.create_unique_constraint("uq_orders_user_idempotency_key", ["user_id", "idempotency_key"])
    op.create_index("ix_orders_next_check", "orders", ["next_check_at"], **_partial(OLD_NEXT_CHECK))


# --- payment attempts


def _upgrade_attempts() -> None:
    op.add_column("payment_attempts", sa.Column("kind", sa.String(length=20), nullable=True))
    op.add_column("payment_attempts", sa.Column("state", sa.String(length=20), nullable=True))
    _run(
        "UPDATE payment_attempts SET"
        " kind = CASE WHEN provider_order_id IS NULL THEN 'amount' ELSE 'catalogue' END,"
        " state = CASE WHEN declined_at IS NULL THEN 'open' ELSE 'declined' END"
    )
    with op.batch_alter_table("payment_attempts") as table:
        table.drop_column("declined_at")
        for name in ("kind", "state"):
            table.alter_column(name, existing_type=sa.String(length=20), nullable=False)
        _create_checks(table, ATTEMPT_CHECKS)


def _downgrade_attempts() -> None:
    op.add_column("payment_attempts", sa.Column("declined_at", TIME, nullable=True))
    _run("UPDATE payment_attempts SET declined_at = created_at WHERE state <> 'open'")
    with op.batch_alter_table("payment_attempts") as table:
        _drop_checks(table, ATTEMPT_CHECKS)
        table.drop_column("kind")
        table.drop_column("state")


# --- the ledger


def _upgrade_payments() -> None:
    _run('ALTER TABLE payments RENAME COLUMN provider_id TO "key"')
    with op.batch_alter_table("payments") as table:
        _drop_checks(table, OLD_PAYMENT_CHECKS)
        table.drop_constraint("uq_payments_provider_kind_id", type_="unique")
        table.alter_column("amount", existing_type=ID, nullable=True)
        table.alter_column("charged", existing_type=ID, nullable=True)
    _name_provider_orders()
    _run(
        "UPDATE payments SET charged = NULLIF(abs(charged), 0), amount = CASE kind WHEN 'payment' THEN amount"
        " WHEN 'partial_refund' THEN NULLIF(-amount, 0) END"
    )
    # What a downgrade added.
    _run(
        "UPDATE payments SET key = substr(key, 1, length(key) - 33)"
        " WHERE length(key) > 33 AND key LIKE '%@' || order_id"
    )
    with op.batch_alter_table("payments") as table:
        table.create_unique_constraint(
            "uq_payments_order_provider_kind_key", ["order_id", "provider", "kind", "key"]
        )
        _create_checks(table, NEW_PAYMENT_CHECKS)
    op.drop_index("ix_payments_order", table_name="payments")
    op.create_index(
        "uq_payments_transaction",
        "payments",
        ["provider", "transaction_id"],
        unique=True,
        **_partial(ONE_ORDER),
    )


def _name_provider_orders() -> None:
    """Move the provider's order to its column where it stood in for the transaction; add it where it is known."""
    _run(
        "UPDATE payments SET provider_order_id = substr(transaction_id, 7) WHERE provider_order_id = ''"
        " AND transaction_id LIKE 'order:%' AND substr(transaction_id, 7) <> order_id"
    )
    # Not of a refund that names a transaction: which payment it is about was not said.
    _run(
        "UPDATE payments SET provider_order_id = (SELECT max(a.provider_order_id) FROM payment_attempts a"
        "  WHERE a.order_id = payments.order_id AND a.provider = payments.provider)"
        " WHERE provider_order_id = '' AND (kind = 'payment' OR transaction_id = 'order:' || order_id)"
        " AND (order_id, provider) IN (SELECT order_id, provider FROM payment_attempts"
        "  GROUP BY order_id, provider HAVING count(*) = 1 AND count(provider_order_id) = 1)"
    )
    # A stand-in stays where nothing else tells of which payment a refund is.
    _run(
        "UPDATE payments SET transaction_id = '' WHERE transaction_id LIKE 'free:%'"
        " OR (transaction_id LIKE 'order:%' AND (provider_order_id <> '' OR NOT EXISTS ("
        "  SELECT 1 FROM payments other WHERE other.order_id = payments.order_id AND other.kind <> 'payment'"
        "  AND other.transaction_id = payments.transaction_id)))"
    )


def _downgrade_payments() -> None:
    op.create_index("ix_payments_order", "payments", ["order_id"])
    op.drop_index("uq_payments_transaction", table_name="payments")
    with op.batch_alter_table("payments") as table:
        _drop_checks(table, NEW_PAYMENT_CHECKS)
        table.drop_constraint("uq_payments_order_provider_kind_key", type_="unique")
    _join_reports_of_one_payment()
    # The schema before has one row for a provider, kind and key; the upgrade removes this again.
    _run(
        "UPDATE payments SET key = substr(key, 1, 107) || '@' || order_id WHERE (provider, kind, key) IN"
        " (SELECT provider, kind, key FROM payments GROUP BY provider, kind, key HAVING count(*) > 1)"
    )
    _derive_amounts()
    _run("UPDATE payments SET charged = COALESCE(CASE kind WHEN 'payment' THEN charged ELSE -charged END, 0)")
    with op.batch_alter_table("payments") as table:
        table.alter_column("amount", existing_type=ID, nullable=False)
        table.alter_column("charged", existing_type=ID, nullable=False)
        _create_checks(table, OLD_PAYMENT_CHECKS)
        table.create_unique_constraint("uq_payments_provider_kind_id", ["provider", "kind", "key"])
    _run('ALTER TABLE payments RENAME COLUMN "key" TO provider_id')


def _join_reports_of_one_payment() -> None:
    _run(
        "UPDATE payments SET charged = (SELECT max(c.charged) FROM payments c WHERE c.order_id = payments.order_id"
        "  AND c.provider = payments.provider AND c.kind = 'charge'"
        "  AND c.transaction_id = payments.transaction_id)"
        " WHERE kind = 'payment' AND charged IS NULL AND transaction_id <> ''"
    )
    _run("DELETE FROM payments WHERE kind = 'charge'")
    _run(
        "DELETE FROM payments WHERE kind = 'payment' AND transaction_id = '' AND provider_order_id <> ''"
        " AND EXISTS (SELECT 1 FROM payments named WHERE named.order_id = payments.order_id"
        "  AND named.kind = 'payment' AND named.provider = payments.provider AND named.transaction_id <> ''"
        "  AND named.provider_order_id = payments.provider_order_id)"
    )
    _run("UPDATE payments SET transaction_id = substr(key, 1, 64) WHERE kind = 'payment' AND transaction_id = ''")


def _derive_amounts() -> None:
    """Give each refund the transaction of its payment, and the amount of the price that it gave back."""
    rows = op.get_bind().execute(
        sa.text(
            "SELECT id, order_id, provider, kind, key, transaction_id, provider_order_id, amount, charged"
            " FROM payments WHERE order_id IN (SELECT order_id FROM payments WHERE kind <> 'payment')"
            " ORDER BY order_id, provider, id"
        )
    )
    derived: list[dict[str, Any]] = []
    for _, ledger in groupby(rows.mappings().all(), key=lambda row: (row["order_id"], row["provider"])):
        derived += _derive([dict(row) for row in ledger])
    change = sa.text("UPDATE payments SET amount = :amount, transaction_id = :transaction_id WHERE id = :id")
    for start in range(0, len(derived), AT_A_TIME):
        op.get_bind().execute(change, derived[start : start + AT_A_TIME])


def _derive(ledger: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    payments = sorted(
        (row for row in ledger if row["kind"] == "payment"),
        key=lambda row: (row["transaction_id"], row["provider_order_id"]),
    )
    refunds = [row for row in ledger if row["kind"] != "payment"]
    for refund in refunds:
        refund["payment"] = _payment_of(refund, payments, refunds)
    for payment in payments:
        yield from _amounts(payment, [row for row in refunds if row["payment"] is payment])
    for refund in refunds:
        if refund["payment"] is None:
            # Never the stand-in of a payment.
            stand_in = f"order:{refund['provider_order_id']}"[:64] if refund["provider_order_id"] else ""
            yield {"id": refund["id"], "amount": 0, "transaction_id": refund["transaction_id"] or stand_in}


def _payment_of(
    refund: dict[str, Any], payments: list[dict[str, Any]], refunds: list[dict[str, Any]]
) -> dict[str, Any] | None:
    """Return the payment of a refund: by its transaction, or else by the provider's order.

    Of several payments of one order of the provider, each unknown transaction takes back another one.
    """
    by_transaction = {row["transaction_id"]: row for row in payments}
    if refund["transaction_id"] in by_transaction:
        return by_transaction[refund["transaction_id"]]
    same = [row for row in payments if row["provider_order_id"] == refund["provider_order_id"] != ""]
    if len(same) < 2 or refund["kind"] == "partial_refund":
        return same[0] if len(same) == 1 else None
    whole = [row for row in refunds if row["kind"] != "partial_refund"]
    if any(row["transaction_id"] == payment["transaction_id"] for row in whole for payment in same):
        return None
    unknown = {
        row["transaction_id"]
        for row in whole
        if row["provider_order_id"] == refund["provider_order_id"] and row["transaction_id"] not in by_transaction
    }
    others = sorted(unknown - {""}) or [""]
    place = others.index(refund["transaction_id"] or others[0])
    return same[place] if place < len(same) else None


def _amounts(payment: dict[str, Any], refunds: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Value parts as shares of the price; the first refund of the whole payment gives back what they leave."""
    parts = sorted(
        (row for row in refunds if row["kind"] == "partial_refund"),
        key=lambda row: (row["key"].endswith(":"), row["key"]),
    )
    back = 0
    for number, part in enumerate(parts, 1):
        before, back = back, max(back, _in_price(payment, parts[:number]))
        yield _changed(part, before - back, payment)
    for row in refunds:
        if row["kind"] != "partial_refund":
            yield _changed(row, back - payment["amount"], payment)
            back = payment["amount"]


def _changed(row: dict[str, Any], amount: int, payment: dict[str, Any]) -> dict[str, Any]:
    return {"id": row["id"], "amount": amount, "transaction_id": payment["transaction_id"]}


def _in_price(payment: dict[str, Any], parts: list[dict[str, Any]]) -> int:
    """Return how much of the price some parts give back: the provider gives back tax along with it."""
    whole, price = payment["charged"] or 0, payment["amount"]
    # A summary adds nothing to parts that are known.
    counted = [part for part in parts if part is parts[0] or not part["key"].endswith(":")]
    shares = [part["amount"] for part in counted if part["amount"] is not None]
    charged = [
        part["charged"] for part in counted if part["amount"] is None and 0 < (part["charged"] or 0) < whole
    ]
    rounding = len(charged) + 1 if len(charged) > 1 and whole != price else 0
    if charged and not shares and 2 * (whole - sum(charged)) <= rounding:
        return int(price)
    back = sum(shares) + sum((2 * part * price + whole) // (2 * whole) for part in charged)
    return int(min(back, price))


# --- the outbox


def _recreate_outbox(*, autoincrement: bool) -> None:
    """SQLite alone would use the id of a deleted message again."""
    if _is_sqlite():
        with op.batch_alter_table(
            "outbox", recreate="always", table_kwargs={"sqlite_autoincrement": autoincrement}
        ):
            pass
