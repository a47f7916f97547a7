"""The addresses of the pages, and functions that return those with parameters."""

from urllib.parse import quote, urlencode, urlsplit

STORE = "/"
ITEM = "/item/[sku]"
CART = "/cart"
ORDER = "/orders/[order_id]"
LIBRARY = "/library"
LOGIN = "/login"
REGISTER = "/register"
ACCOUNT = "/account"


def item(sku: str) -> str:
    """Return the address of an item's page."""
    return f"/item/{quote(sku, safe='')}"


def order(order_id: str) -> str:
    """Return the address of an order's page."""
    return f"/orders/{quote(order_id, safe='')}"


def login(next_path: str = STORE) -> str:
    """Return the address of the sign-in page, from which the user returns to `next_path`."""
    return f"{LOGIN}?{urlencode({'next': own_path(next_path)})}"


def own_path(path: str) -> str:
    """Return `path` if it is a path on this site, else that of the store page: no open redirects (ASVS 3.7.2)."""
    try:
        parts = urlsplit(path)
    except ValueError:
        return STORE
    # Browsers treat a backslash as a slash, and remove tabs and line breaks before they parse the address.
    ambiguous = any(character in path for character in "\\\t\r\n") or not path.isprintable()
    if parts.scheme or parts.netloc or ambiguous or not path.startswith("/") or path.startswith("//"):
        return STORE
    return path
