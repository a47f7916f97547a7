"""The cookie with the guest cart: SKU -> quantity.

Any client can send anything in it. Here only its form is checked; `store_app.checkout.cart` leaves out what is not
on sale.
"""

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import quote, unquote

from starlette.requests import cookie_parser
from starlette.responses import Response

from store_app.checkout.service import MAX_ORDER_LINES, MAX_QUANTITY
from store_app.errors import Invalid
from store_app.languages import gettext as _
from store_app.web.http import cookies

LIFETIME = timedelta(days=30)
_MAX_SKU = 64
# Browsers refuse a cookie of more than 4,096 bytes, with its name and attributes.
_MAX_LENGTH = 3_800


def cookie_name() -> str:
    """Return the name of the cookie."""
    return cookies.host_name("cart")


def guest_cart_of(sent: Mapping[str, str]) -> dict[str, int]:
    """Return the guest cart from the cookies that a client sent, without malformed lines."""
    text = sent.get(cookie_name(), "")
    if len(text) > _MAX_LENGTH:
        return {}
    lines: dict[str, int] = {}
    for part in text.split("&")[:MAX_ORDER_LINES]:
        quoted, _colon, number = part.rpartition(":")
        sku, quantity = unquote(quoted), _quantity(number)
        if quantity and 0 < len(sku) <= _MAX_SKU and sku.isprintable():
            lines.setdefault(sku, quantity)
    return lines


def guest_cart_of_header(header: str) -> dict[str, int]:
    """Return the guest cart from a Cookie header."""
    return guest_cart_of(cookie_parser(header))


def _quantity(text: str) -> int:
    """Return a quantity; 0 if the text is none."""
    # Not `int` alone, which takes "+1", " 1", "1_0", digits of all alphabets, and any length.
    if len(text) > len(str(MAX_QUANTITY)) or not (text.isascii() and text.isdecimal()):
        return 0
    return int(text) if int(text) <= MAX_QUANTITY else 0


def value_of(lines: Mapping[str, int]) -> str:
    """Return the value of the cookie for a guest cart.

    Raises:
        Invalid: it does not fit into a cookie.
    """
    value = "&".join(f"{quote(sku, safe='')}:{quantity}" for sku, quantity in lines.items())
    if len(value) > _MAX_LENGTH:
        raise Invalid("cart", _("The cart is full. Sign in to add more."))
    return value


def set_cart_cookie(response: Response, lines: Mapping[str, int]) -> None:
    """Set the cookie to a guest cart; delete it if the cart is empty.

    Raises:
        Invalid: see `value_of`.
    """
    if not lines:
        clear_cart_cookie(response)
        return
    cookies.set_cookie(response, cookie_name(), value_of(lines), LIFETIME)


def clear_cart_cookie(response: Response) -> None:
    """Delete the cookie."""
    cookies.delete_cookie(response, cookie_name())
