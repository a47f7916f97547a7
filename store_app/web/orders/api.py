"""GET /api/orders/{order_id}, and its cancellation."""

from dataclasses import asdict
from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from store_app import money
from store_app.checkout.service import Checkout
from store_app.db.threads import in_database_thread, read
from store_app.orders import service
from store_app.orders.queries import OrderDetails, find_order
from store_app.web.checkout.api import OrderPlaced, order_placed
from store_app.web.http.problems import problems
from store_app.web.http.session_cookie import RequiredUser
from store_app.web.orders.view import words_about

router = APIRouter(prefix="/api/orders", tags=["orders"])


class OrderLineOut(BaseModel):
    """A line of an order, at the price when it was placed."""

    sku: str = Field(examples=["dragon-sword"])
    name: str = Field(examples=["Dragon Sword"])
    quantity: int
    price: float = Field(description="The unit price, in the currency's major unit.")


class EventOut(BaseModel):
    """An event in the timeline of an order."""

    kind: str = Field(examples=["paid"])
    timestamp: datetime


class OrderOut(OrderPlaced):
    """One of your orders."""

    number: str = Field(examples=["4F7K-2M9Q"])
    status_text: str = Field(description="The status as pages show it.", examples=["Paid"])
    paid: float = Field(description="What was paid, with the tax that the provider charged.", examples=[1088.79])
    tax: float = Field(description="The tax in it.", examples=[88.80])
    refunded: float | None = Field(description="What went back; null if that is not known.", examples=[0.0])
    items: list[OrderLineOut]
    timeline: list[EventOut]


def _order_out(details: OrderDetails) -> OrderOut:
    order, refunded = details.order, details.standing.refunded
    return OrderOut(
        **vars(order_placed(Checkout(order.id, order.status, order.total, order.currency, details.payment_url))),
        number=order.number,
        status_text=words_about(details).chip,
        paid=_major(details.standing.paid, order.currency),
        tax=_major(details.standing.tax, order.currency),
        refunded=None if refunded is None else _major(refunded, order.currency),
        items=[
            OrderLineOut(**asdict(line), price=_major(line.unit_price, order.currency)) for line in details.lines
        ],
        timeline=[EventOut(kind=event.kind, timestamp=event.at) for event in details.events],
    )


def _major(amount: int, currency: str) -> float:
    return float(money.to_major(amount, currency))


@router.get("/{order_id}", summary="One of your orders", responses=problems(401, 404, 422))
async def get_order(order_id: str, current_user: RequiredUser) -> OrderOut:
    """Return one of your orders. Another user's order is answered like one that does not exist."""
    return _order_out(await read(find_order, current_user.user_id, order_id))


@router.post("/{order_id}/cancel", summary="Cancel an unpaid order", responses=problems(401, 404, 409, 422))
async def cancel_order(order_id: str, current_user: RequiredUser) -> OrderOut:
    """Cancel one of your open orders; a repeat changes nothing."""
    return _order_out(await in_database_thread(service.cancel, current_user.user_id, order_id))
