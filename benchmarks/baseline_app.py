"""The baselines: a bare FastAPI app that writes what a paid order needs, without any of the store's rules.

`/two-inserts` writes the delivery and the purchase, and nothing else. `/same-statements` runs the same statements
as a paid order, in one database transaction, with values from the request's headers: no signature, no JSON, no
checks, no ledger rules, no messages to open tabs. Granian runs it, as it runs the store, with DATABASE_URL set.
"""

import json
from datetime import UTC, datetime, timedelta

from fastapi import FastAPI, Request, Response
from sqlalchemy import insert

from store_app.db import outbox
from store_app.db.threads import in_database_thread
from store_app.db.unit_of_work import unit_of_work
from store_app.models import Purchase
from store_app.orders import sql
from webhook import inbox

app = FastAPI()

_PURCHASE = insert(Purchase)


def _delivery(now: datetime, order_id: str, body: bytes) -> dict[str, object]:
    return {
        "received_at": now,
        "provider": "xsolla",
        "notification_type": "order_paid",
        "transaction_id": "",
        "order_id": order_id,
        "verdict": "done",
        "reason": "",
        "response_status": 204,
        "took_ms": 0,
        "headers": "{}",
        "body": body,
    }


def _two_inserts(body: bytes, order_id: str, user_id: str) -> None:
    now = datetime.now(UTC)
    with unit_of_work() as session:
        connection = session.connection()
        connection.execute(inbox.INSERT, _delivery(now, order_id, body))
        purchase = {"order_id": order_id, "user_id": user_id, "item_id": 4, "quantity": 1, "unit_price": 4999}
        rest = {"currency": "USD", "owned_once": False, "timestamp": now, "status": "granted"}
        connection.execute(_PURCHASE, purchase | rest)


def _same_statements(body: bytes, order_id: str, user_id: str, number: str) -> None:
    now = datetime.now(UTC)
    orders, order = {"order_ids_": [order_id]}, {"order_id_": order_id}
    with unit_of_work() as work:
        connection, dialect = work.connection(), work.dialect
        connection.execute(sql.BY_PROVIDER_ORDER, {"ids_": [number]}).one()
        connection.execute(sql.LOCK, orders).one()
        connection.execute(sql.FACTS, orders).all()
        connection.execute(sql.PENDING_LINES, orders).all()
        payment = {"order_id": order_id, "kind": "payment", "amount": 4999, "charged": 4999, "currency": "USD"}
        rest = {"transaction_id": order_id, "key": order_id, "provider_order_id": order_id, "at": now}
        connection.execute(sql.add_fact(dialect), payment | rest | {"provider": "xsolla"})
        connection.execute(sql.move_lines(granting=True), order | {"at_": now}).all()
        connection.execute(sql.FORGET_PENDING, order)
        connection.execute(sql.EMPTY_CART, order | {"user_id_": user_id})
        status = {"status": "paid", "updated_at": now, "next_check_at": now}
        connection.execute(sql.SETTLE_STATUS, order | status)
        connection.execute(sql.ADD_EVENT, {"order_id": order_id, "kind": "paid", "at": now})
        message = {"user_id": user_id, "payload": json.dumps({"order_id": order_id}), "last_error": ""}
        leased = {"leased_until": now + timedelta(days=1), "attempts": 0}
        connection.execute(outbox.INSERT, message | leased).scalar()
        connection.execute(inbox.INSERT, _delivery(now, order_id, body))


@app.post("/two-inserts")
async def two_inserts(request: Request) -> Response:
    """Write the delivery and the purchase."""
    body = await request.body()
    await in_database_thread(_two_inserts, body, request.headers["x-order"], request.headers["x-user"])
    return Response(status_code=204)


@app.post("/same-statements")
async def same_statements(request: Request) -> Response:
    """Run the statements of a paid order."""
    body = await request.body()
    values = (request.headers[name] for name in ("x-order", "x-user", "x-number"))
    await in_database_thread(_same_statements, body, *values)
    return Response(status_code=204)
