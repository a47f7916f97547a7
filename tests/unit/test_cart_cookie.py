"""The cookie with the guest cart: what is written is read again, and no text from a client breaks the reading."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store_app.checkout.service import MAX_ORDER_LINES, MAX_QUANTITY
from store_app.errors import Invalid
from store_app.settings import Settings
from store_app.web.http import cookies
from store_app.web.http.cart_cookie import cookie_name, guest_cart_of, guest_cart_of_header, value_of

SKUS = st.text(min_size=1, max_size=64).filter(str.isprintable)
LINES = st.dictionaries(SKUS, st.integers(1, MAX_QUANTITY), min_size=1, max_size=4)


@pytest.fixture(scope="module", autouse=True, params=["http://localhost:8000", "https://shop.example"])
def _store(request: pytest.FixtureRequest) -> Iterator[None]:
    settings = Settings(public_url=request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cookies, "get_settings", lambda: settings)
        yield


@given(LINES)
def test_what_is_written_is_read_again_in_the_same_order(lines: dict[str, int]) -> None:
    value = value_of(lines)
    assert list(guest_cart_of_header(f"language=de; {cookie_name()}={value}").items()) == list(lines.items())
    # Characters that need no quotes in a cookie (RFC 6265, 4.1.1).
    assert re.fullmatch(r"[\w!#$%&'*+.:^`|~-]*", value, re.ASCII)


@given(st.text() | st.text(alphabet='ab:&%0123456789=;\\" '))
def test_any_text_gives_lines_of_the_right_form(text: str) -> None:
    for lines in (
        guest_cart_of({cookie_name(): text}),
        guest_cart_of_header(f"{cookie_name()}={text}"),
        guest_cart_of_header(text),
    ):
        assert len(lines) <= MAX_ORDER_LINES
        assert all(0 < len(sku) <= 64 and sku.isprintable() for sku in lines)
        assert all(type(quantity) is int and 1 <= quantity <= MAX_QUANTITY for quantity in lines.values())


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "a:", ":1", ":", "&", "a:0", "a:-1", "a:+1", "a:1.0", "a:1e2", "a: 1", "a:1_0", "a:101"),
        *("a:\u0661", "a:\u00b2", "a:1" + "0" * 4_000, "a:NaN", "a%00:1", "%0a:1", "%e2%80%ae:1", "x" * 65 + ":1"),
        "a:1&" * 2_000,
    ],
    ids=lambda text: ascii(text)[:20],
)
def test_what_is_not_a_line_is_left_out(text: str) -> None:
    assert guest_cart_of({cookie_name(): text}) == {}


def test_bad_lines_leave_the_good_ones() -> None:
    assert guest_cart_of({cookie_name(): "sword:1&x&potion:3&sword:7&hat:0&a%3Ab:2"}) == {
        "sword": 1,
        "potion": 3,
        "a:b": 2,
    }


def test_more_lines_than_an_order_may_have_are_left_out() -> None:
    text = "&".join(f"item-{number}:1" for number in range(MAX_ORDER_LINES + 9))
    assert list(guest_cart_of({cookie_name(): text})) == [f"item-{number}" for number in range(MAX_ORDER_LINES)]


def test_a_cart_that_fits_into_no_cookie_is_refused() -> None:
    long = {f"{number:064}": MAX_QUANTITY for number in range(MAX_ORDER_LINES)}
    assert guest_cart_of({cookie_name(): value_of(long)}) == long
    unusual = {chr(0x1F600 + number) * 64: 1 for number in range(MAX_ORDER_LINES)}
    with pytest.raises(Invalid, match="full"):
        value_of(unusual)
