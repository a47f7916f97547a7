"""Reading orders."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from store_app.errors import NotFound
from store_app.models import OPEN, Item, Order, OrderEvent, PaymentAttempt, PendingPurchase, Purchase


@dataclass(frozen=True, slots=True)
class OrderLine:
    """An item of an order, at the price of the moment when the order was placed.

    `status` is that of the purchase, or the order's own while it is not paid.
    """

    sku: str
    name: str
    image: str
    quantity: int
    unit_price: int
    status: str


@dataclass(frozen=True, slots=True)
class OrderDetails:
    """An order with its lines, its timeline, and where it can be paid (empty when it cannot)."""

    order: Order
    lines: list[OrderLine]
    events: list[OrderEvent]
    payment_url: str

    @property
    def wanted(self) -> dict[str, int]:
        """What was ordered: SKU -> quantity."""
        return {line.sku: line.quantity for line in self.lines}


def _lines(session: Session, order_id: str) -> list[OrderLine]:
    paid = session.execute(_lines_in(Purchase, col(Purchase.status), order_id)).all()
    rows = paid or session.execute(_lines_in(PendingPurchase, col(Order.status), order_id)).all()
    return [OrderLine(*row) for row in rows]


def _lines_in(table: type[Purchase] | type[PendingPurchase], status: Any, order_id: str) -> Any:
    item: Any = (col(Item.sku), col(Item.name), col(Item.image))
    return (
        select_columns(*item, col(table.quantity), col(table.unit_price), status)
        .select_from(table)
        .join(Item, col(Item.id) == table.item_id)
        .join(Order, col(Order.id) == table.order_id)
        .where(col(table.order_id) == order_id)
        .order_by(col(table.id))
    )


def find_order(session: Session, user_id: str, order_id: str) -> OrderDetails:
    """Return a user's own order.

    Raises:
        NotFound: there is none, or it is another user's: the caller is not told which.
    """
    order = session.get(Order, order_id)
    if order is None or order.user_id != user_id:
        raise NotFound("order")
    events = select(OrderEvent).where(OrderEvent.order_id == order_id).order_by(col(OrderEvent.id))
    attempt = payable_attempt(session, order_id)
    return OrderDetails(
        order, _lines(session, order_id), list(session.exec(events)), attempt.payment_url if attempt else ""
    )


def payable_attempt(session: Session, order_id: str) -> PaymentAttempt | None:
    """Return the latest payment attempt of an order, unless it was declined."""
    latest = select(PaymentAttempt).where(PaymentAttempt.order_id == order_id)
    attempt = session.exec(latest.order_by(col(PaymentAttempt.number).desc())).first()
    return attempt if attempt and attempt.declined_at is None else None


def list_orders(session: Session, user_id: str, limit: int = 50) -> list[Order]:
    """Return a user's orders, newest first."""
    query = select(Order).where(Order.user_id == user_id).order_by(col(Order.created_at).desc())
    return list(session.exec(query.limit(limit)))


def open_orders_with(session: Session, user_id: str, item_ids: list[int]) -> Sequence[Order]:
    """Return a user's open orders that contain any of the items, newest first."""
    with_item = select(PendingPurchase.order_id).where(
        PendingPurchase.user_id == user_id, col(PendingPurchase.item_id).in_(item_ids)
    )
    query = select(Order).where(
        col(Order.id).in_(with_item), Order.user_id == user_id, col(Order.status).in_(OPEN)
    )
    return session.exec(query.order_by(col(Order.created_at).desc())).all()
