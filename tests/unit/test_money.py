"""Amounts: conversions are exact in both directions, and invalid amounts are refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store_app import languages, money

PLACES = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3}
currencies = st.sampled_from(sorted(PLACES))


@pytest.mark.parametrize(("currency", "places"), PLACES.items())
def test_a_currency_has_its_number_of_decimals(currency: str, places: int) -> None:
    assert money.minor_units(currency) == places


@given(st.integers(-(10**15) + 1, 10**15 - 1), currencies)
def test_every_amount_survives_conversion_to_major_units_and_back(amount: int, currency: str) -> None:
    major = money.to_major(amount, currency)
    assert money.to_minor(major, currency) == amount
    assert money.to_minor(str(major), currency) == amount


@given(st.integers(0, 10**13), currencies)
def test_an_amount_that_was_a_json_number_is_still_exact(amount: int, currency: str) -> None:
    assert money.to_minor(float(money.to_major(amount, currency)), currency) == amount


@pytest.mark.parametrize(
    "text", ["9.99", "9.9900", 9.99, Decimal("9.99"), "999e-2", "9.990000000000000000000000000"]
)
def test_an_amount_can_be_written_in_several_ways(text: str | float | Decimal) -> None:
    assert money.to_minor(text, "USD") == 999


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing",
        "null",
        "NaN",
        "sNaN",
        "Infinity",
        "-Infinity",
        float("nan"),
        float("inf"),
        1e400,
        "1e400",
        "1e999999999999999999",
        "1e-999999999999999999",
        "1e15",
        10**30,
        "9" * 4_000,
        "9.999",
        "0.001",
        "1e-400",
        # More digits than a Decimal computes with by default: rounding must not hide the last one.
        "9.9900000000000000000000000000000000000001",
    ],
)
def test_an_invalid_amount_is_refused(text: str | float) -> None:
    with pytest.raises(ValueError, match="not an amount in USD"):
        money.to_minor(text, "USD")


@given(st.text(max_size=60) | st.floats() | st.integers(), currencies)
def test_any_value_is_converted_to_an_integer_or_refused(text: str | float, currency: str) -> None:
    try:
        amount = money.to_minor(text, currency)
    except ValueError:
        return
    assert isinstance(amount, int)
    assert abs(amount) < 10**15


def test_a_currency_without_decimals_refuses_them() -> None:
    assert money.to_minor("500", "JPY") == 500
    with pytest.raises(ValueError, match="JPY"):
        money.to_minor("500.5", "JPY")


@pytest.mark.parametrize(
    ("amount", "currency", "language", "text"),
    [
        (99999, "USD", "en", "$999.99"),
        (99999, "USD", "de", "999,99\u00a0$"),
        (1250, "KWD", "en", "KWD\u00a01.250"),
        (500, "CHF", "en", "CHF\u00a05.00"),
        (1500, "JPY", "en", "\u00a51,500"),
        (1500, "CAD", "en", "CA$15.00"),
    ],
)
def test_amounts_are_written_as_in_the_language(amount: int, currency: str, language: str, text: str) -> None:
    with languages.override(language):
        assert money.display(amount, currency) == text
