"""How many items a list begins with, for a visitor who comes back to it: any client can send anything."""

import pytest

from store_app.web.catalogue.state import _as_many_as


@pytest.mark.parametrize(
    ("shown", "number"),
    [
        *(("", 24), ("0", 24), ("24", 24), ("48", 48), ("480", 480), ("481", 480), ("9999", 480)),
        *((text, 24) for text in ("-48", "+48", "4e1", "\u0664\u0668", "48 ", "x", "9" * 5_000)),
    ],
    ids=lambda value: ascii(value)[:10],
)
def test_a_list_begins_with_one_page_to_twenty(shown: str, number: int) -> None:
    assert _as_many_as(shown) == number
