"""Money in the provider's formats: always decimals, never float arithmetic."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field

# Added to the price, so that the amount paid differs from the price of the order, as it does at the provider.
SALES_TAX_PERCENT = Decimal("8.88")
_FEE_SHARE = Decimal("0.05")

_WITHOUT_DECIMALS = frozenset({"CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF"})
_WITH_THREE_DECIMALS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})


def _require_number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("must be a number")  # noqa: TRY004, pydantic reports only ValueError
    return Decimal(value)


# Field types of request bodies.
Amount = Annotated[Decimal, BeforeValidator(_require_number), Field(gt=0, max_digits=18)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


def decimals_of(currency: str) -> int:
    """Return the number of decimals of a currency."""
    if currency in _WITHOUT_DECIMALS:
        return 0
    return 3 if currency in _WITH_THREE_DECIMALS else 2


def minor_unit(currency: str) -> Decimal:
    """Return the smallest amount of a currency."""
    return Decimal(1).scaleb(-decimals_of(currency))


def round_to(amount: Decimal, currency: str) -> Decimal:
    """Round to the minor unit of a currency, half up."""
    return amount.quantize(minor_unit(currency), rounding=ROUND_HALF_UP)


def split_evenly(amount: Decimal, parts: int, currency: str) -> list[Decimal]:
    """Split an amount into equal parts, with the remainder in the last; a small amount gives fewer parts."""
    part = (amount / parts).quantize(minor_unit(currency), rounding=ROUND_DOWN)
    equal_parts = [part] * (parts - 1) if part else []
    return [*equal_parts, amount - sum(equal_parts)]


def as_number(amount: Decimal) -> int | float:
    """Return the JSON number for an amount; call it only after all arithmetic is done."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def as_text(amount: Decimal) -> str:
    """Return the text with four decimals that order notifications contain."""
    return f"{amount:.4f}"


def for_display(amount: Decimal, currency: str) -> str:
    """Return an amount as shown on a page."""
    return f"{amount:,.{decimals_of(currency)}f} {currency}"


@dataclass(frozen=True, slots=True)
class Breakdown:
    """How a payment is divided into price, tax, fees and payout."""

    currency: str
    price: Decimal
    sales_tax: Decimal
    payment: Decimal
    fee: Decimal
    payout: Decimal


def break_down(price: Decimal, currency: str) -> Breakdown:
    """Divide a payment in the proportions of a captured notification."""
    tax = round_to(price * SALES_TAX_PERCENT / 100, currency)
    payment = price + tax
    fee = round_to(payment * _FEE_SHARE, currency)
    # Two equal fees: the provider's own and the payment method's.
    return Breakdown(currency, price, tax, payment, fee, price - fee - fee)
