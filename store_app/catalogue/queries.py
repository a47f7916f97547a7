"""Reading the catalogue: search, filters, sort, keyset pages."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Integer, String, bindparam, cast, func, or_, tuple_
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from store_app.db.pagination import Page, make_cursor, read_cursor
from store_app.errors import NotFound
from store_app.languages import gettext as _
from store_app.models import ITEM_COLUMNS, Item, ItemRow, ItemStatus, Purchase
from store_app.models.base import SafeText

PAGE_SIZE = 24
# The event of a message to everybody: items are new, changed or withdrawn.
CATALOGUE_CHANGED = "catalogue_changed"
SHELF_SIZE = 5
# What was sold lately: counting all purchases would take longer with each.
_RECENT_PURCHASES = 1_000


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
    tag: str = ""


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
# The JSON text of the tags.
_TAGS = cast(col(Item.tags), String)
_CONDITIONS: dict[str, ColumnElement[bool]] = {
    "tag": _TAGS.like(bindparam("tag", type_=SafeText()), escape="\\"),
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
    tag = _like(json.dumps(wanted.tag)) if wanted.tag else None
    others = {
        "tag": tag,
        "kind": wanted.kind or None,
        "min_price": wanted.min_price,
        "max_price": wanted.max_price,
    }
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
        raise NotFound(_("There is no such item."))
    return item


def currency_on_sale(session: Session) -> str:
    """Return the currency of the items on sale, which all have the same; USD while there are none."""
    first = select(Item.currency).where(Item.status == ItemStatus.ACTIVE).order_by(col(Item.id)).limit(1)
    return session.exec(first).first() or "USD"


@dataclass(frozen=True, slots=True)
class Storefront:
    """What the store page shows above its list.

    Args:
        featured: the first item on sale; None if there is none.
        newest: the newest ones, newest first.
        best_sellers: those sold most often lately.
        tags: the first tags of items, each with how many items on sale have it first.
        total: how many items are on sale.
    """

    featured: ItemRow | None
    newest: Sequence[ItemRow]
    best_sellers: Sequence[ItemRow]
    tags: Sequence[tuple[str, int]]
    total: int

    @property
    def items(self) -> list[ItemRow]:
        """All items that it shows; some more than once."""
        return [*self.newest, *self.best_sellers, *([self.featured] if self.featured else [])]


def storefront(session: Session) -> Storefront:
    """Return what the store page shows above its list."""
    tags: Counter[str] = Counter()
    total = 0
    on_sale = col(Item.status) == ItemStatus.ACTIVE
    for text, number in session.exec(select(_TAGS, func.count()).where(on_sale).group_by(_TAGS)):
        total += number
        tags.update(dict.fromkeys(json.loads(text)[:1], number))
    return Storefront(
        featured=next(iter(list_items(session, ItemFilter(), limit=1).rows), None),
        newest=list_items(session, ItemFilter(sort=Sort.NEWEST), limit=SHELF_SIZE).rows,
        best_sellers=_best_sellers(session),
        tags=tags.most_common(),
        total=total,
    )


def _best_sellers(session: Session) -> Sequence[ItemRow]:
    newest_first = select(Purchase.item_id).order_by(col(Purchase.id).desc()).limit(_RECENT_PURCHASES).subquery()
    sold = select(newest_first.c.item_id, func.count().label("times")).group_by(newest_first.c.item_id).subquery()
    query = (
        select_columns(*ITEM_COLUMNS)
        .join(sold, col(Item.id) == sold.c.item_id)
        .where(col(Item.status) == ItemStatus.ACTIVE)
        .order_by(sold.c.times.desc(), col(Item.id))
        .limit(SHELF_SIZE)
    )
    return [ItemRow._make(row) for row in session.connection().execute(query)]


def list_related(session: Session, item: Item, limit: int = SHELF_SIZE) -> Sequence[ItemRow]:
    """Return other items on sale: first those that share the last tag, which says most, then the first."""
    found: dict[str, ItemRow] = {}
    for tag in (*item.tags[:0:-1], *item.tags[:1]):
        for row in list_items(session, ItemFilter(tag=tag), limit=limit + 1).rows:
            found.setdefault(row.sku, row)
    found.pop(item.sku, None)
    return list(found.values())[:limit]
