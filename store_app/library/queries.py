"""Queries for what a user owns."""

from sqlmodel import Session, col, select

from store_app.db.pagination import Page, make_cursor, read_cursor
from store_app.models import Item, Order, Purchase, PurchaseStatus

PAGE_SIZE = 24
_SORT = "purchases"
PurchaseRow = tuple[Purchase, Item, str]


def list_purchases(session: Session, user_id: str, limit: int = PAGE_SIZE, cursor: str = "") -> Page[PurchaseRow]:
    """Return a user's purchases with their items and order numbers, newest first, in one query.

    Raises:
        Invalid: this list did not issue the cursor.
    """
    query = (
        select(Purchase, Item, Order.number)
        .join(Item, col(Item.id) == Purchase.item_id)
        .join(Order, col(Order.id) == Purchase.order_id)
        .where(Purchase.user_id == user_id)
        .order_by(col(Purchase.id).desc())
    )
    if cursor:
        (last_id,) = read_cursor(cursor, _SORT, int)
        query = query.where(col(Purchase.id) < last_id)
    rows = [(purchase, item, number) for purchase, item, number in session.exec(query.limit(limit + 1))]
    return Page.cut(rows, limit, lambda row: make_cursor(_SORT, row[0].id))


def owned_skus(session: Session, user_id: str, skus: list[str] | None = None) -> set[str]:
    """Return the SKUs, of those given or of all, that the user owns and cannot buy again."""
    query = select(Item.sku).join(Purchase, col(Purchase.item_id) == Item.id).where(Purchase.user_id == user_id)
    query = query.where(Purchase.status == PurchaseStatus.GRANTED, col(Purchase.owned_once).is_(True))
    if skus is not None:
        query = query.where(col(Item.sku).in_(skus))
    return set(session.exec(query))
