"""Reading the catalogue: search, filters, sort, keyset pages."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import Session, col, select

from store_app.db.pagination import Page, make_cursor, read_cursor
from store_app.errors import NotFound
from store_app.models import Item, ItemStatus

PAGE_SIZE = 24


class Sort(StrEnum):
    """How a list of items is sorted."""

    FEATURED = "featured"
    NEWEST = "newest"
    PRICE_LOW = "price"
    PRICE_HIGH = "-price"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Which items to list. Prices are minor units; empty and None mean any."""

    q: str = ""
    kind: str = ""
    min_price: int | None = None
    max_price: int | None = None
    sort: Sort = Sort.FEATURED


_DESCENDING = {Sort.NEWEST, Sort.PRICE_HIGH}


def _sort_column(sort: Sort) -> Any:
    columns = {Sort.PRICE_LOW: Item.price, Sort.PRICE_HIGH: Item.price, Sort.NAME: Item.name}
    return col(columns.get(sort, Item.id))


def _like(text: str) -> str:
    # Escape LIKE's wildcards: the search text is matched literally.
    return "%" + text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"


def _conditions(wanted: ItemFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [col(Item.status) == ItemStatus.ACTIVE]
    for word in wanted.q.split()[:8]:
        pattern = _like(word[:60])
        conditions.append(
            or_(col(Item.name).ilike(pattern, escape="\\"), col(Item.description).ilike(pattern, escape="\\"))
        )
    if wanted.kind:
        conditions.append(col(Item.kind) == wanted.kind)
    if wanted.min_price is not None:
        conditions.append(col(Item.price) >= wanted.min_price)
    if wanted.max_price is not None:
        conditions.append(col(Item.price) <= wanted.max_price)
    return conditions


def _after(wanted: ItemFilter, cursor: str) -> ColumnElement[bool]:
    column, descending = _sort_column(wanted.sort), wanted.sort in _DESCENDING
    value, last_id = read_cursor(cursor, wanted.sort, str if wanted.sort is Sort.NAME else int, int)
    beyond = column < value if descending else column > value
    tie = col(Item.id) < last_id if descending else col(Item.id) > last_id
    return or_(beyond, and_(column == value, tie))


def list_items(session: Session, wanted: ItemFilter, limit: int = PAGE_SIZE, cursor: str = "") -> Page[Item]:
    """Return a page of items on sale.

    Raises:
        Invalid: this list, sorted this way, did not issue the cursor.
    """
    column = _sort_column(wanted.sort)
    query = select(Item).where(*_conditions(wanted))
    if cursor:
        query = query.where(_after(wanted, cursor))
    order = (column.desc(), col(Item.id).desc()) if wanted.sort in _DESCENDING else (column, col(Item.id))
    rows = list(session.exec(query.order_by(*order).limit(limit + 1)))
    return Page.cut(rows, limit, lambda item: make_cursor(wanted.sort, getattr(item, column.key), item.id))


def find_item(session: Session, sku: str) -> Item:
    """Return an item by its SKU, withdrawn ones too (their owners still look at them).

    Raises:
        NotFound: there is none.
    """
    item = session.exec(select(Item).where(Item.sku == sku)).first()
    if item is None:
        raise NotFound("item")
    return item
