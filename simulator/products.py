"""Something for sale with its prices, whoever told us of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Product:
    """An item with a price in each currency that it is sold in; `currency` is the usual one, empty for none."""

    sku: str
    name: str
    currency: str
    prices: Mapping[str, Decimal]
    is_free: bool = False
