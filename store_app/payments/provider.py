"""What we say to the payment provider and hear from it, as types."""

from dataclasses import dataclass
from typing import Any

from store_app import money


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """What the provider needs to open a payment page; `lines` are (SKU, quantity), `total` minor units."""

    order_id: str
    number: str
    attempt: int
    user_id: str
    username: str
    lines: tuple[tuple[str, int], ...]
    total: int
    currency: str
    country: str = "US"

    @property
    def external_id(self) -> str:
        """Unique for each payment: a second attempt of the same order is another payment."""
        return f"{self.order_id}-{self.attempt}"


@dataclass(frozen=True, slots=True)
class PaymentPage:
    """Where the player pays, and the provider's own id of the order (none for a merchant token)."""

    provider_order_id: str | None
    url: str


@dataclass(frozen=True, slots=True)
class ProviderOrder:
    """An order as the provider has it: status new, paid, done, canceled or expired; amounts as it wrote them."""

    status: str
    transaction_id: str
    user_id: str
    amount: str
    currency: str
    sandbox: bool | None


@dataclass(frozen=True, slots=True)
class CatalogueItem:
    """An item for the provider's catalogue; `price` in minor units."""

    sku: str
    name: str
    description: str
    price: int
    currency: str
    enabled: bool


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def order_of_search(order: dict[str, Any]) -> ProviderOrder:
    """Read an order of the order search."""
    price, user = order.get("price") or {}, order.get("user") or {}
    return ProviderOrder(
        status=_text(order.get("status")),
        transaction_id=_text(order.get("invoice_id")),
        user_id=_text(user.get("external_id") or user.get("id")),
        amount=_text(price.get("amount")),
        currency=_text(price.get("currency")),
        sandbox=order.get("mode") == "sandbox",
    )


_STATUS_OF_PAYMENT = {"done": "paid", "refunded": "canceled", "canceled": "canceled"}


def order_of_payment(found: dict[str, Any]) -> ProviderOrder:
    """Read a transaction of the transaction search; its mark of the sandbox is not documented there."""
    transaction, user = found.get("transaction") or {}, found.get("user") or {}
    price = (found.get("purchase") or {}).get("total") or {}
    return ProviderOrder(
        status=_STATUS_OF_PAYMENT.get(_text(transaction.get("status")), "new"),
        transaction_id=_text(transaction.get("id")),
        user_id=_text(user.get("id")),
        amount=_text(price.get("amount")),
        currency=_text(price.get("currency")),
        sandbox=None,
    )


def catalogue_body(item: CatalogueItem) -> dict[str, Any]:
    """Return an item as the catalogue's calls take it."""
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
        "is_enabled": item.enabled,
        "is_free": item.price == 0,
        "is_show_in_store": item.enabled,
        "prices": [price] if item.price else [],
    }
