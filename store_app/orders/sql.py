"""The SQL statements of the order rules, built once: building a statement costs more than running it.

Bind parameters whose names end in `_` are conditions; the others are values.
"""

from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, delete, insert, literal, select, update
from sqlmodel import col

from store_app.db.engine import insert_or_ignore
from store_app.models import (
    CartLine,
    Item,
    Order,
    OrderEvent,
    Payment,
    PendingPurchase,
    Purchase,
    PurchaseStatus,
)
from store_app.models.base import UtcDateTime

_ORDER: Any = bindparam("order_id_")
_ORDERS: Any = bindparam("order_ids_", expanding=True)
_USER: Any = bindparam("user_id_")
# The type matters: Python's own SQLite adapter would write the time in another form, and is deprecated.
_AT: Any = bindparam("at_", type_=UtcDateTime())
_COPIED = ("order_id", "user_id", "item_id", "quantity", "unit_price", "currency", "owned_once")

CHANGE_STATUS = (
    update(Order)
    .where(col(Order.id) == _ORDER)
    .values(status=bindparam("status"), updated_at=bindparam("updated_at"))
)
CHECK_LATER = (
    update(Order)
    .where(col(Order.id) == _ORDER)
    .values(next_check_at=bindparam("next_check_at"), checks=bindparam("checks"))
)
FLAG_ORDER = update(Order).where(col(Order.id) == _ORDER).values(needs_attention=bindparam("needs_attention"))
ADD_EVENT = insert(OrderEvent).inline()
# The rows of several orders, whose ids are given as a list; after the order's id the fields of `ledger.Movement`.
LEDGERS = (
    select(
        col(Payment.order_id),
        col(Payment.kind),
        col(Payment.amount),
        col(Payment.transaction_id),
        col(Payment.charged),
        col(Payment.provider),
        col(Payment.provider_order_id),
        col(Payment.id),
    )
    .where(col(Payment.order_id).in_(_ORDERS))
    .order_by(col(Payment.id))
)
RECORD_TAX = update(Payment).where(col(Payment.id) == bindparam("id_")).values(charged=bindparam("charged"))
MATCH_EARLY_REFUND = (
    update(Payment)
    .where(col(Payment.id) == bindparam("id_"))
    .values(transaction_id=bindparam("transaction_id"), amount=bindparam("amount"))
)


def _lines_of(table: type[PendingPurchase] | type[Purchase]) -> Any:
    return (
        select(col(table.order_id), col(Item.sku), col(Item.name), col(table.quantity))
        .join(Item, col(Item.id) == table.item_id)
        .where(col(table.order_id).in_(_ORDERS))
        .order_by(col(table.id))
    )


PENDING_LINES, PURCHASED_LINES = _lines_of(PendingPurchase), _lines_of(Purchase)
FORGET_PENDING = delete(PendingPurchase).where(col(PendingPurchase.order_id) == _ORDER)
REVOKE = update(Purchase).where(col(Purchase.order_id) == _ORDER).values(status=PurchaseStatus.REFUNDED)
# The cart keeps its items until they are paid, so that a user who cancels a payment still has them.
EMPTY_CART = delete(CartLine).where(
    col(CartLine.user_id) == _USER,
    col(CartLine.item_id).in_(select(col(Purchase.item_id)).where(col(Purchase.order_id) == _ORDER)),
)
_ALREADY_MOVED = select(col(Purchase.item_id)).where(col(Purchase.order_id) == _ORDER)


@lru_cache
def book(dialect: str) -> Any:
    """Return an INSERT of a row of the ledger, RETURNING its id, that does nothing when it was booked before."""
    return insert_or_ignore(dialect, Payment).returning(col(Payment.id))


@lru_cache
def move_lines(dialect: str) -> Any:
    """Return an INSERT that copies an order's pending lines to purchases, as far as the constraints allow."""
    lines = (
        select(*(col(getattr(PendingPurchase, name)) for name in _COPIED), _AT, bindparam("status_"))
        .where(col(PendingPurchase.order_id) == _ORDER)
        # Always insert in item order: two orders for the same items could deadlock otherwise.
        .order_by(col(PendingPurchase.item_id))
    )
    return insert_or_ignore(dialect, Purchase).from_select([*_COPIED, "timestamp", "status"], lines)


HOLD_LINES = insert(Purchase).from_select(
    [*_COPIED, "timestamp", "status"],
    select(*(col(getattr(PendingPurchase, name)) for name in _COPIED), _AT, literal(PurchaseStatus.HELD)).where(
        col(PendingPurchase.order_id) == _ORDER, col(PendingPurchase.item_id).not_in(_ALREADY_MOVED)
    ),
)
