"""Amounts: integers in a currency's minor unit, never floats."""

import re
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow

from babel.numbers import format_currency, get_currency_precision
from babel.numbers import is_currency as is_known_currency

from store_app import languages

# Where a currency has no sign of its own, as in "CHF 5.00": Babel leaves out the space of Unicode's TR 35.
_LETTER_BEFORE_DIGIT = re.compile(r"(?<=[^\W\d_])(?=\d)")
# Raises where Decimal's default context would round, which would hide digits finer than the minor unit.
_EXACT = Context(prec=100, traps=[Inexact, InvalidOperation, Overflow])


def minor_units(currency: str) -> int:
    """Return how many decimal places `currency` has (USD 2, JPY 0; ISO 4217)."""
    return get_currency_precision(currency)


def to_major(amount: int, currency: str) -> Decimal:
    """Return minor units as a decimal number: 99999, "USD" -> Decimal("999.99")."""
    return Decimal(amount).scaleb(-minor_units(currency))


def to_minor(amount: str | int | float | Decimal, currency: str) -> int:
    """Return a decimal amount, as a provider or client writes it, in minor units.

    Raises:
        ValueError: not a finite number, or finer than the currency's minor unit.
    """
    try:
        minor = Decimal(str(amount)).scaleb(minor_units(currency), _EXACT)
        whole = int(minor) if minor.is_finite() and abs(minor) < 10**15 else None
    except (DecimalException, ValueError):
        whole = None
    if whole is None or minor != whole:
        raise ValueError(f"not an amount in {currency}")
    return whole


def display(amount: int, currency: str) -> str:
    """Return an amount as people read it in the current language: 99999, "USD" -> "$999.99"."""
    text = format_currency(to_major(amount, currency), currency, locale=languages.locale())
    return _LETTER_BEFORE_DIGIT.sub("\u00a0", text)


def decimal_text(amount: int, currency: str) -> str:
    """Return an amount without its currency, with all its decimal places: 99990, "USD" -> "999.90"."""
    return f"{to_major(amount, currency):.{minor_units(currency)}f}"


def is_currency(code: str) -> bool:
    """Return whether `code` is an ISO 4217 code: "USD"."""
    return is_known_currency(code, "en")
