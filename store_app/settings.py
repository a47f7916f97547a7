"""Settings, read once from the environment and `.env`; every bad value is refused with one sentence."""

import re
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

from limits import parse_many
from pydantic import Field, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict
from zxcvbn import zxcvbn

from store_app import languages
from store_app.addresses import Network, is_public_host, is_this_machine, origin_of, parse_networks

MIN_SECRET_LENGTH = 16
# Guesses that a secret must withstand: random letters and digits of that length withstand a hundred times as many.
MIN_GUESSES = 10**12
# Words of placeholders, which stand in examples and are forgotten: the first that somebody would try.
_PLACEHOLDERS = (
    *("xsolla", "webhook", "webhooksecret", "secret", "payment", "store", "shop", "api", "key", "token"),
    *("your", "here", "example", "change", "replace", "production", "test", "put", "enter"),
)
_PROVIDER_URLS = ("xsolla_store_api_url", "xsolla_merchant_api_url", "xsolla_paystation_url")
NO_XSOLLA = "XSOLLA_WEBHOOK_SECRET is empty: copy it from Xsolla, or run `make env` to make one"


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

    languages: str = Field(
        ",".join(languages.known()),
        description="The languages of the store, comma-separated; the first for browsers that ask for no other.",
    )
    seller: str = Field("", max_length=300, description="Name and address of who sells, for receipts.")
    order_expires_minutes: int = Field(1440, ge=1, le=43_200, description="Minutes until an unpaid order expires.")
    trusted_proxies: str = Field(
        "", description="Comma-separated addresses and networks of proxies whose X-Forwarded-For is trusted."
    )
    max_sockets_per_address: int = Field(
        50, ge=0, description="Open websockets of one network address; 0: no limit."
    )
    max_sockets_per_user: int = Field(20, ge=0, description="Open websockets of one user; 0: no limit.")
    # The lines of all of them are compared whenever an order is placed.
    max_open_orders: int = Field(20, ge=1, le=100, description="Unpaid orders that one user may have at a time.")
    limit_sign_ins_per_name: str = Field("10/5minutes", description="Sign-ins with one name from one address.")
    limit_sign_ins_per_address: str = Field("100/5minutes", description="Sign-ins from one address.")
    limit_registrations: str = Field("30/hour", description="New accounts from one address.")
    limit_orders: str = Field("30/minute", description="Orders of one user.")
    limit_payment_checks: str = Field(
        "1/minute", description="How often one user may have the provider asked about unpaid orders."
    )
    limit_searches: str = Field("120/minute", description="Searches from one address.")
    limit_sockets: str = Field("300/minute", description="New websockets from one address.")
    webhook_allowed_networks: str = Field(
        "", description="Comma-separated addresses and networks that may send deliveries; empty means all."
    )
    open_docs: bool = Field(False, description="Serve /docs and /openapi.json in production too.")
    metrics_token: str = Field(
        "", description="Bearer token for /metrics in production; without it only this machine may read them."
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

    @field_validator("public_url")
    @classmethod
    def _must_be_origin(cls, url: str) -> str:
        return origin_of(url)

    @field_validator("xsolla_store_api_url", "xsolla_merchant_api_url", "xsolla_paystation_url")
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
        "limit_payment_checks",
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

    @field_validator("trusted_proxies", "webhook_allowed_networks")
    @classmethod
    def _check_networks(cls, text: str) -> str:
        parse_networks(text)
        return text

    @field_validator("languages")
    @classmethod
    def _must_be_known(cls, text: str) -> str:
        wanted = [code.strip() for code in text.split(",")]
        if unknown := set(wanted) - set(languages.known()):
            raise ValueError(f"has {sorted(unknown)}, and the store has only {', '.join(languages.known())}")
        return ",".join(dict.fromkeys(wanted))

    def unusable(self) -> list[str]:
        """Return what must be changed before the store runs with these settings."""
        return [NO_XSOLLA] if self.payment_provider == "xsolla" and not self.webhook_secrets else []

    def unsafe_in_production(self) -> list[str]:
        """Return what must be changed before these settings run in production, each with what to do."""
        found = []
        if urlsplit(self.public_url).scheme != "https":
            found.append("PUBLIC_URL must be https: cookies and payments travel over it.")
        if self.payment_provider == "xsolla":
            found += self._unsafe_credentials()
        if self.metrics_token and is_guessable(self.metrics_token):
            found.append(f"METRICS_TOKEN can be guessed: use {MIN_SECRET_LENGTH} random characters or more.")
        found += [
            f"{name.upper()} must be an https address off this network, or be left out to use Xsolla's own: "
            "a simulator there would give everything away."
            for name in _PROVIDER_URLS
            if self._is_simulated(name)
        ]
        return found

    def _unsafe_credentials(self) -> list[str]:
        found = []
        if any(is_guessable(secret) for secret in self.webhook_secrets):
            found.append(
                "XSOLLA_WEBHOOK_SECRET can be guessed: generate a new one in Xsolla's Publisher Account, at least "
                f"{MIN_SECRET_LENGTH} random characters."
            )
        if not self.xsolla_api_key:
            found.append("XSOLLA_API_KEY is empty: copy it from Xsolla's Publisher Account.")
        elif is_guessable(self.xsolla_api_key):
            found.append("XSOLLA_API_KEY can be guessed: copy a key that Xsolla generated.")
        # A forgotten line must not sell for test cards, nor accept the notifications of every project.
        if not self.xsolla_project_id:
            found.append("XSOLLA_PROJECT_ID is not set: copy the id of your project from Xsolla.")
        if not self.xsolla_merchant_id:
            found.append("XSOLLA_MERCHANT_ID is not set: copy the id of your company from Xsolla.")
        if "xsolla_sandbox" not in self.model_fields_set:
            found.append("XSOLLA_SANDBOX is not set: false sells for real money, true for test payments.")
        return found

    def _is_simulated(self, name: str) -> bool:
        url = urlsplit(getattr(self, name))
        return bool(url.hostname) and (url.scheme != "https" or not is_public_host(url.hostname or ""))

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """The accepted webhook secrets, newest first."""
        return tuple(secret.strip() for secret in self.xsolla_webhook_secret.split(",") if secret.strip())

    @property
    def offered_languages(self) -> tuple[str, ...]:
        """The languages of the setting, in its order."""
        return tuple(self.languages.split(","))

    @property
    def trusted_networks(self) -> tuple[Network, ...]:
        """The networks of the proxies whose X-Forwarded-For is trusted."""
        return parse_networks(self.trusted_proxies)

    @property
    def webhook_networks(self) -> tuple[Network, ...]:
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
    def allowed_hosts(self) -> frozenset[str]:
        """The Host headers that are answered, in lower case; none: all of them."""
        if self.environment != "production":
            return frozenset()
        url = urlsplit(self.public_url)
        return frozenset({url.netloc, url.netloc if url.port else f"{url.netloc}:443"})

    @property
    def serves_docs(self) -> bool:
        """Whether the description of the API is public."""
        return self.open_docs or self.environment != "production"

    @property
    def paystation_url(self) -> str:
        """Base address of the payment page."""
        if self.xsolla_paystation_url:
            return self.xsolla_paystation_url
        return "https://sandbox-secure.xsolla.com" if self.xsolla_sandbox else "https://secure.xsolla.com"


def is_guessable(secret: str) -> bool:
    """Whether a secret is short, or made of words, sequences and repetitions."""
    if len(secret) < MIN_SECRET_LENGTH:
        return True
    # What is between words would hide them. zxcvbn takes no longer text.
    plain = re.sub("[^A-Za-z0-9]", "", secret) or secret
    return zxcvbn(plain[:72], user_inputs=_PLACEHOLDERS)["guesses"] < MIN_GUESSES


def sentences(error: ValidationError) -> list[str]:
    """Return the problems of some settings, each as one sentence."""
    return [_sentence(problem) for problem in error.errors()]


def _sentence(problem: ErrorDetails) -> str:
    where = ".".join(str(part) for part in problem["loc"]).upper()
    what = problem["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else what


def _and_others(refused: list[str], others: list[str]) -> list[str]:
    """Add other problems to those of refused values, which have their default now and are not judged by it."""
    names = {problem.partition(":")[0] for problem in refused}
    return [*refused, *(problem for problem in others if problem.split()[0] not in names)]


def _read() -> tuple[Settings, list[str]]:
    """Read the settings; return what is wrong with values that are refused too, which then have their default."""
    try:
        return Settings(), []
    except ValidationError as error:
        names = {str(problem["loc"][0]) for problem in error.errors()}
        defaults = {name: Settings.model_fields[name].default for name in names}
        return Settings(**defaults), sentences(error)


@lru_cache
def get_settings() -> Settings:
    """Return the settings of this process.

    Raises:
        BadSettings: values are missing or refused; the message names all of them.
    """
    settings, refused = _read()
    is_production = settings.environment == "production"
    found = settings.unusable() + (settings.unsafe_in_production() if is_production else [])
    if problems := _and_others(refused, found):
        raise BadSettings(problems[0] if len(problems) == 1 else "\n- ".join(["", *problems]))
    return settings


def read_for_production() -> tuple[Settings, list[str]]:
    """Read the settings of the environment and `.env`; return also all that keeps them from production."""
    settings, refused = _read()
    return settings, _and_others(refused, settings.unusable() + settings.unsafe_in_production())


def production_hints(settings: Settings) -> list[str]:
    """Return what is possible in production, but seldom right."""
    hints = []
    if not settings.trusted_proxies:
        hints.append("TRUSTED_PROXIES is empty: behind a proxy all clients count as one address.")
    if settings.environment != "production":
        hints.append("ENVIRONMENT is not production: the store checks these settings only if it is.")
    return hints
