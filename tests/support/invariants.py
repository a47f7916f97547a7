"""What must be true of the database after anything whatsoever: rules in SQL, each finding rows that break it."""

from collections.abc import Iterable

from sqlalchemy import Engine, text

_PAID = "('paid', 'partially_refunded')"
_OVER = "('refunded', 'charged_back')"
_ONCE_PAID = "('paid', 'partially_refunded', 'refunded', 'charged_back')"

# Per transaction of an order: what it paid, what is left of it, whether it was taken back whole.
_TRANSACTIONS = """
    SELECT order_id, provider, transaction_id,
           SUM(CASE WHEN kind = 'payment' THEN 1 ELSE 0 END) AS payments,
           SUM(CASE WHEN kind = 'payment' THEN amount ELSE 0 END) AS paid,
           SUM(amount) AS remaining,
           SUM(CASE WHEN kind = 'partial_refund' THEN 1 ELSE 0 END) AS parts,
           SUM(CASE WHEN kind IN ('refund', 'chargeback') THEN 1 ELSE 0 END) AS undone
    FROM payments GROUP BY order_id, provider, transaction_id
"""
# What stands of an order's money: `whole` transactions, and those of which a `part` went back.
_MONEY = f"""
    SELECT o.id AS order_id, o.status, o.total,
           COALESCE(SUM(t.payments), 0) AS payments,
           COALESCE(SUM(CASE WHEN t.payments > 0 AND t.undone = 0 AND t.parts = 0
                             THEN 1 ELSE 0 END), 0) AS whole,
           COALESCE(SUM(CASE WHEN t.payments > 0 AND t.undone = 0 AND t.remaining > 0
                             THEN 1 ELSE 0 END), 0) AS standing
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
        WHERE o.status IN {_OVER} AND p.status <> 'refunded'
    """,
    "what is paid is owned, or held for a person": f"""
        SELECT p.id FROM purchases p JOIN orders o ON o.id = p.order_id
        WHERE o.status IN {_PAID} AND p.status NOT IN ('granted', 'held')
    """,
    "what is held is flagged": """
        SELECT p.id FROM purchases p JOIN orders o ON o.id = p.order_id
        WHERE p.status = 'held' AND o.needs_attention = ''
    """,
    "what is owned once is granted once": """
        SELECT user_id FROM purchases WHERE owned_once AND status = 'granted'
        GROUP BY user_id, item_id HAVING COUNT(*) > 1
    """,
    "lines belong to their order's buyer and currency": """
        SELECT o.id FROM orders o JOIN purchases p ON p.order_id = o.id
        WHERE p.user_id <> o.user_id OR p.currency <> o.currency
        UNION ALL
        SELECT o.id FROM orders o JOIN pending_purchases l ON l.order_id = o.id
        WHERE l.user_id <> o.user_id OR l.currency <> o.currency
    """,
    "only money makes an order paid": f"""
        SELECT order_id FROM ({_MONEY}) m WHERE (m.payments > 0) <> (m.status IN {_ONCE_PAID})
    """,
    "a paid order's money is there": f"""
        SELECT order_id FROM ({_MONEY}) m WHERE m.status = 'paid' AND m.whole = 0
    """,
    "a partly refunded order's money is there in part": f"""
        SELECT order_id FROM ({_MONEY}) m
        WHERE m.status = 'partially_refunded' AND (m.whole > 0 OR m.standing = 0)
    """,
    "a refunded order's money is gone": f"""
        SELECT order_id FROM ({_MONEY}) m WHERE m.status IN {_OVER} AND m.standing > 0
    """,
    "a charged back order was charged back": """
        SELECT o.id FROM orders o WHERE o.status = 'charged_back' AND NOT EXISTS
        (SELECT 1 FROM payments p WHERE p.order_id = o.id AND p.kind = 'chargeback')
    """,
    "a payment is of its order's amount": """
        SELECT p.id FROM payments p JOIN orders o ON o.id = p.order_id
        WHERE p.currency <> o.currency OR (p.kind = 'payment' AND p.amount <> o.total)
    """,
    "no more goes back than was paid": f"""
        SELECT order_id FROM ({_TRANSACTIONS}) t WHERE t.payments > 0 AND t.remaining < 0
    """,
    "one transaction and kind is one payment": """
        SELECT provider_id FROM payments GROUP BY provider, kind, provider_id HAVING COUNT(*) > 1
    """,
    "an order stands where its timeline ends": """
        SELECT o.id FROM orders o JOIN order_events e ON e.order_id = o.id
        WHERE e.id = (SELECT MAX(last.id) FROM order_events last WHERE last.order_id = o.id)
        AND NOT (e.kind = o.status OR (e.kind = 'placed' AND o.status = 'pending'))
    """,
    "a payment that was answered with success is booked": f"""
        SELECT d.id FROM webhook_deliveries d JOIN orders o ON o.id = d.order_id
        WHERE d.notification_type = 'order_paid' AND d.verdict IN ('done', 'repeat')
        AND o.status NOT IN {_ONCE_PAID}
    """,
    "what was answered fits what was made of it": """
        SELECT id FROM webhook_deliveries
        WHERE (verdict IN ('done', 'repeat', 'ignored', 'unmatched') AND response_status NOT BETWEEN 200 AND 299)
        OR (verdict = 'bad_signature' AND response_status NOT BETWEEN 400 AND 499)
        OR (verdict = 'failed' AND response_status < 500)
    """,
}


def violations(engine: Engine) -> list[str]:
    """Return the rules that are broken, each with the first rows that break it."""
    found = []
    with engine.connect() as connection:
        for name, query in RULES.items():
            rows = [row[0] for row in connection.execute(text(query)).fetchmany(5)]
            if rows:
                found.append(f"{name}: not so for {rows}")
    return found


def check(engine: Engine, delivered: Iterable[bytes] = ()) -> None:
    """Fail unless every rule holds and every body that was `delivered` (answered 2xx) is in the inbox."""
    assert not (broken := violations(engine)), "; ".join(broken)
    with engine.connect() as connection:
        kept = {bytes(row[0]) for row in connection.execute(text("SELECT body FROM webhook_deliveries"))}
    missing = [body for body in delivered if body not in kept]
    assert not missing, f"{len(missing)} deliveries were answered with success and are not in the inbox"
