"""The addresses of the pages, and functions that return those with parameters."""

from urllib.parse import quote, urlencode, urlsplit

from store_app import languages

STORE = "/"
ITEM = "/item/[sku]"
CART = "/cart"
ORDER = "/orders/[order_id]"
LIBRARY = "/library"
LOGIN = "/login"
REGISTER = "/register"
ACCOUNT = "/account"
# Not a page: followed by the code of a language, it redirects to the same page in that language.
LANGUAGE = "/language/"
# The addresses to which browsers post forms.
BUY = "/buy"
ADD_TO_CART, REMOVE_FROM_CART, SET_QUANTITY = "/cart/add", "/cart/remove", "/cart/quantity"
SIGN_IN, SIGN_UP = "/auth/login", "/auth/register"
SIGN_OUT, SIGN_OUT_EVERYWHERE = "/auth/logout", "/auth/logout-everywhere"
PAY = "/orders/[order_id]/pay"
FORMS = (
    *(BUY, ADD_TO_CART, REMOVE_FROM_CART, SET_QUANTITY, PAY),
    *(SIGN_IN, SIGN_UP, SIGN_OUT, SIGN_OUT_EVERYWHERE),
)


def localized(path: str) -> str:
    """Return the address of a page in the current language: "/cart" -> "/de/cart"."""
    return in_language(path, languages.current())


def in_language(path: str, language: str) -> str:
    """Return the address of a page in a language."""
    if language == languages.ENGLISH:
        return path
    # The store page has no slash at its end.
    return f"/{language}{path.removeprefix('/') if path == STORE or path.startswith('/?') else path}"


def split(path: str) -> tuple[str, str]:
    """Return the language of an address, and the address without it: "/de/cart" -> ("de", "/cart")."""
    first, _slash, rest = path.removeprefix("/").partition("/")
    if first in languages.known() and first != languages.ENGLISH:
        return first, f"/{rest}"
    return languages.ENGLISH, path


def item(sku: str) -> str:
    """Return the address of an item's page."""
    return localized(f"/item/{quote(sku, safe='')}")


def cover_address(sku: str) -> str:
    """Return the address of an item's cover, whatever its file is."""
    return f"/api/items/{quote(sku, safe='')}/cover.svg"


def order(order_id: str) -> str:
    """Return the address of an order's page."""
    return localized(f"/orders/{quote(order_id, safe='')}")


def to_pay(order_id: str, payment_url: str) -> str:
    """Return where a user goes who has placed an order: to the payment page; to the order if nothing is to pay."""
    return payment_url or order(order_id)


def login(next_path: str, *, buy: str = "") -> str:
    """Return the address of the sign-in page, from which the user returns to `next_path`.

    `buy` is the SKU of an item that the user was about to buy; it is bought after signing in.
    """
    query = {"next": own_path(next_path), "buy": buy}
    given = {name: value for name, value in query.items() if value}
    return f"{localized(LOGIN)}?{urlencode(given, errors='replace')}"


def own_path(path: str) -> str:
    """Return `path` if it is a path on this site, else that of the store page: no open redirects (ASVS 3.7.2)."""
    try:
        parts = urlsplit(path)
    except ValueError:
        return localized(STORE)
    # Browsers treat a backslash as a slash, and remove tabs and line breaks before they parse the address.
    ambiguous = any(character in path for character in "\\\t\r\n") or not path.isprintable()
    if parts.scheme or parts.netloc or ambiguous or not path.startswith("/") or path.startswith("//"):
        return localized(STORE)
    return path


def own_path_here(path: str) -> str:
    """Return what `own_path` does, in the current language."""
    address, mark, query = own_path(path).partition("?")
    _language, rest = split(address)
    # "/de//elsewhere.example" is on this site, and the rest of it is not.
    return localized(f"{rest if own_path(rest) == rest else STORE}{mark}{query}")
