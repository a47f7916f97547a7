"""View models of items, and the pure functions that make them."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from store_app import money, routes
from store_app.models import Item, ItemKind, ItemRow, ItemStatus
from store_app.orders.queries import OrderLine

KIND_LABELS = {ItemKind.NON_CONSUMABLE: "Yours for good", ItemKind.CONSUMABLE: "Consumable"}


@dataclass
class ItemLink:
    """What every row about an item shows: its name and its cover, with a link to its page."""

    sku: str = ""
    name: str = ""
    image: str = ""
    href: str = ""


@dataclass
class CardView(ItemLink):
    """An item in the list of the store page."""

    price: str = ""
    kind: str = ""
    owned: bool = False
    owned_once: bool = True


@dataclass
class ItemView(CardView):
    """An item on its own page, which shows more than the card."""

    description: str = ""
    on_sale: bool = True
    # The address of the user's order that waits for its payment; empty if there is none.
    open_order: str = ""


def cover_of(sku: str, image: str) -> str:
    """Return the address of an item's cover: its own image, or the generated cover."""
    return image or f"/api/items/{quote(sku, safe='')}/cover.svg"


def item_link(item: Item | ItemRow | OrderLine) -> dict[str, Any]:
    """Return the fields of an `ItemLink`."""
    image, href = cover_of(item.sku, item.image), routes.item(item.sku)
    return {"sku": item.sku, "name": item.name, "image": image, "href": href}


def card_view(item: Item | ItemRow, owned: Collection[str]) -> CardView:
    """Return an item as a card; `owned` are the SKUs that the user owns and cannot buy again."""
    return CardView(
        **item_link(item),
        price=money.display(item.price, item.currency) if item.price else "Free",
        kind=KIND_LABELS[ItemKind(item.kind)],
        owned=item.sku in owned,
        owned_once=item.kind == ItemKind.NON_CONSUMABLE,
    )


def item_view(item: Item, owned: Collection[str] = (), open_order_id: str = "") -> ItemView:
    """Return an item for its own page; `open_order_id` is that of the user's open order which contains it."""
    return ItemView(
        **vars(card_view(item, owned)),
        description=item.description,
        on_sale=item.status == ItemStatus.ACTIVE,
        open_order=routes.order(open_order_id) if open_order_id else "",
    )
