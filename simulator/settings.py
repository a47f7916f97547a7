"""Settings of the simulator and of its command line, from the environment or `.env`."""

from ipaddress import ip_address
from typing import Literal, Self, TypeVar
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

# The provider's delivery modes: whether billing is part of the order notifications, or has its own.
Mode = Literal["combined", "separate"]


class SettingsError(Exception):
    """A setting is missing or invalid; the message is one sentence that says what to do."""


class ClientSettings(BaseSettings):
    """The settings of the commands that use a running simulator: two addresses and no secret."""

    # The store has its settings in the same file, so unknown names are expected.
    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    public_url: str = "http://localhost:8000"
    simulator_port: int = Field(default=8001, ge=1, le=65535)
    simulator_url: str = ""

    @field_validator("public_url", "simulator_url")
    @classmethod
    def _validate_address(cls, value: str) -> str:
        if value and not is_web_address(value):
            raise ValueError("must be an address such as http://localhost:8000")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _default_simulator_url(self) -> Self:
        self.simulator_url = self.simulator_url or f"http://localhost:{self.simulator_port}"
        return self


class Settings(ClientSettings):
    """The settings of the running simulator; ids and secrets have no defaults."""

    xsolla_webhook_secret: str
    xsolla_project_id: int
    xsolla_merchant_id: int
    xsolla_api_key: str = Field(min_length=1)
    simulator_store_url: str = ""
    simulator_host: str = "127.0.0.1"
    simulator_mode: Mode = "combined"
    simulator_speed: float = Field(default=60, gt=0, allow_inf_nan=False)

    @field_validator("xsolla_webhook_secret")
    @classmethod
    def _require_secret(cls, value: str) -> str:
        if not _first(value):
            raise ValueError("must hold a secret (the first one, when several are separated by commas)")
        return value

    @field_validator("simulator_store_url")
    @classmethod
    def _validate_store_url(cls, value: str) -> str:
        return cls._validate_address(value)

    @property
    def signing_secret(self) -> str:
        """The secret to sign with: the first one, while several are listed during a rotation."""
        return _first(self.xsolla_webhook_secret)

    @property
    def store_url(self) -> str:
        """The store's address for this process, which may differ from the address for browsers."""
        return self.simulator_store_url or self.public_url

    @property
    def listens_on_loopback(self) -> bool:
        """Whether only this machine can connect to the simulator."""
        return is_loopback(self.simulator_host)


_Settings = TypeVar("_Settings", bound=ClientSettings)


def load(settings_type: type[_Settings]) -> _Settings:
    """Read the settings; raise SettingsError about the first invalid one."""
    try:
        return settings_type()
    except ValidationError as error:
        raise SettingsError(_describe(error)) from None


def is_web_address(value: str) -> bool:
    """Return whether a text is an absolute http or https address."""
    try:
        parts = urlsplit(value)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Return whether a host name or address means this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def with_base(base: str, address: str) -> str:
    """Return the path and query of an address with another base.

    The store and the simulator print addresses for browsers; this process may have to use another host name.
    """
    parts = urlsplit(address)
    return base + urlunsplit(("", "", parts.path, parts.query, ""))


def _first(secrets: str) -> str:
    return secrets.partition(",")[0].strip()


def _describe(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    name = str(first["loc"][0]).upper()
    if first["type"] == "missing":
        return f"{name} is missing: set it in the environment or in .env."
    return f"{name} is invalid: {first['msg'].removeprefix('Value error, ')}."
