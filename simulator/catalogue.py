"""What is for sale: what is on our shelf, else the store's public list, read over HTTP and kept for a moment."""

import asyncio
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import httpx

from simulator.addresses import at_base
from simulator.clock import Clock
from simulator.products import Product
from simulator.shelf import Shelf

_FRESH = timedelta(seconds=10)
_PAGE = 100
_MOST_PAGES = 200


class CatalogueUnreadable(Exception):
    """The store's list could not be read; the message says why."""


class Catalogue:
    """Products by SKU; refetched when old and when asked for a SKU that it does not know."""

    def __init__(self, client: httpx.AsyncClient, store_url: str, shelf: Shelf, clock: Clock) -> None:
        self._client = client
        self._shelf = shelf
        self._store_url = store_url
        self._clock = clock
        self._products: dict[str, Product] = {}
        self._read_at: datetime | None = None
        self._reading = asyncio.Lock()

    async def find(self, skus: Iterable[str]) -> dict[str, Product]:
        """Give the products among some SKUs; raises CatalogueUnreadable."""
        wanted = set(skus)
        if self._shelf.is_in_use:
            return {item.sku: item.as_product() for item in self._shelf.on_sale() if item.sku in wanted}
        asked_at = self._clock()
        if not self._is_fresh(asked_at) or not wanted <= self._products.keys():
            await self._refresh(asked_at)
        return {sku: self._products[sku] for sku in wanted & self._products.keys()}

    def _is_fresh(self, now: datetime) -> bool:
        return self._read_at is not None and now - self._read_at < _FRESH

    async def _refresh(self, asked_at: datetime) -> None:
        async with self._reading:
            # Whoever waited for the lock is served by the reading that began after it asked.
            if self._read_at is not None and self._read_at > asked_at:
                return
            began = self._clock()
            self._products = await self._read_all()
            self._read_at = began

    async def _read_all(self) -> dict[str, Product]:
        products: dict[str, Product] = {}
        address: str | None = f"{self._store_url}/api/items?limit={_PAGE}"
        for _ in range(_MOST_PAGES):
            if address is None:
                return products
            page, address = await self._read_page(address)
            products |= {product.sku: product for product in page}
        raise CatalogueUnreadable(f"The store's item list has more than {_MOST_PAGES} pages.")

    async def _read_page(self, address: str) -> tuple[list[Product], str | None]:
        try:
            response = await self._client.get(address)
            response.raise_for_status()
            page = [_product(row) for row in json.loads(response.text, parse_float=Decimal)]
        except httpx.HTTPError as error:
            raise CatalogueUnreadable(f"The store's item list cannot be read: {error}") from None
        except (ValueError, LookupError, TypeError, InvalidOperation):
            raise CatalogueUnreadable(f"The store's item list at {address} is not as expected.") from None
        following = response.links.get("next", {}).get("url")
        return page, None if following is None else at_base(self._store_url, following)


def _product(row: dict[str, Any]) -> Product:
    price = Decimal(row["price"])
    if not price.is_finite() or price < 0:
        raise ValueError(row["price"])
    currency = str(row["currency"])
    return Product(str(row["sku"]), str(row["name"]), currency, {currency: price}, is_free=price == 0)
