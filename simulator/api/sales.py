"""From a token request to a sale: what the token calls accept, prices, currency and the buyer's country."""

from http import HTTPStatus
from ipaddress import ip_address
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from simulator.amounts import Amount, Currency
from simulator.api.requests import StoreApiError
from simulator.catalogue import Catalogue, CatalogueUnreadable, Product
from simulator.records import Buyer, Line, Mint, Sale
from simulator.settings import is_web_address


def _web_address(value: str) -> str:
    if not is_web_address(value):
        raise ValueError("must be an absolute http or https address")
    return value


def _without_nulls(values: dict[str, Any]) -> dict[str, Any]:
    if any(value is None for value in values.values()):
        raise ValueError("values must be strings, numbers, booleans, arrays or objects")
    return values


ReturnUrl = Annotated[str, Field(max_length=1000), AfterValidator(_web_address)]
ExternalId = Annotated[str, Field(min_length=1, max_length=255)]
CustomParameters = Annotated[dict[str, Any], Field(min_length=1, max_length=200), AfterValidator(_without_nulls)]


class _Closed(BaseModel):
    """A part in which an unknown key is an error."""

    model_config = ConfigDict(strict=True, extra="forbid")


class _Open(BaseModel):
    """A part in which unknown keys are let through."""

    model_config = ConfigDict(strict=True, extra="ignore")


class Id(_Open):
    """The buyer's id with the store."""

    value: str = Field(min_length=1, max_length=255)


class Name(_Open):
    """The buyer's name."""

    value: str


class Email(_Open):
    """The buyer's address."""

    value: str = Field(min_length=3, max_length=255, pattern=r"^[^@\s]+@[^@\s]+$")


class Country(_Open):
    """Two letters; it decides currency and tax."""

    value: str = Field(pattern=r"^[A-Z]{2}$")
    allow_modify: bool = False


class MerchantUser(_Open):
    """The buyer, in a merchant token."""

    id: Id
    name: Name | None = None
    email: Email | None = None
    country: Country | None = None


class User(MerchantUser):
    """The buyer, in a store token."""

    model_config = ConfigDict(extra="forbid")


class CartItem(_Open):
    """A SKU; the price is the catalogue's and is never sent."""

    sku: str = Field(min_length=1, max_length=255)
    quantity: int = Field(default=1, ge=1, le=1_000_000)


class Cart(_Closed):
    """What is bought."""

    items: list[CartItem] = Field(min_length=1)


class StoreSettings(_Closed):
    """How the payment page behaves, in a store token."""

    language: str | None = None
    currency: Currency | None = None
    external_id: ExternalId | None = None
    return_url: ReturnUrl | None = None
    payment_method: int | None = None
    redirect_policy: dict[str, Any] | None = None
    ui: dict[str, Any] | None = None


class StoreToken(_Closed):
    """Body of the store token call."""

    sandbox: bool = False
    user: User
    purchase: Cart
    settings: StoreSettings = StoreSettings()
    custom_parameters: CustomParameters | None = None


class Checkout(_Open):
    """An amount instead of items."""

    amount: Amount
    currency: Currency


class Description(_Open):
    """What the amount is for, in words."""

    value: str


class MerchantPurchase(_Open):
    """What is bought, in a merchant token."""

    checkout: Checkout
    description: Description | None = None


class MerchantSettings(_Open):
    """How the payment page behaves, in a merchant token."""

    project_id: int
    currency: Currency | None = None
    external_id: ExternalId | None = None
    return_url: ReturnUrl | None = None
    mode: str | None = None


class MerchantToken(_Open):
    """Body of the merchant token call."""

    user: MerchantUser
    settings: MerchantSettings
    purchase: MerchantPurchase
    custom_parameters: CustomParameters | None = None


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
