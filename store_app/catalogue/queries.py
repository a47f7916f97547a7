"""Reading the catalogue: search, filters, sort, keyset pages."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Integer, bindparam, or_, tuple_
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from store_app.db.pagination import Page, make_cursor, read_cursor
from store_app.errors import NotFound
from store_app.models import ITEM_COLUMNS, Item, ItemRow, ItemStatus
from store_app.models.base import SafeText

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


_BY_ID, _BY_PRICE, _BY_NAME = (col(Item.id),), (col(Item.price), col(Item.id)), (col(Item.name), col(Item.id))
# Each ends in the id, which makes it unique, and is the end of an index that begins with the status.
_SORT_KEYS: dict[Sort, tuple[Any, ...]] = {
    Sort.FEATURED: _BY_ID,
    Sort.NEWEST: _BY_ID,
    Sort.PRICE_LOW: _BY_PRICE,
    Sort.PRICE_HIGH: _BY_PRICE,
    Sort.NAME: _BY_NAME,
}
_DESCENDING = {Sort.NEWEST, Sort.PRICE_HIGH}
_CONDITIONS: dict[str, ColumnElement[bool]] = {
    "kind": col(Item.kind) == bindparam("kind"),
    "min_price": col(Item.price) >= bindparam("min_price"),
    "max_price": col(Item.price) <= bindparam("max_price"),
}


def _like(text: str) -> str:
    # Escape LIKE's wildcards: the search text is matched literally.
    return "%" + text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"


def _parameters(wanted: ItemFilter) -> dict[str, Any]:
    """Return the bind parameters of the conditions that a filter sets."""
    words = {f"word_{number}": _like(word[:60]) for number, word in enumerate(wanted.q.split()[:8])}
    others = {"kind": wanted.kind or None, "min_price": wanted.min_price, "max_price": wanted.max_price}
    return words | {name: value for name, value in others.items() if value is not None}


def _condition(parameter: str) -> ColumnElement[bool]:
    if parameter in _CONDITIONS:
        return _CONDITIONS[parameter]
    pattern = bindparam(parameter, type_=SafeText())
    return or_(col(Item.name).ilike(pattern, escape="\\"), col(Item.description).ilike(pattern, escape="\\"))


# Built once for each kind of filter, because building a statement costs more than running it.
@lru_cache(maxsize=256)
def _select_items(sort: Sort, parameters: tuple[str, ...], *, after: bool) -> Any:
    key, descending = _SORT_KEYS[sort], sort in _DESCENDING
    query = select_columns(*ITEM_COLUMNS).where(
        col(Item.status) == ItemStatus.ACTIVE, *map(_condition, parameters)
    )
    if after:
        # A comparison of rows, and not `price > ? OR (price = ? AND id > ?)`, for which no index is used.
        row = tuple_(*key)
        last = tuple_(*(bindparam(f"last_{column.key}", type_=column.type) for column in key))
        query = query.where(row < last if descending else row > last)
    order = [column.desc() for column in key] if descending else key
    return query.order_by(*order).limit(bindparam("limit", type_=Integer()))


def list_items(session: Session, wanted: ItemFilter, limit: int = PAGE_SIZE, cursor: str = "") -> Page[ItemRow]:
    """Return a page of items on sale.

    Raises:
        Invalid: this list, sorted this way, did not issue the cursor.
    """
    names, values = [column.key for column in _SORT_KEYS[wanted.sort]], _parameters(wanted)
    query = _select_items(wanted.sort, tuple(values), after=bool(cursor))
    if cursor:
        types = (column.type.python_type for column in _SORT_KEYS[wanted.sort])
        last = read_cursor(cursor, wanted.sort, *types)
        values.update({f"last_{name}": value for name, value in zip(names, last, strict=True)})
    found = session.connection().execute(query, {**values, "limit": limit + 1})
    rows = [ItemRow._make(row) for row in found]
    return Page.cut(rows, limit, lambda item: make_cursor(wanted.sort, *(getattr(item, name) for name in names)))


def find_item(session: Session, sku: str) -> Item:
    """Return an item by its SKU, withdrawn ones too (their owners still look at them).

    Raises:
        NotFound: there is none.
    """
    item = session.exec(select(Item).where(Item.sku == sku)).first()
    if item is None:
        raise NotFound("item")
    return item
