"""What the store's shelves show: pure functions from items to small view models."""

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import quote

from store_app import money, routes
from store_app.models import Item, ItemKind, ItemStatus

KIND_WORDS = {ItemKind.NON_CONSUMABLE: "Yours for good", ItemKind.CONSUMABLE: "Consumable"}


@dataclass
class CardView:
    """An item on a shelf."""

    sku: str = ""
    name: str = ""
    price: str = ""
    kind: str = ""
    image: str = ""
    href: str = ""
    owned: bool = False
    owned_once: bool = True


@dataclass
class ItemView:
    """An item on its own page. `open_order` is the address of an unpaid order that contains it."""

    sku: str = ""
    name: str = ""
    description: str = ""
    price: str = ""
    kind: str = ""
    consumable: bool = False
    image: str = ""
    on_sale: bool = True


def cover_of(sku: str, image: str) -> str:
    """Return the address of an item's cover: its own, or the one drawn from its name."""
    return image or f"/api/items/{quote(sku, safe='')}/cover.svg"


def price_words(item: Item) -> str:
    """Return the price as people read it."""
    return money.display(item.price, item.currency) if item.price else "Free"


def card_view(item: Item, owned: Collection[str]) -> CardView:
    """Return an item as a card; `owned` holds the SKUs that the current user has and cannot buy again."""
    return CardView(
        sku=item.sku,
        name=item.name,
        price=price_words(item),
        kind=KIND_WORDS[ItemKind(item.kind)],
        image=cover_of(item.sku, item.image),
        href=routes.item(item.sku),
        owned=item.sku in owned,
        owned_once=item.kind == ItemKind.NON_CONSUMABLE,
    )


def item_view(item: Item) -> ItemView:
    """Return an item as its page shows it."""
    return ItemView(
        sku=item.sku,
        name=item.name,
        description=item.description,
        price=price_words(item),
        kind=KIND_WORDS[ItemKind(item.kind)],
        consumable=item.kind == ItemKind.CONSUMABLE,
        image=cover_of(item.sku, item.image),
        on_sale=item.status == ItemStatus.ACTIVE,
    )
