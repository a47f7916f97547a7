"""Token requests: their bodies, and the sale that they describe."""

from decimal import Decimal
from http import HTTPStatus
from ipaddress import ip_address
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from simulator.amounts import Amount, Currency
from simulator.api.requests import StoreApiError
from simulator.catalogue import PricedItem, PriceList, PricesUnavailable
from simulator.records import Line, Sale, TokenType, User
from simulator.settings import is_web_address

# Error codes of the store API.
_INVALID_REQUEST = 1102
_INVALID_CART = 1401
_INVALID_CART_ITEMS = 1417
_FREE_ITEM = 1421

_DEFAULT_COUNTRY = "US"


def _require_web_address(value: str) -> str:
    if not is_web_address(value):
        raise ValueError("must be an absolute http or https address")
    return value


def _refuse_nulls(values: dict[str, Any]) -> dict[str, Any]:
    if any(value is None for value in values.values()):
        raise ValueError("values must be strings, numbers, booleans, arrays or objects")
    return values


ReturnUrl = Annotated[str, Field(max_length=1000), AfterValidator(_require_web_address)]
ExternalId = Annotated[str, Field(min_length=1, max_length=255)]
CustomParameters = Annotated[dict[str, Any], Field(min_length=1, max_length=200), AfterValidator(_refuse_nulls)]


class _ForbidsUnknown(BaseModel):
    """A part of a body in which an unknown field is an error."""

    model_config = ConfigDict(strict=True, extra="forbid")


class _IgnoresUnknown(BaseModel):
    """A part of a body in which unknown fields are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore")


class UserId(_IgnoresUnknown):
    """The user's id at the store."""

    value: str = Field(min_length=1, max_length=255)


class UserName(_IgnoresUnknown):
    """The user's name."""

    value: str


class Email(_IgnoresUnknown):
    """The user's e-mail address."""

    value: str = Field(min_length=3, max_length=255, pattern=r"^[^@\s]+@[^@\s]+$")


class Country(_IgnoresUnknown):
    """The user's country as two letters; at the provider it determines currency and tax."""

    value: str = Field(pattern=r"^[A-Z]{2}$")
    allow_modify: bool = False


class MerchantTokenUser(_IgnoresUnknown):
    """The user of a merchant token."""

    id: UserId
    name: UserName | None = None
    email: Email | None = None
    country: Country | None = None


class StoreTokenUser(MerchantTokenUser):
    """The user of a store token."""

    model_config = ConfigDict(extra="forbid")


class CartItem(_IgnoresUnknown):
    """An item by its SKU; its price comes from the catalogue, never from the request."""

    sku: str = Field(min_length=1, max_length=255)
    quantity: int = Field(default=1, ge=1, le=1_000_000)


class Cart(_ForbidsUnknown):
    """The items of a store token."""

    items: list[CartItem] = Field(min_length=1)


class StoreTokenSettings(_ForbidsUnknown):
    """The settings of the payment page of a store token."""

    language: str | None = None
    currency: Currency | None = None
    external_id: ExternalId | None = None
    return_url: ReturnUrl | None = None
    payment_method: int | None = None
    redirect_policy: dict[str, Any] | None = None
    ui: dict[str, Any] | None = None


class StoreTokenRequest(_ForbidsUnknown):
    """The body of the request for a store token."""

    sandbox: bool = False
    user: StoreTokenUser
    purchase: Cart
    settings: StoreTokenSettings = StoreTokenSettings()
    custom_parameters: CustomParameters | None = None


class Checkout(_IgnoresUnknown):
    """The amount of a merchant token."""

    amount: Amount
    currency: Currency


class Description(_IgnoresUnknown):
    """The text that describes what the amount is for."""

    value: str


class MerchantPurchase(_IgnoresUnknown):
    """What is sold with a merchant token: an amount and a text instead of items."""

    checkout: Checkout
    description: Description | None = None


class MerchantTokenSettings(_IgnoresUnknown):
    """The settings of the payment page of a merchant token."""

    project_id: int
    currency: Currency | None = None
    external_id: ExternalId | None = None
    return_url: ReturnUrl | None = None
    mode: str | None = None


class MerchantTokenRequest(_IgnoresUnknown):
    """The body of the request for a merchant token."""

    user: MerchantTokenUser
    settings: MerchantTokenSettings
    purchase: MerchantPurchase
    custom_parameters: CustomParameters | None = None


async def sale_of_items(body: StoreTokenRequest, price_list: PriceList, user_ip: str | None) -> Sale:
    """Return the sale of a cart with the prices of the price list; raise the store API's errors."""
    user = _user(body.user, _require_location(body.user, user_ip))
    items = await _find_items(body.purchase, price_list)
    currency = _common_currency(items, body.settings)
    lines = tuple(_line(items[item.sku], item, currency) for item in body.purchase.items)
    return Sale(
        token_type=TokenType.STORE,
        user=user,
        lines=lines,
        currency=currency,
        total=sum((line.amount for line in lines), start=Decimal(0)),
        sandbox=body.sandbox,
        external_id=body.settings.external_id,
        return_url=body.settings.return_url,
        custom_parameters=body.custom_parameters,
    )


def sale_of_amount(body: MerchantTokenRequest, user_ip: str | None) -> Sale:
    """Return the sale of an amount with a text."""
    checkout = body.purchase.checkout
    text = body.purchase.description.value if body.purchase.description else "Payment"
    return Sale(
        token_type=TokenType.MERCHANT,
        user=_user(body.user, _valid_ip(user_ip)),
        lines=(Line("", text, 1, checkout.amount),),
        currency=checkout.currency,
        total=checkout.amount,
        sandbox=body.settings.mode == "sandbox",
        external_id=body.settings.external_id,
        return_url=body.settings.return_url,
        custom_parameters=body.custom_parameters,
    )


def invalid_request(message: str, *, cart_is_empty: bool = False) -> StoreApiError:
    """Return the store API's error for an invalid body; an empty cart has its own code."""
    if cart_is_empty:
        return _error(_INVALID_CART_ITEMS, "Cart is empty")
    return _error(_INVALID_REQUEST, f"Unable to validate request: {message}")


def _require_location(user: StoreTokenUser, user_ip: str | None) -> str | None:
    """Return the user's IP address; without a valid one, the request must contain the country."""
    valid = _valid_ip(user_ip)
    if valid is None and user.country is None:
        raise _error(_INVALID_REQUEST, "Either user.country.value or the header X-User-Ip must be sent")
    return valid


def _valid_ip(value: str | None) -> str | None:
    try:
        return str(ip_address(value or ""))
    except ValueError:
        return None


def _user(user: MerchantTokenUser, user_ip: str | None) -> User:
    return User(
        id=user.id.value,
        email=user.email.value if user.email else "buyer@example.com",
        # The provider looks the country up by the IP address. Here, all addresses are in one country.
        country=user.country.value if user.country else _DEFAULT_COUNTRY,
        ip=user_ip or "127.0.0.1",
        name=user.name.value if user.name else None,
    )


async def _find_items(cart: Cart, price_list: PriceList) -> dict[str, PricedItem]:
    skus = {item.sku for item in cart.items}
    try:
        items = await price_list.find(skus)
    except PricesUnavailable as error:
        raise StoreApiError(HTTPStatus.SERVICE_UNAVAILABLE, 0, str(error)) from None
    if unknown := sorted(skus - items.keys()):
        raise _error(_INVALID_CART_ITEMS, f"Unknown SKU in the cart: {', '.join(unknown)}")
    if free := sorted(sku for sku in skus if items[sku].is_free):
        raise _error(_FREE_ITEM, f"Item is free: {', '.join(free)}")
    return items


def _common_currency(items: dict[str, PricedItem], settings: StoreTokenSettings) -> str:
    currency = settings.currency or next(iter(items.values())).currency
    if not all(currency in item.prices for item in items.values()):
        wanted = settings.currency or "one currency"
        raise _error(_INVALID_CART, f"Cart is invalid: not every item has a price in {wanted}")
    return currency


def _line(priced: PricedItem, item: CartItem, currency: str) -> Line:
    return Line(priced.sku, priced.name, item.quantity, priced.prices[currency])


def _error(code: int, message: str) -> StoreApiError:
    return StoreApiError(HTTPStatus.UNPROCESSABLE_ENTITY, code, message)
