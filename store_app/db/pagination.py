"""Keyset pages: a cursor names the last row seen, so that new rows never shift the next page."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

from store_app.errors import Invalid

Row = TypeVar("Row")
MAX_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Cursor:
    """The sort it belongs to, and the sort key of the last row seen."""

    parts: tuple[Any, ...]

    @classmethod
    def make(cls, sort: str, *key: Any) -> str:
        """Return the cursor text for a row; opaque to callers."""
        return base64.urlsafe_b64encode(json.dumps([sort, *key]).encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str, sort: str) -> Self:
        """Read a cursor that `make` wrote for the same sort.

        Raises:
            Invalid: it was tampered with or belongs to another list.
        """
        try:
            padded = text.encode("ascii") + b"=" * (-len(text) % 4)
            parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (UnicodeError, ValueError, binascii.Error, RecursionError):
            parts = None
        if not isinstance(parts, list) or not parts or parts[0] != sort:
            raise _not_ours()
        return cls(tuple(parts[1:]))

    def values(self, *types: type) -> tuple[Any, ...]:
        """Return the key, whose parts must be of these types."""
        if len(self.parts) != len(types):
            raise _not_ours()
        if not all(_fits(part, wanted) for part, wanted in zip(self.parts, types, strict=True)):
            raise _not_ours()
        return self.parts


def _fits(part: Any, wanted: type) -> bool:
    # A bool is an int to Python, but not to us.
    if wanted is int:
        return type(part) is int and 0 <= part <= MAX_ID
    return isinstance(part, str) and part.isprintable()


def _not_ours() -> Invalid:
    return Invalid("cursor", "The cursor is not one this list gave out. Start again without it.")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows, and the cursor of the next page (empty at the end)."""

    rows: list[Row]
    next_cursor: str

    @classmethod
    def cut(cls, rows: Sequence[Row], limit: int, cursor_of: Callable[[Row], str]) -> Self:
        """Make a page from `limit + 1` rows: the one too many says that there is more."""
        shown = list(rows[:limit])
        return cls(shown, cursor_of(shown[-1]) if len(rows) > limit else "")
