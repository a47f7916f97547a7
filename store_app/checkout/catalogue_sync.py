"""Mirroring the store's items into the catalogue of a provider that has one."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from store_app.db.threads import read
from store_app.errors import Conflict
from store_app.models import Item
from store_app.payments.provider import CatalogueChanges, CatalogueProvider, PaymentProvider


def _items(session: Session) -> Sequence[Item]:
    return session.exec(select(Item).order_by(col(Item.id))).all()


async def sync(provider: PaymentProvider, *, apply: bool) -> CatalogueChanges:
    """Compare the store's items with the provider's catalogue and, with `apply`, write the differences.

    Raises:
        Conflict: the provider has none.
        ProviderUnavailable, ProviderRefused: see `PaymentProvider`.
    """
    if not isinstance(provider, CatalogueProvider):
        raise Conflict(f"{provider.display_name} has no catalogue: items need not be mirrored.")
    changes = await provider.compare_catalogue(await read(_items))
    if apply:
        await provider.update_catalogue(changes)
    return changes
