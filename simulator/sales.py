"""From a token request to a sale: prices, currency and the buyer's country."""

from http import HTTPStatus
from ipaddress import ip_address

from simulator.catalogue import Catalogue, CatalogueUnreadable
from simulator.errors import StoreApiError
from simulator.products import Product
from simulator.records import Buyer, Line, Mint, Sale
from simulator.token_bodies import Cart, CartItem, MerchantToken, MerchantUser, StoreSettings, StoreToken, User

_BAD_REQUEST = 1102
_INVALID_CART = 1401
_BAD_CART_ITEMS = 1417
_FREE_ITEM = 1421

_HOME = "US"


async def sale_of_items(body: StoreToken, catalogue: Catalogue, user_ip: str | None) -> Sale:
    """Price a cart from the catalogue; raises StoreApiError as the store API would answer."""
    buyer = _buyer(body.user, _known_place(body.user, user_ip))
    products = await _products(body.purchase, catalogue)
    currency = _common_currency(products, body.settings)
    lines = tuple(_line(products[item.sku], item, currency) for item in body.purchase.items)
    return Sale(
        mint=Mint.STORE,
        buyer=buyer,
        lines=lines,
        currency=currency,
        total=sum((line.amount for line in lines), start=lines[0].amount * 0),
        sandbox=body.sandbox,
        external_id=body.settings.external_id,
        return_url=body.settings.return_url,
        custom_parameters=body.custom_parameters,
    )


def sale_of_amount(body: MerchantToken, user_ip: str | None) -> Sale:
    """Make a sale of an amount with a text."""
    checkout = body.purchase.checkout
    text = body.purchase.description.value if body.purchase.description else "Payment"
    return Sale(
        mint=Mint.MERCHANT,
        buyer=_buyer(body.user, _valid_ip(user_ip)),
        lines=(Line("", text, 1, checkout.amount),),
        currency=checkout.currency,
        total=checkout.amount,
        sandbox=body.settings.mode == "sandbox",
        external_id=body.settings.external_id,
        return_url=body.settings.return_url,
        custom_parameters=body.custom_parameters,
    )


def _known_place(user: User, user_ip: str | None) -> str | None:
    """Give the buyer's address; without it the country must have been sent."""
    valid = _valid_ip(user_ip)
    if valid is None and user.country is None:
        raise _refusal(_BAD_REQUEST, "Either user.country.value or the header X-User-Ip must be sent")
    return valid


def _valid_ip(value: str | None) -> str | None:
    try:
        return str(ip_address(value or ""))
    except ValueError:
        return None


def _buyer(user: MerchantUser, user_ip: str | None) -> Buyer:
    return Buyer(
        id=user.id.value,
        email=user.email.value if user.email else "buyer@example.com",
        # The provider looks the country up from the address; everybody lives in one here.
        country=user.country.value if user.country else _HOME,
        ip=user_ip or "127.0.0.1",
        name=user.name.value if user.name else None,
    )


async def _products(cart: Cart, catalogue: Catalogue) -> dict[str, Product]:
    wanted = {item.sku for item in cart.items}
    try:
        products = await catalogue.find(wanted)
    except CatalogueUnreadable as error:
        raise StoreApiError(HTTPStatus.SERVICE_UNAVAILABLE, 0, str(error)) from None
    if unknown := sorted(wanted - products.keys()):
        raise _refusal(_BAD_CART_ITEMS, f"Unknown SKU in the cart: {', '.join(unknown)}")
    if free := sorted(sku for sku in wanted if products[sku].is_free):
        raise _refusal(_FREE_ITEM, f"Item is free: {', '.join(free)}")
    return products


def _common_currency(products: dict[str, Product], settings: StoreSettings) -> str:
    asked = settings.currency or next(iter(products.values())).currency
    if not all(asked in product.prices for product in products.values()):
        wanted = settings.currency or "one currency"
        raise _refusal(_INVALID_CART, f"Cart is invalid: not every item has a price in {wanted}")
    return asked


def _line(product: Product, item: CartItem, currency: str) -> Line:
    return Line(product.sku, product.name, item.quantity, product.prices[currency])


def _refusal(code: int, message: str) -> StoreApiError:
    return StoreApiError(HTTPStatus.UNPROCESSABLE_ENTITY, code, message)


def refuse_body(message: str, *, empty_cart: bool) -> StoreApiError:
    """Say what the body lacks; an empty cart has a number of its own."""
    if empty_cart:
        return _refusal(_BAD_CART_ITEMS, "Cart is empty")
    return _refusal(_BAD_REQUEST, f"Unable to validate request: {message}")
