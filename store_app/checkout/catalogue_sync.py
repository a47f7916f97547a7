"""Mirroring our items into the provider's catalogue, whose prices its payment page shows."""

from dataclasses import dataclass
from typing import Any

from sqlmodel import col, select

from store_app.db.threads import in_database_thread
from store_app.db.unit_of_work import read_session
from store_app.models import Item, ItemStatus
from store_app.payments.provider import CatalogueItem, catalogue_body
from store_app.payments.xsolla.client import XsollaClient


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between our items and theirs."""

    new: list[CatalogueItem]
    changed: list[CatalogueItem]
    same: int


def _items() -> list[CatalogueItem]:
    with read_session() as session:
        return [
            CatalogueItem(
                item.sku,
                item.name,
                item.description,
                item.price,
                item.currency,
                enabled=item.status == ItemStatus.ACTIVE,
            )
            for item in session.exec(select(Item).order_by(col(Item.id)))
        ]


def _differs(item: CatalogueItem, theirs: dict[str, Any]) -> bool:
    ours = catalogue_body(item)
    plain = ("name", "description", "is_enabled", "is_free")
    prices = [(price["currency"], float(price["amount"])) for price in theirs.get("prices") or []]
    wanted = [(price["currency"], price["amount"]) for price in ours["prices"]]
    return prices != wanted or any(theirs.get(name) != ours[name] for name in plain)


async def plan(provider: XsollaClient) -> Changes:
    """Compare our items with the provider's catalogue."""
    ours = await in_database_thread(_items)
    theirs = await provider.list_catalogue()
    new = [item for item in ours if item.sku not in theirs and item.enabled]
    changed = [item for item in ours if item.sku in theirs and _differs(item, theirs[item.sku])]
    return Changes(new, changed, len(ours) - len(new) - len(changed))


async def write(provider: XsollaClient, changes: Changes) -> None:
    """Make the provider's catalogue what `changes` says."""
    await provider.make_items(changes.new)
    await provider.change_items(changes.changed)
