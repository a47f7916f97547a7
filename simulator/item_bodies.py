"""What the catalogue upkeep calls accept, field by field."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulator.amounts import round_to
from simulator.products import Product
from simulator.token_bodies import Amount, Currency

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
