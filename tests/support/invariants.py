"""The invariants of the database: rules in SQL, and those of the ledger, which SQL would hardly say."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Engine, text

_PAID = "('paid', 'partially_refunded')"
_REVERSED = "('refunded', 'charged_back')"
_ONCE_PAID = "('paid', 'partially_refunded', 'refunded', 'charged_back')"
# A flag that no longer applied was settled by the store itself.
_FLAGGED = "(flag.settled_at IS NULL OR flag.settled_by <> 'store')"

RULES: dict[str, str] = {
    "a purchase belongs to an order that was paid": f"""
        SELECT p.id FROM purchases p JOIN orders o ON o.id = p.order_id WHERE o.status NOT IN {_ONCE_PAID}
    """,
    "an order that was paid has its lines as purchases": f"""
        SELECT o.id FROM orders o WHERE o.status IN {_ONCE_PAID}
        AND o.total <> (SELECT COALESCE(SUM(p.quantity * p.unit_price), -1)
                        FROM purchases p WHERE p.order_id = o.id)
    """,
    "an order that was paid has no pending lines": f"""
        SELECT o.id FROM orders o JOIN pending_purchases l ON l.order_id = o.id WHERE o.status IN {_ONCE_PAID}
    """,
    "an order that was never paid has its lines pending": f"""
        SELECT o.id FROM orders o WHERE o.status NOT IN {_ONCE_PAID}
        AND o.total <> (SELECT COALESCE(SUM(l.quantity * l.unit_price), -1)
                        FROM pending_purchases l WHERE l.order_id = o.id)
    """,
    "what was refunded is not owned": f"""
        SELECT p.id FROM purchases p JOIN orders o ON o.id = p.order_id
        WHERE o.status IN {_REVERSED} AND p.status <> 'refunded'
    """,
    "what is paid is owned, or held": f"""
        SELECT p.id FROM purchases p JOIN orders o ON o.id = p.order_id
        WHERE o.status IN {_PAID} AND p.status NOT IN ('granted', 'held')
    """,
    "an order with a held line is flagged": f"""
        SELECT p.id FROM purchases p WHERE p.status = 'held' AND NOT EXISTS
        (SELECT 1 FROM attention_flags flag WHERE flag.order_id = p.order_id
         AND flag.reason = 'paid for something owned already' AND {_FLAGGED})
    """,
    "a line is held only while its user owns the item through another order": """
        SELECT p.id FROM purchases p WHERE p.status = 'held' AND NOT EXISTS
        (SELECT 1 FROM purchases other WHERE other.user_id = p.user_id AND other.item_id = p.item_id
         AND other.order_id <> p.order_id AND other.owned_once AND other.status = 'granted')
    """,
    "an item that can be owned only once is granted only once": """
        SELECT user_id FROM purchases WHERE owned_once AND status = 'granted'
        GROUP BY user_id, item_id HAVING COUNT(*) > 1
    """,
    "lines have the user and the currency of their order": """
        SELECT o.id FROM orders o JOIN purchases p ON p.order_id = o.id
        WHERE p.user_id <> o.user_id OR p.currency <> o.currency
        UNION ALL
        SELECT o.id FROM orders o JOIN pending_purchases l ON l.order_id = o.id
        WHERE l.user_id <> o.user_id OR l.currency <> o.currency
    """,
    "only money makes an order paid": f"""
        SELECT o.id FROM orders o WHERE (o.status IN {_ONCE_PAID}) <> EXISTS
        (SELECT 1 FROM payments p WHERE p.order_id = o.id AND p.kind = 'payment')
    """,
    "a charged back order has a chargeback": """
        SELECT o.id FROM orders o WHERE o.status = 'charged_back' AND NOT EXISTS
        (SELECT 1 FROM payments p WHERE p.order_id = o.id AND p.kind = 'chargeback')
    """,
    "a payment is of its order's amount": """
        SELECT p.id FROM payments p JOIN orders o ON o.id = p.order_id
        WHERE p.currency <> o.currency OR (p.kind = 'payment' AND p.amount <> o.total)
    """,
    "a transaction pays one order, once": """
        SELECT transaction_id FROM payments WHERE kind = 'payment' AND transaction_id <> ''
        GROUP BY provider, transaction_id HAVING COUNT(*) > 1
    """,
    "an order has the status that its timeline ends with": """
        SELECT o.id FROM orders o JOIN order_events e ON e.order_id = o.id
        WHERE e.id = (SELECT MAX(last.id) FROM order_events last WHERE last.order_id = o.id)
        AND NOT (e.kind = o.status OR (e.kind = 'placed' AND o.status = 'pending'))
    """,
    "an acknowledged payment is in the ledger": f"""
        SELECT d.id FROM webhook_deliveries d JOIN orders o ON o.id = d.order_id
        WHERE d.notification_type = 'order_paid' AND d.verdict IN ('done', 'repeat')
        AND o.status NOT IN {_ONCE_PAID}
    """,
    "the response to a delivery fits its verdict": """
        SELECT id FROM webhook_deliveries
        WHERE (verdict IN ('done', 'repeat', 'ignored', 'unmatched') AND answered NOT BETWEEN 200 AND 299)
        OR (verdict = 'bad_signature' AND answered NOT BETWEEN 400 AND 499)
        OR (verdict = 'failed' AND answered < 500)
    """,
    "a genuine delivery that did nothing is flagged": """
        SELECT d.id FROM webhook_deliveries d WHERE (d.verdict IN ('unmatched', 'failed')
         OR (d.verdict = 'refused' AND d.order_id IS NULL AND d.reason <> 'There is no such user.'))
        AND NOT EXISTS (SELECT 1 FROM attention_flags flag WHERE flag.delivery_id = d.id)
    """,
}

_LEDGER = text("""
    SELECT o.id AS order_id, o.status, p.provider, p.kind, p.key, p.transaction_id, p.provider_order_id,
           p.amount, p.charged
    FROM orders o JOIN payments p ON p.order_id = o.id ORDER BY o.id, p.provider, p.id
""")
_FLAGS = text(f"SELECT flag.order_id, flag.reason FROM attention_flags flag WHERE {_FLAGGED}")
_PAID_TWICE = "paid twice: one payment must be refunded"
Row = dict[str, Any]


def _ledger_violations(connection: Connection) -> dict[str, list[str]]:
    """Return the ids of the orders whose status does not follow from their ledger, by the rule that they break."""
    flags = {(row.order_id, row.reason) for row in connection.execute(_FLAGS)}
    rows = [dict(row) for row in connection.execute(_LEDGER).mappings()]
    broken = defaultdict(list)
    for (order_id, status), group in groupby(rows, key=lambda row: (row["order_id"], row["status"])):
        facts = list(group)
        if not any(fact["kind"] == "payment" for fact in facts):
            continue
        left = [part for provider in {fact["provider"] for fact in facts} for part in _left(facts, provider)]
        if (problem := _problem(status, left)) is not None:
            broken[problem].append(order_id)
        if sum(one != "gone" for one in left) > 1 and (order_id, _PAID_TWICE) not in flags:
            broken["an order that was paid twice is flagged"].append(order_id)
    return broken


def _problem(status: str, left: Sequence[str]) -> str | None:
    if status == "paid" and "whole" not in left:
        return "a paid order has a payment without refunds"
    if status == "partially_refunded" and ("whole" in left or "some" not in left):
        return "a partially refunded order has money left, and no payment without refunds"
    if status in {"refunded", "charged_back"} and set(left) != {"gone"}:
        return "a refunded order's money is gone"
    return None


def _left(facts: Sequence[Row], provider: str) -> Iterator[str]:
    """Yield for each payment by a provider whether the whole of it is left, some of it, or nothing."""
    mine = [fact for fact in facts if fact["provider"] == provider]
    paid = [fact for fact in mine if fact["kind"] == "payment"]
    # Reported without its transaction, too.
    paid = [one for one in paid if one["transaction_id"] or not _named(one, paid)]
    refunds = [fact for fact in mine if fact["kind"] not in {"payment", "charge"}]
    by_order = defaultdict(list)
    for one in sorted(paid, key=lambda one: one["transaction_id"]):
        by_order[one["provider_order_id"] or one["key"]].append(one)
    for provider_order_id, same in by_order.items():
        # Other money, which paid nothing, too.
        known = {one["transaction_id"] for one in mine if one["kind"] in {"payment", "charge"}} - {""}
        loose = [
            refund
            for refund in refunds
            if refund["transaction_id"] not in known and refund["provider_order_id"] == provider_order_id != ""
        ]
        taken = {one["key"] for one in same if any(_is_whole(fact) for fact in _of(one, refunds))}
        if not taken or len(same) == 1:
            unknown = {refund["transaction_id"] for refund in loose if _is_whole(refund)}
            taken |= {one["key"] for one in same[: len(unknown - {""} or unknown)]}
        for one in same:
            parts = [*_of(one, refunds), *(loose if len(same) == 1 else ())]
            yield "gone" if one["key"] in taken else _after(one, _charged(one, mine), parts)


def _named(nameless: Row, paid: Sequence[Row]) -> bool:
    order = nameless["provider_order_id"]
    return any(one["transaction_id"] and one["provider_order_id"] == order != "" for one in paid)


def _is_whole(refund: Row) -> bool:
    return refund["kind"] in {"refund", "chargeback"}


def _of(payment: Row, refunds: Sequence[Row]) -> list[Row]:
    transaction = payment["transaction_id"]
    return [refund for refund in refunds if refund["transaction_id"] == transaction != ""]


def _charged(payment: Row, facts: Sequence[Row]) -> int:
    said = [
        fact["charged"]
        for fact in [payment, *facts]
        if fact is payment
        or (fact["kind"] == "charge" and fact["transaction_id"] == payment["transaction_id"] != "")
    ]
    return next((charged for charged in said if charged), 0)


def _after(payment: Row, charged: int, parts: Sequence[Row]) -> str:
    """Say what partial refunds leave of a payment; amounts with tax may be off by half a cent each."""
    if not parts:
        return "whole"
    # One without details says only that there was some.
    known = [part for part in parts if not part["key"].endswith(":")] or parts[:1]
    taxed = [part["charged"] for part in known if part["amount"] is None and 0 < (part["charged"] or 0) < charged]
    shares = [part["amount"] for part in known if part["amount"] is not None]
    price = payment["amount"]
    back = sum(shares) + sum((2 * part * price + charged) // (2 * charged) for part in taxed)
    rounding = len(taxed) + 1 if len(taxed) > 1 and charged != price else 0
    all_taxed = taxed and not shares and 2 * (charged - sum(taxed)) <= rounding
    return "gone" if all_taxed or back >= price > 0 else "some"


def violations(engine: Engine) -> list[str]:
    """Return the invariants that are broken, each with the first rows that break it."""
    with engine.connect() as connection:
        broken = {
            name: [row[0] for row in connection.execute(text(query)).fetchmany(5)] for name, query in RULES.items()
        }
        broken |= _ledger_violations(connection)
    return [f"{name}: broken by {rows[:5]}" for name, rows in broken.items() if rows]


def check(engine: Engine, delivered: Iterable[bytes] = ()) -> None:
    """Fail unless every invariant holds and every body that was `delivered` (acknowledged) is in the inbox."""
    assert not (broken := violations(engine)), "; ".join(broken)
    with engine.connect() as connection:
        kept = {bytes(row[0]) for row in connection.execute(text("SELECT body FROM webhook_deliveries"))}
    missing = [body for body in delivered if body not in kept]
    assert not missing, f"{len(missing)} acknowledged deliveries are not in the inbox"
