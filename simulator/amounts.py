"""Money as the provider writes it: decimals, never float arithmetic."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field

# On top of the price, so that what is paid differs from what was sold: a trap worth meeting early.
SALES_TAX_PERCENT = Decimal("8.88")
_FEE_SHARE = Decimal("0.05")

_WITHOUT_DECIMALS = frozenset({"CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF"})
_WITH_THREE_DECIMALS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})


def decimals_of(currency: str) -> int:
    """How many decimals a currency has."""
    if currency in _WITHOUT_DECIMALS:
        return 0
    return 3 if currency in _WITH_THREE_DECIMALS else 2


def round_to(amount: Decimal, currency: str) -> Decimal:
    """Round to the smallest unit of a currency, halves up."""
    return amount.quantize(smallest_unit(currency), rounding=ROUND_HALF_UP)


def smallest_unit(currency: str) -> Decimal:
    """Give the smallest amount there is of a currency."""
    return Decimal(1).scaleb(-decimals_of(currency))


def split_evenly(amount: Decimal, parts: int, currency: str) -> list[Decimal]:
    """Split an amount into equal parts, the last of which takes what is left over; fewer when it is small."""
    part = (amount / parts).quantize(smallest_unit(currency), rounding=ROUND_DOWN)
    equal = [part] * (parts - 1) if part else []
    return [*equal, amount - sum(equal)]


def as_number(amount: Decimal) -> int | float:
    """Give a JSON number; a conversion at the very edge, after all arithmetic is done."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def as_text(amount: Decimal) -> str:
    """Give the text with four decimals that order notifications carry."""
    return f"{amount:.4f}"


def in_words(amount: Decimal, currency: str) -> str:
    """Give an amount for people."""
    return f"{amount:,.{decimals_of(currency)}f} {currency}"


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Where the buyer's money goes."""

    currency: str
    price: Decimal
    sales_tax: Decimal
    payment: Decimal
    fee: Decimal
    payout: Decimal


def break_down(price: Decimal, currency: str) -> Breakdown:
    """Split a sale into tax, fees and payout, in the proportions of a captured notification."""
    tax = round_to(price * SALES_TAX_PERCENT / 100, currency)
    payment = price + tax
    fee = round_to(payment * _FEE_SHARE, currency)
    # Two equal fees: the provider's own and the payment method's.
    return Breakdown(currency, price, tax, payment, fee, price - fee - fee)


def _json_number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("must be a number")  # noqa: TRY004, pydantic reports only these
    return Decimal(value)


Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Amount = Annotated[Decimal, BeforeValidator(_json_number), Field(gt=0, max_digits=18)]
