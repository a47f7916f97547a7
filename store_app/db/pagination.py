"""Keyset pages: a cursor names the last row seen, so that new rows never shift the next page."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

from store_app.errors import Invalid
from store_app.languages import gettext as _
from store_app.models.base import is_plain

Row = TypeVar("Row")
MAX_ID = 2**63 - 1
# Enough for a name of 200 characters of four bytes each, and an id.
MAX_CURSOR_LENGTH = 1_200


def make_cursor(sort: str, *key: Any) -> str:
    """Return the cursor of a row with this sort key; opaque to callers, and valid only for the same sort."""
    return base64.urlsafe_b64encode(json.dumps([sort, *key], ensure_ascii=False).encode()).decode().rstrip("=")


def read_cursor(text: str, sort: str, *types: type) -> tuple[Any, ...]:
    """Return the sort key of a cursor that `make_cursor` wrote for the same sort; its parts are of these types.

    Raises:
        Invalid: the text was tampered with, or belongs to another list or sort.
    """
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeError, ValueError, binascii.Error, RecursionError):
        parts = None
    of_this_list = isinstance(parts, list) and len(parts) == len(types) + 1 and parts[0] == sort
    if not (of_this_list and all(map(_fits, parts[1:], types))):
        raise Invalid("cursor", _("The cursor is not one this list gave out. Start again without it."))
    return tuple(parts[1:])


def _fits(part: Any, wanted: type) -> bool:
    # bool is a subclass of int, but not a valid key.
    if wanted is int:
        return type(part) is int and 0 <= part <= MAX_ID
    return isinstance(part, str) and is_plain(part)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows, and the cursor of the next page (empty at the end)."""

    rows: list[Row]
    next_cursor: str

    @classmethod
    def cut(cls, rows: Sequence[Row], limit: int, cursor_of: Callable[[Row], str]) -> Self:
        """Make a page from up to `limit + 1` rows: the extra row shows that there is a next page."""
        shown = list(rows[:limit])
        return cls(shown, cursor_of(shown[-1]) if len(rows) > limit else "")
