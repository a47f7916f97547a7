"""What the two token calls accept, field by field."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from simulator.addresses import is_web_address


def _web_address(value: str) -> str:
    if not is_web_address(value):
        raise ValueError("must be an absolute http or https address")
    return value


def _without_nulls(values: dict[str, Any]) -> dict[str, Any]:
    if any(value is None for value in values.values()):
        raise ValueError("values must be strings, numbers, booleans, arrays or objects")
    return values


def _json_number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("must be a number")  # noqa: TRY004, pydantic reports only these
    return Decimal(value)


Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
ReturnUrl = Annotated[str, Field(max_length=1000), AfterValidator(_web_address)]
ExternalId = Annotated[str, Field(min_length=1, max_length=255)]
CustomParameters = Annotated[dict[str, Any], Field(min_length=1, max_length=200), AfterValidator(_without_nulls)]
Amount = Annotated[Decimal, BeforeValidator(_json_number), Field(gt=0, max_digits=18)]


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
