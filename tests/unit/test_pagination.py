"""Cursors: those that the store made are accepted, all others are refused with an explanation."""

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store_app.db.pagination import MAX_CURSOR_LENGTH, MAX_ID, Page, make_cursor, read_cursor
from store_app.errors import Invalid

sorts = st.sampled_from(["featured", "price", "-price", "name"])
names = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=200)


def _encode(data: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")


@given(sorts, st.integers(0, MAX_ID), names)
def test_a_cursor_is_parsed_to_the_values_it_was_made_of(sort: str, row_id: int, name: str) -> None:
    cursor = make_cursor(sort, name, row_id)
    assert len(cursor) <= MAX_CURSOR_LENGTH
    assert read_cursor(cursor, sort, str, int) == (name, row_id)


@given(st.text(max_size=80))
def test_no_text_raises_anything_but_a_refusal(text: str) -> None:
    with suppress(Invalid):
        read_cursor(text, "price", int, int)


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "====",
        "é",
        "\ud800",
        _encode([]),
        _encode({}),
        _encode("price"),
        _encode(None),
        _encode(["name", 1, 2]),
        _encode(["price"]),
        _encode(["price", 1]),
        _encode(["price", 1, 2, 3]),
        _encode(["price", "1", 2]),
        _encode(["price", 1.0, 2]),
        _encode(["price", True, 2]),
        _encode(["price", None, 2]),
        _encode(["price", [1], 2]),
        _encode(["price", -1, 2]),
        _encode(["price", 1, MAX_ID + 1]),
        _encode(["price", 1, 10**4_200]),
        base64.urlsafe_b64encode(b"[" * 50_000).decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        make_cursor("price", 1, 2)[:-2],
    ],
    ids=lambda text: ascii(text[:30]),
)
def test_a_cursor_that_was_tampered_with_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="Start again without it"):
        read_cursor(text, "price", int, int)


@pytest.mark.parametrize("name", ["a\x00b", "a\nb", "\ud800"])
def test_a_cursor_with_text_that_no_name_holds_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        read_cursor(_encode(["name", name, 1]), "name", str, int)


@given(st.lists(st.integers(), max_size=12), st.integers(1, 12))
def test_a_page_has_a_cursor_only_when_more_rows_follow(rows: list[int], limit: int) -> None:
    page = Page.cut(rows[: limit + 1], limit, str)
    assert page.rows == rows[:limit]
    assert page.next_cursor == (str(rows[limit - 1]) if len(rows) > limit else "")
