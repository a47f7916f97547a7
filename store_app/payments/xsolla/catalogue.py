"""The store's items in Xsolla's catalogue, whose prices its payment page shows."""

from collections.abc import Sequence
from typing import Any

from store_app import money
from store_app.models import Item, ItemStatus
from store_app.payments.provider import CatalogueChanges

_PLAIN_FIELDS = ("name", "description", "is_enabled", "is_free")


def item_body(item: Item) -> dict[str, Any]:
    """Return an item as the catalogue's calls take it."""
    on_sale = item.status == ItemStatus.ACTIVE
    price = {
        "currency": item.currency,
        "amount": float(money.to_major(item.price, item.currency)),
        "is_default": True,
        "is_enabled": True,
    }
    return {
        "sku": item.sku,
        "name": {"en": item.name},
        "description": {"en": item.description},
        "is_enabled": on_sale,
        "is_free": item.price == 0,
        "is_show_in_store": on_sale,
        "prices": [price] if item.price else [],
    }


def compare(items: Sequence[Item], catalogue: dict[str, dict[str, Any]]) -> CatalogueChanges:
    """Return how the catalogue (SKU -> item, as Xsolla writes it) differs from the store's items."""
    new = [item for item in items if item.sku not in catalogue and item.status == ItemStatus.ACTIVE]
    changed = [item for item in items if item.sku in catalogue and _differs(item, catalogue[item.sku])]
    return CatalogueChanges(new, changed, len(items) - len(new) - len(changed))


def _differs(item: Item, listed: dict[str, Any]) -> bool:
    wanted = item_body(item)
    listed_prices = [(price["currency"], float(price["amount"])) for price in listed.get("prices") or []]
    wanted_prices = [(price["currency"], price["amount"]) for price in wanted["prices"]]
    return listed_prices != wanted_prices or any(listed.get(name) != wanted[name] for name in _PLAIN_FIELDS)
