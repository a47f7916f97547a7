"""Settings, read once from the environment and `.env`; every bad value is refused with one sentence."""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal, Self
from urllib.parse import urlsplit

from limits import parse_many
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MIN_PRODUCTION_SECRET_LENGTH = 16
NO_XSOLLA = "XSOLLA_WEBHOOK_SECRET is empty: copy it from Xsolla, or run `make env` to make one"


def is_this_machine(host: str) -> bool:
    """Whether the host of a URL is this machine (loopback or unspecified), in any notation."""
    name = host.rstrip(".")
    try:
        address = ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    return address.is_loopback or address.is_unspecified


@lru_cache
def parse_networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the networks of a comma-separated list; an address is a network of its own.

    Raises:
        ValueError: one of them is none; the message says which.
    """
    return tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


class BadSettings(Exception):
    """The store cannot start with these settings; the message says what to change."""


class Settings(BaseSettings):
    """Every setting of the store. Names in the environment are the field names in capitals."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    database_url: str = Field("sqlite:///data/store.db", description="The database.")
    redis_url: str = Field("", description="State and messages between workers; empty means one worker.")
    public_url: str = Field("http://localhost:8000", description="The public address of the store.")
    environment: Literal["development", "production"] = Field(
        "development", description="How strict the store is."
    )

    payment_provider: str = Field(
        "xsolla", description="The provider that opens payment pages: a name of `payments/registry.py`."
    )
    xsolla_webhook_secret: str = Field(
        "", description="Webhook secret key of the Xsolla project; several, comma-separated, while rotating."
    )
    xsolla_project_id: int = Field(0, description="Xsolla project id.")
    xsolla_merchant_id: int = Field(0, description="Xsolla merchant id.")
    xsolla_api_key: str = Field("", description="Xsolla API key.")
    xsolla_token: Literal["catalogue", "merchant"] = Field(
        "catalogue", description="Pay for SKUs of Xsolla's catalogue, or (by contract) for an amount and a text."
    )
    xsolla_sandbox: bool = Field(True, description="Sell in Xsolla's sandbox: no real money moves.")
    xsolla_store_api_url: str = Field("https://store.xsolla.com", description="Base address of the store API.")
    xsolla_merchant_api_url: str = Field("https://api.xsolla.com", description="Base address of the merchant API.")
    xsolla_paystation_url: str = Field(
        "", description="Base address of the payment page; empty means Xsolla's own, live or sandbox."
    )

    order_expires_minutes: int = Field(1440, ge=1, le=43_200, description="Minutes until an unpaid order expires.")
    trusted_proxies: str = Field("", description="Comma-separated proxies whose X-Forwarded-For is trusted.")
    max_sockets_per_address: int = Field(
        50, ge=0, description="Open websockets of one network address, in each worker; 0: no limit."
    )
    max_sockets_per_user: int = Field(
        20, ge=0, description="Open websockets of one user, in each worker; 0: no limit."
    )
    max_open_orders: int = Field(20, ge=1, description="Unpaid orders that one user may have at a time.")
    limit_sign_ins_per_name: str = Field("10/5minutes", description="Sign-ins with one name from one address.")
    limit_sign_ins_per_address: str = Field("100/5minutes", description="Sign-ins from one address.")
    limit_registrations: str = Field("30/hour", description="New accounts from one address.")
    limit_orders: str = Field("30/minute", description="Orders of one user.")
    limit_searches: str = Field("120/minute", description="Searches over the API from one address.")
    limit_sockets: str = Field("120/minute", description="New websockets from one address.")
    webhook_allowed_networks: str = Field(
        "", description="Comma-separated addresses and networks that may send deliveries; empty means all."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="The lowest level logged.")
    log_format: Literal["text", "json"] = Field(
        "text", description="Format of a record: a line of text, or a JSON object."
    )

    @field_validator("database_url")
    @classmethod
    def _name_the_driver(cls, url: str) -> str:
        # SQLAlchemy 2.1 takes a plain postgresql:// to mean psycopg 3, which is not what is installed.
        for plain in ("postgresql://", "postgres://"):
            if url.startswith(plain):
                return "postgresql+psycopg2://" + url.removeprefix(plain)
        if not url.startswith(("postgresql+psycopg2://", "sqlite:///")):
            raise ValueError("must start with sqlite:/// or postgresql://")
        return url

    @field_validator("public_url", "xsolla_store_api_url", "xsolla_merchant_api_url", "xsolla_paystation_url")
    @classmethod
    def _without_trailing_slash(cls, url: str) -> str:
        parts = urlsplit(url)
        # Reading the port raises ValueError when it is not a valid number.
        if url and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0):
            raise ValueError("must be an address such as https://shop.example")
        return url.rstrip("/")

    @field_validator(
        "limit_sign_ins_per_name",
        "limit_sign_ins_per_address",
        "limit_registrations",
        "limit_orders",
        "limit_searches",
        "limit_sockets",
    )
    @classmethod
    def _must_be_limit(cls, text: str) -> str:
        try:
            if text:
                parse_many(text)
        except ValueError:
            raise ValueError("must be a limit such as 10/minute or 10/5minutes, or empty for none") from None
        return text

    @field_validator("webhook_allowed_networks")
    @classmethod
    def _check_networks(cls, text: str) -> str:
        parse_networks(text)
        return text

    @model_validator(mode="after")
    def _refuse_unsafe_values(self) -> Self:
        if self.payment_provider == "xsolla" and not self.webhook_secrets:
            raise ValueError(NO_XSOLLA)
        if self.environment == "production":
            self._refuse_unsafe_production()
        return self

    def _refuse_unsafe_production(self) -> None:
        if any(len(secret) < MIN_PRODUCTION_SECRET_LENGTH for secret in self.webhook_secrets):
            raise ValueError("XSOLLA_WEBHOOK_SECRET must have 16 characters or more in production")
        if self.payment_provider == "xsolla":
            self._refuse_unnamed_project()
        if urlsplit(self.public_url).scheme != "https":
            raise ValueError("PUBLIC_URL must be https in production: cookies and payments travel over it")
        for name in ("xsolla_store_api_url", "xsolla_merchant_api_url", "xsolla_paystation_url"):
            self._refuse_simulated_provider(name)

    def _refuse_unnamed_project(self) -> None:
        # A forgotten line must not sell for test cards, nor accept the notifications of every project.
        if not self.xsolla_project_id:
            raise ValueError("XSOLLA_PROJECT_ID must be set in production: the id of your project at Xsolla")
        if "xsolla_sandbox" not in self.model_fields_set:
            raise ValueError(
                "XSOLLA_SANDBOX must be set in production: false to sell for real money, true for test payments"
            )

    def _refuse_simulated_provider(self, name: str) -> None:
        url = urlsplit(getattr(self, name))
        if url.hostname and (url.scheme != "https" or is_this_machine(url.hostname)):
            raise ValueError(
                f"{name.upper()} must be an https address off this machine in production: "
                "a simulator there would give everything away"
            )

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """The accepted webhook secrets, newest first."""
        return tuple(secret.strip() for secret in self.xsolla_webhook_secret.split(",") if secret.strip())

    @property
    def webhook_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks that may send deliveries; empty means all."""
        return parse_networks(self.webhook_allowed_networks)

    @property
    def secure_cookies(self) -> bool:
        """Whether cookies carry `Secure` and the `__Host-` prefix."""
        return self.public_url.startswith("https://")

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """The origins whose pages may talk to the store: its own."""
        url = urlsplit(self.public_url)
        if self.environment == "development" and is_this_machine(url.hostname or ""):
            port = f":{url.port}" if url.port else ""
            return tuple(f"{url.scheme}://{host}{port}" for host in ("localhost", "127.0.0.1", "[::1]"))
        return (f"{url.scheme}://{url.netloc}",)

    @property
    def paystation_url(self) -> str:
        """Base address of the payment page."""
        if self.xsolla_paystation_url:
            return self.xsolla_paystation_url
        return "https://sandbox-secure.xsolla.com" if self.xsolla_sandbox else "https://secure.xsolla.com"


def sentence(error: ValidationError) -> str:
    """Return the first problem of some settings as one sentence."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"]).upper()
    what = problem["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else what


@lru_cache
def get_settings() -> Settings:
    """Return the settings of this process.

    Raises:
        BadSettings: a value is missing or refused; the message names it.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise BadSettings(sentence(error)) from None
