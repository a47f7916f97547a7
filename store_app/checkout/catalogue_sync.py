"""Mirroring the store's items into the catalogue of a provider that has one."""

import asyncio
import logging
from collections.abc import Sequence

from sqlmodel import Session, col, select

from store_app.db.threads import read
from store_app.errors import Conflict, Refusal
from store_app.models import Item
from store_app.payments.provider import CatalogueChanges, CatalogueProvider, PaymentProvider

logger = logging.getLogger(__name__)
_running: set[asyncio.Task[None]] = set()


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


def sync_soon(provider: PaymentProvider) -> None:
    """Write the differences in the background: a buyer has seen that the provider's prices are out of date."""
    if not _running:
        task = asyncio.create_task(_sync_in_background(provider))
        _running.add(task)
        task.add_done_callback(_running.discard)


async def _sync_in_background(provider: PaymentProvider) -> None:
    try:
        changes = await sync(provider, apply=True)
        logger.warning("mirrored %s items into the provider's catalogue", len(changes.new) + len(changes.changed))
    except Refusal as refusal:
        logger.error("the provider's catalogue is out of date: %s", refusal)  # noqa: TRY400 - expected
