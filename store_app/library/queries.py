"""Queries for what a user owns."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Integer, bindparam
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from store_app.db.pagination import MAX_ID, Page, make_cursor, read_cursor
from store_app.models import ITEM_COLUMNS, Item, ItemKind, ItemRow, Order, Purchase, PurchaseStatus

PAGE_SIZE = 24
_SORT = "purchases"


class PurchaseRow(NamedTuple):
    """A purchase with its item, and the number and status of its order."""

    id: int
    order_id: str
    user_id: str
    item_id: int
    quantity: int
    timestamp: datetime
    status: str
    order_number: str
    order_status: str
    item: ItemRow


_OF_PURCHASE = ("id", "order_id", "user_id", "item_id", "quantity", "timestamp", "status")
_COLUMNS: tuple[Any, ...] = (
    *(col(getattr(Purchase, name)) for name in _OF_PURCHASE),
    col(Order.number),
    col(Order.status),
)
# Built once: building a statement costs more than running it.
_PURCHASES = (
    select_columns(*_COLUMNS, *ITEM_COLUMNS)
    .select_from(Purchase)
    .join(Item, col(Item.id) == Purchase.item_id)
    .join(Order, col(Order.id) == Purchase.order_id)
    .where(col(Purchase.user_id) == bindparam("user_id"), col(Purchase.id) < bindparam("before"))
    .order_by(col(Purchase.id).desc())
    .limit(bindparam("limit", type_=Integer()))
)


def list_purchases(session: Session, user_id: str, limit: int = PAGE_SIZE, cursor: str = "") -> Page[PurchaseRow]:
    """Return a user's purchases with their items and order numbers, newest first, in one query.

    Raises:
        Invalid: this list did not issue the cursor.
    """
    (before,) = read_cursor(cursor, _SORT, int) if cursor else (MAX_ID,)
    wanted = {"user_id": user_id, "before": before, "limit": limit + 1}
    found = session.connection().execute(_PURCHASES, wanted)
    own = len(_COLUMNS)
    rows = [PurchaseRow._make((*row[:own], ItemRow._make(row[own:]))) for row in found]
    return Page.cut(rows, limit, lambda row: make_cursor(_SORT, row.id))


def owned_skus(session: Session, user_id: str, skus: list[str] | None = None) -> set[str]:
    """Return the SKUs, of those given or of all, that the user owns and cannot buy again."""
    query = select(Item.sku).join(Purchase, col(Purchase.item_id) == Item.id).where(Purchase.user_id == user_id)
    query = query.where(Purchase.status == PurchaseStatus.GRANTED, col(Purchase.owned_once).is_(True))
    # What has become a consumable can be bought again.
    query = query.where(Item.kind == ItemKind.NON_CONSUMABLE)
    if skus is not None:
        query = query.where(col(Item.sku).in_(skus))
    return set(session.exec(query))
