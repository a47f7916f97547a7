"""Mirroring the store's items into the catalogue of a provider that has one."""

from sqlmodel import col, select

from store_app.db.threads import in_database_thread
from store_app.db.unit_of_work import read_session
from store_app.errors import NoCatalogue
from store_app.models import Item, ItemStatus
from store_app.payments.provider import CatalogueChanges, CatalogueItem, CatalogueProvider, PaymentProvider


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


async def sync(provider: PaymentProvider, *, apply: bool) -> CatalogueChanges:
    """Compare the store's items with the provider's catalogue and, with `apply`, write the differences.

    Raises:
        NoCatalogue: the provider has none.
        ProviderUnavailable, ProviderRefused: see `PaymentProvider`.
    """
    if not isinstance(provider, CatalogueProvider):
        raise NoCatalogue(provider.display_name)
    changes = await provider.compare_catalogue(await in_database_thread(_items))
    if apply:
        await provider.update_catalogue(changes)
    return changes
