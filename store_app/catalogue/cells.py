"""What the cells of `items.csv` may hold: each function returns the value of one, or raises `Wrong`."""

import re
import unicodedata
from collections.abc import Callable
from typing import Any

from store_app import money
from store_app.models import ItemKind

MAX_NAME, MAX_TAGLINE, MAX_DESCRIPTION = 200, 160, 20_000
MAX_TAGS, MAX_TAG = 6, 30
MAX_FACTS, MAX_LABEL, MAX_VALUE = 12, 40, 200
_SKU = re.compile("[a-z0-9][a-z0-9_-]{0,63}")
# No separators of thousands: "1,000" would be read as one.
_PRICE = re.compile(r"[0-9]+(?:[.,]([0-9]+))?")


class Wrong(Exception):
    """A cell cannot be used; each argument is a reason."""


def quoted(text: str) -> str:
    """Return a cell as messages show it: on one line, and not longer than is useful."""
    line = " ".join(text.split())
    return f'"{line[:57]}..."' if len(line) > 60 else f'"{line}"'


def parse_sku(text: str) -> str:
    """Return an SKU, as it may stand in an address and at the payment provider."""
    if not _SKU.fullmatch(text):
        raise Wrong(f"{quoted(text)} is not 1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit")
    return text


def currency_code(text: str) -> str:
    """Return the code of a currency: "usd" -> "USD"."""
    if not money.is_currency(text.upper()):
        raise Wrong(f"{quoted(text)} is not a currency; write a code such as USD")
    return text.upper()


def parse_price(text: str, currency: str) -> int:
    """Return a price in minor units: "12,50", "USD" -> 1250."""
    found = _PRICE.fullmatch(text)
    if not found:
        raise Wrong(f"{quoted(text)} is not an amount in {currency}")
    places = money.minor_units(currency)
    # Counted, because "1,000" may mean a thousand.
    if len(found[1] or "") > places:
        most = "no decimal places" if not places else f"at most {places} decimal places"
        raise Wrong(f"{quoted(text)} is not an amount in {currency}, which has {most}")
    try:
        return money.to_minor(text.replace(",", "."), currency)
    except ValueError:
        raise Wrong(f"{quoted(text)} is not an amount in {currency}") from None


def _kind(text: str) -> str:
    if text not in set(ItemKind):
        raise Wrong(f"{quoted(text)} is not one of {', '.join(ItemKind)}")
    return text


def _name(text: str) -> str:
    if not text:
        raise Wrong("is empty")
    return _one_line(text, MAX_NAME)


def _tagline(text: str) -> str:
    return _one_line(text, MAX_TAGLINE)


def _description(text: str) -> str:
    return _plain(text, MAX_DESCRIPTION, allowed="\n\t")


def _tags(text: str) -> tuple[str, ...]:
    return tuple(_one_line(tag, MAX_TAG) for tag in several(text, MAX_TAGS, "tags"))


def _facts(text: str) -> tuple[tuple[str, str], ...]:
    return tuple(_fact(part) for part in several(text, MAX_FACTS, "facts"))


def _fact(text: str) -> tuple[str, str]:
    label, _, value = (part.strip() for part in text.partition(":"))
    if not label or not value:
        raise Wrong(f'{quoted(text)} is not "Label: value"')
    return _one_line(label, MAX_LABEL), _one_line(value, MAX_VALUE)


def several(text: str, most: int, what: str) -> tuple[str, ...]:
    """Return the different texts between the bars of a cell."""
    parts = tuple(dict.fromkeys(part.strip() for part in text.split("|") if part.strip()))
    if len(parts) > most:
        raise Wrong(f"has {len(parts)} {what}; at most {most}")
    return parts


def _one_line(text: str, most: int) -> str:
    return _plain(text, most, allowed="")


def _plain(text: str, most: int, allowed: str) -> str:
    if len(text) > most:
        raise Wrong(f"{quoted(text)} has {len(text)} characters; at most {most}")
    for character in text:
        if unicodedata.category(character) == "Cc" and character not in allowed:
            name = "a line break" if character == "\n" else f"the control character U+{ord(character):04X}"
            raise Wrong(f"{quoted(text)} contains {name}")
    return text


# By column: those that are read in the same way in every row.
CELLS: dict[str, Callable[[str], Any]] = {
    "name": _name,
    "kind": _kind,
    "tagline": _tagline,
    "tags": _tags,
    "description": _description,
    "facts": _facts,
}
