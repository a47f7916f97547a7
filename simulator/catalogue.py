"""What is for sale: what is on our shelf, else the store's public list, read over HTTP and kept for a moment."""

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
from simulator.settings import at_base


@dataclass(frozen=True, slots=True)
class Product:
    """An item with a price in each currency that it is sold in; `currency` is the usual one, empty for none."""

    sku: str
    name: str
    currency: str
    prices: Mapping[str, Decimal]
    is_free: bool = False


Texts = dict[str, str | None]
Sku = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9_.-]*$")]


class Price(BaseModel):
    """A price in one currency."""

    model_config = ConfigDict(strict=True, extra="ignore")

    amount: Amount
    currency: Currency
    is_default: bool = False
    is_enabled: bool = True

    @model_validator(mode="after")
    def _smallest_unit(self) -> Self:
        if self.amount != round_to(self.amount, self.currency):
            raise ValueError("the amount has too many decimals for the currency")
        return self


class VirtualItem(BaseModel):
    """An item of the catalogue; keys that mean nothing here are let through and forgotten."""

    model_config = ConfigDict(strict=True, extra="ignore")

    sku: Sku
    name: Texts = Field(min_length=1)
    description: Texts = {}
    image_url: str | None = None
    is_enabled: bool = True
    is_free: bool = False
    is_show_in_store: bool = True
    order: int = 1
    prices: list[Price] = []

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        currencies = [price.currency for price in self.prices]
        if len(set(currencies)) < len(currencies):
            raise ValueError("prices must have different currencies")
        if sum(price.is_default for price in self.prices) > 1:
            raise ValueError("only one price may be the default")
        return self

    def as_product(self) -> Product:
        """Give what a cart needs to know of it."""
        offered = [price for price in self.prices if price.is_enabled]
        usual = next((price for price in offered if price.is_default), offered[0] if offered else None)
        name = self.name.get("en") or next(filter(None, self.name.values()), self.sku)
        prices = {price.currency: price.amount for price in offered}
        return Product(self.sku, name, usual.currency if usual else "", prices, self.is_free)

    def as_answer(self) -> dict[str, Any]:
        """Give it as the provider lists it, with the parts that are always empty here."""
        empty: dict[str, Any] = {name: [] for name in _ALWAYS_EMPTY}
        return (
            self.model_dump() | empty | {"type": "virtual_good", "prices": [_answer(each) for each in self.prices]}
        )


_ALWAYS_EMPTY = ("groups", "attributes", "media_list", "vc_prices", "regions", "periods")


def _answer(price: Price) -> dict[str, Any]:
    return price.model_dump() | {"amount": float(price.amount)}


class Shelf:
    """Items by SKU, in the order they were made; in use from the first one on, even when emptied again."""

    def __init__(self) -> None:
        self.is_in_use = False
        self.items: dict[str, VirtualItem] = {}

    def put(self, item: VirtualItem) -> None:
        """Write an item; one of the same SKU is replaced where it stands."""
        self.is_in_use = True
        self.items[item.sku] = item

    def on_sale(self) -> list[VirtualItem]:
        """Give the items that may be bought."""
        return [item for item in self.items.values() if item.is_enabled]


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
