"""The peer: a bare FastAPI app whose webhook makes two inserts, the delivery and the purchase, and no more.

No signature, no order, no check of an amount: what any store must at least write. Run by Granian with
DATABASE_URL set; the purchase comes in the headers, so that the app need not read the body.
"""

from datetime import UTC, datetime

from fastapi import FastAPI, Request, Response
from sqlalchemy import insert
from starlette.concurrency import run_in_threadpool

from store_app.database import unit_of_work
from store_app.models import Purchase, WebhookDelivery

app = FastAPI()


def _write(body: bytes, order_id: str, user_id: str) -> None:
    now = datetime.now(UTC)
    with unit_of_work() as session:
        session.execute(
            insert(WebhookDelivery).values(
                received_at=now,
                notification_type="order_paid",
                order_id=order_id,
                verdict="done",
                reason="",
                answered=204,
                headers="{}",
                body=body,
            )
        )
        session.execute(
            insert(Purchase).values(
                order_id=order_id,
                user_id=user_id,
                item_id=4,
                quantity=1,
                unit_price=4999,
                currency="USD",
                owned_once=False,
                timestamp=now,
                status="granted",
            )
        )


@app.post("/api/webhooks/payment")
async def webhook(request: Request) -> Response:
    """Write the two rows."""
    body = await request.body()
    await run_in_threadpool(_write, body, request.headers["x-order"], request.headers["x-user"])
    return Response(status_code=204)
