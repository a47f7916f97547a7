"""View models of items, and the pure functions that make them."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from store_app import money, routes
from store_app.catalogue.previews import raster_of
from store_app.catalogue.queries import Storefront
from store_app.languages import gettext as _
from store_app.languages import marked
from store_app.models import Item, ItemKind, ItemRow, ItemStatus
from store_app.orders.queries import OrderLine
from store_app.routes import localized

KIND_LABELS = {ItemKind.NON_CONSUMABLE: marked("Yours for good"), ItemKind.CONSUMABLE: marked("Consumable")}


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
    tagline: str = ""
    tags: str = ""
    owned: bool = False
    owned_once: bool = True


@dataclass
class FactView:
    """A line of the table of facts about an item."""

    label: str = ""
    value: str = ""


@dataclass
class TagView:
    """A tag that the list can be narrowed to."""

    name: str = ""
    number: str = ""
    href: str = ""
    chosen: bool = False


@dataclass
class ItemView(CardView):
    """An item on its own page, which shows more than the card."""

    description: str = ""
    facts: list[FactView] = field(default_factory=list)
    # The cover and the further pictures; empty if there are none of these.
    pictures: list[str] = field(default_factory=list)
    on_sale: bool = True
    # The address of the user's order that waits for its payment; empty if there is none.
    open_order: str = ""


def cover_of(sku: str, image: str) -> str:
    """Return the address of an item's cover: its own image, or the generated cover."""
    return image or routes.cover_address(sku)


def item_link(item: Item | ItemRow | OrderLine) -> dict[str, Any]:
    """Return the fields of an `ItemLink`."""
    image, href = cover_of(item.sku, item.image), routes.item(item.sku)
    return {"sku": item.sku, "name": item.name, "image": image, "href": href}


# Cards are 230 pixels wide, on screens with two pixels in each; on phones with three, 180.
_CARD_PICTURE_WIDTH = 460


def card_view(item: Item | ItemRow, owned: Collection[str]) -> CardView:
    """Return an item as a card; `owned` are the SKUs that the user owns and cannot buy again."""
    link = item_link(item)
    link["image"] = raster_of(link["image"], _CARD_PICTURE_WIDTH)
    return CardView(
        **link,
        price=money.display(item.price, item.currency) if item.price else _("Free"),
        kind=_(KIND_LABELS[ItemKind(item.kind)]),
        tagline=item.tagline,
        tags=", ".join(item.tags) or _(KIND_LABELS[ItemKind(item.kind)]),
        owned=item.sku in owned,
        owned_once=item.kind == ItemKind.NON_CONSUMABLE,
    )


def item_view(item: Item, owned: Collection[str] = (), open_order_id: str = "") -> ItemView:
    """Return an item for its own page; `open_order_id` is that of the user's open order which contains it."""
    return ItemView(
        **{**vars(card_view(item, owned)), "image": cover_of(item.sku, item.image)},
        description=item.description,
        facts=[FactView(label, value) for label, value in item.facts],
        pictures=[cover_of(item.sku, item.image), *item.pictures] if item.pictures else [],
        on_sale=item.status == ItemStatus.ACTIVE,
        open_order=routes.order(open_order_id) if open_order_id else "",
    )


def tag_views(front: Storefront, chosen: str) -> list[TagView]:
    """Return the tags of the store page, the first of which stands for all items."""
    everything = TagView(_("All"), str(front.total), localized(routes.STORE), chosen=not chosen)
    return [
        everything,
        *(
            TagView(tag, str(number), localized(f"{routes.STORE}?{urlencode({'tag': tag})}"), chosen=tag == chosen)
            for tag, number in front.tags
        ),
    ]
