"""The invariants of the database: rules in SQL, each a query that finds the rows that break it."""

from collections.abc import Iterable

from sqlalchemy import Engine, text

_PAID = "('paid', 'partially_refunded')"
_REVERSED = "('refunded', 'charged_back')"
_ONCE_PAID = "('paid', 'partially_refunded', 'refunded', 'charged_back')"

# Per transaction of an order: what it paid, what remains of it, how often the whole of it was reversed.
_TRANSACTIONS = """
    SELECT order_id, provider, transaction_id,
           SUM(CASE WHEN kind = 'payment' THEN 1 ELSE 0 END) AS payments,
           SUM(CASE WHEN kind = 'payment' THEN amount ELSE 0 END) AS paid,
           SUM(amount) AS remaining,
           SUM(CASE WHEN kind = 'partial_refund' THEN 1 ELSE 0 END) AS parts,
           SUM(CASE WHEN kind IN ('refund', 'chargeback') THEN 1 ELSE 0 END) AS reversals
    FROM payments GROUP BY order_id, provider, transaction_id
"""
# Per order: the number of its payments, of those without any refund (`whole`), and of those that are not
# refunded in full (`with_money`).
_MONEY = f"""
    SELECT o.id AS order_id, o.status, o.total,
           COALESCE(SUM(t.payments), 0) AS payments,
           COALESCE(SUM(CASE WHEN t.payments > 0 AND t.reversals = 0 AND t.parts = 0
                             THEN 1 ELSE 0 END), 0) AS whole,
           COALESCE(SUM(CASE WHEN t.payments > 0 AND t.reversals = 0 AND t.remaining > 0
                             THEN 1 ELSE 0 END), 0) AS with_money
    FROM orders o LEFT JOIN ({_TRANSACTIONS}) t ON t.order_id = o.id
    GROUP BY o.id, o.status, o.total
"""

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
    "what is paid is owned, or held for staff": f"""
        SELECT p.id FROM purchases p JOIN orders o ON o.id = p.order_id
        WHERE o.status IN {_PAID} AND p.status NOT IN ('granted', 'held')
    """,
    "an order with a held line is flagged": """
        SELECT p.id FROM purchases p JOIN orders o ON o.id = p.order_id
        WHERE p.status = 'held' AND o.needs_attention = ''
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
        SELECT order_id FROM ({_MONEY}) m WHERE (m.payments > 0) <> (m.status IN {_ONCE_PAID})
    """,
    "a paid order has a payment without refunds": f"""
        SELECT order_id FROM ({_MONEY}) m WHERE m.status = 'paid' AND m.whole = 0
    """,
    "a partially refunded order has money left, and no payment without refunds": f"""
        SELECT order_id FROM ({_MONEY}) m
        WHERE m.status = 'partially_refunded' AND (m.whole > 0 OR m.with_money = 0)
    """,
    "a refunded order's money is gone": f"""
        SELECT order_id FROM ({_MONEY}) m WHERE m.status IN {_REVERSED} AND m.with_money > 0
    """,
    "a charged back order has a chargeback": """
        SELECT o.id FROM orders o WHERE o.status = 'charged_back' AND NOT EXISTS
        (SELECT 1 FROM payments p WHERE p.order_id = o.id AND p.kind = 'chargeback')
    """,
    "a payment is of its order's amount": """
        SELECT p.id FROM payments p JOIN orders o ON o.id = p.order_id
        WHERE p.currency <> o.currency OR (p.kind = 'payment' AND p.amount <> o.total)
    """,
    "no more is refunded than was paid": f"""
        SELECT order_id FROM ({_TRANSACTIONS}) t WHERE t.payments > 0 AND t.remaining < 0
    """,
    "a transaction is recorded once for each kind": """
        SELECT provider_id FROM payments GROUP BY provider, kind, provider_id HAVING COUNT(*) > 1
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
}


def violations(engine: Engine) -> list[str]:
    """Return the invariants that are broken, each with the first rows that break it."""
    found = []
    with engine.connect() as connection:
        for name, query in RULES.items():
            rows = [row[0] for row in connection.execute(text(query)).fetchmany(5)]
            if rows:
                found.append(f"{name}: broken by {rows}")
    return found


def check(engine: Engine, delivered: Iterable[bytes] = ()) -> None:
    """Fail unless every invariant holds and every body that was `delivered` (acknowledged) is in the inbox."""
    assert not (broken := violations(engine)), "; ".join(broken)
    with engine.connect() as connection:
        kept = {bytes(row[0]) for row in connection.execute(text("SELECT body FROM webhook_deliveries"))}
    missing = [body for body in delivered if body not in kept]
    assert not missing, f"{len(missing)} acknowledged deliveries are not in the inbox"
