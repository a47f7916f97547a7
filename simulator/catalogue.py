"""The items for sale and their prices.

The store may copy its items to the provider's catalogue. Until it does, the simulator reads the prices from
the store's public item list.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Self

import httpx
from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulator.amounts import Amount, Currency, round_to
from simulator.records import Clock
from simulator.settings import with_base

Sku = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9_.-]*$")]
Translations = dict[str, str | None]

_MAX_PRICE_AGE = timedelta(seconds=10)
_PAGE_SIZE = 100
_MAX_PAGES = 200

# Parts of an item in the provider's responses that the simulator does not support.
_EMPTY_PARTS = ("groups", "attributes", "media_list", "vc_prices", "regions", "periods")


@dataclass(frozen=True, slots=True)
class PricedItem:
    """An item with its price in each currency; `currency` is the default one, empty if there is no price."""

    sku: str
    name: str
    currency: str
    prices: Mapping[str, Decimal]
    is_free: bool = False


class Price(BaseModel):
    """A price in one currency."""

    model_config = ConfigDict(strict=True, extra="ignore")

    amount: Amount
    currency: Currency
    is_default: bool = False
    is_enabled: bool = True

    @model_validator(mode="after")
    def _check_decimals(self) -> Self:
        if self.amount != round_to(self.amount, self.currency):
            raise ValueError("the amount has too many decimals for the currency")
        return self

    def as_response(self) -> dict[str, Any]:
        """Return the price as the provider's API shows it."""
        return self.model_dump() | {"amount": float(self.amount)}


class VirtualItem(BaseModel):
    """An item as the provider's catalogue calls send it; unknown fields are accepted and not kept."""

    model_config = ConfigDict(strict=True, extra="ignore")

    sku: Sku
    name: Translations = Field(min_length=1)
    description: Translations = {}
    image_url: str | None = None
    is_enabled: bool = True
    is_free: bool = False
    is_show_in_store: bool = True
    order: int = 1
    prices: list[Price] = []

    @model_validator(mode="after")
    def _check_prices(self) -> Self:
        currencies = [price.currency for price in self.prices]
        if len(set(currencies)) < len(currencies):
            raise ValueError("prices must have different currencies")
        if sum(price.is_default for price in self.prices) > 1:
            raise ValueError("only one price may be the default")
        return self

    def as_priced_item(self) -> PricedItem:
        """Return what is needed to price a cart."""
        enabled = [price for price in self.prices if price.is_enabled]
        default = next((price for price in enabled if price.is_default), enabled[0] if enabled else None)
        name = self.name.get("en") or next(filter(None, self.name.values()), self.sku)
        prices = {price.currency: price.amount for price in enabled}
        return PricedItem(self.sku, name, default.currency if default else "", prices, self.is_free)

    def as_response(self) -> dict[str, Any]:
        """Return the item as the provider's API shows it."""
        empty: dict[str, Any] = {name: [] for name in _EMPTY_PARTS}
        prices = [price.as_response() for price in self.prices]
        return self.model_dump() | empty | {"type": "virtual_good", "prices": prices}


class Catalogue:
    """The store's items at the provider, by SKU, in order of creation.

    The catalogue is in use from the first saved item on, even after all items were deleted.
    """

    def __init__(self) -> None:
        self.is_in_use = False
        self.items: dict[str, VirtualItem] = {}

    def save(self, item: VirtualItem) -> None:
        """Add an item, or replace the one with the same SKU in its place."""
        self.is_in_use = True
        self.items[item.sku] = item

    def enabled_items(self) -> list[VirtualItem]:
        """Return the items that can be bought."""
        return [item for item in self.items.values() if item.is_enabled]


class PricesUnavailable(Exception):
    """The store's public item list could not be read; the message says why."""


class PriceList:
    """The prices of a cart: from the catalogue if it is in use, else from the store's public item list.

    The public list is cached for a few seconds, and read again for a SKU that is not in the cache.
    """

    def __init__(self, client: httpx.AsyncClient, store_url: str, catalogue: Catalogue, clock: Clock) -> None:
        self._client = client
        self._catalogue = catalogue
        self._store_url = store_url
        self._clock = clock
        self._cache: dict[str, PricedItem] = {}
        self._read_at: datetime | None = None
        self._refresh_lock = asyncio.Lock()

    async def find(self, skus: Iterable[str]) -> dict[str, PricedItem]:
        """Return those of the SKUs that are for sale; raise PricesUnavailable."""
        wanted = set(skus)
        if self._catalogue.is_in_use:
            enabled = self._catalogue.enabled_items()
            return {item.sku: item.as_priced_item() for item in enabled if item.sku in wanted}
        asked_at = self._clock()
        if not self._is_fresh(asked_at) or not wanted <= self._cache.keys():
            await self._refresh(asked_at)
        return {sku: self._cache[sku] for sku in wanted & self._cache.keys()}

    def _is_fresh(self, now: datetime) -> bool:
        return self._read_at is not None and now - self._read_at < _MAX_PRICE_AGE

    async def _refresh(self, asked_at: datetime) -> None:
        async with self._refresh_lock:
            # While this request waited for the lock, another one may have started to read the list after this
            # one asked for it. That reading is recent enough.
            if self._read_at is not None and self._read_at > asked_at:
                return
            started_at = self._clock()
            self._cache = await self._read_all()
            self._read_at = started_at

    async def _read_all(self) -> dict[str, PricedItem]:
        items: dict[str, PricedItem] = {}
        address: str | None = f"{self._store_url}/api/items?limit={_PAGE_SIZE}"
        for _ in range(_MAX_PAGES):
            if address is None:
                return items
            page, address = await self._read_page(address)
            items |= {item.sku: item for item in page}
        raise PricesUnavailable(f"The store's item list has more than {_MAX_PAGES} pages.")

    async def _read_page(self, address: str) -> tuple[list[PricedItem], str | None]:
        try:
            response = await self._client.get(address)
            response.raise_for_status()
            page = [_priced_item(row) for row in json.loads(response.text, parse_float=Decimal)]
        except httpx.HTTPError as error:
            raise PricesUnavailable(f"The store's item list cannot be read: {error}") from None
        except (ValueError, LookupError, TypeError, InvalidOperation):
            raise PricesUnavailable(f"The store's item list at {address} has an unexpected format.") from None
        next_address = response.links.get("next", {}).get("url")
        return page, None if next_address is None else with_base(self._store_url, next_address)


def _priced_item(row: dict[str, Any]) -> PricedItem:
    price = Decimal(row["price"])
    if not price.is_finite() or price < 0:
        raise ValueError(row["price"])
    currency = str(row["currency"])
    return PricedItem(str(row["sku"]), str(row["name"]), currency, {currency: price}, is_free=price == 0)
