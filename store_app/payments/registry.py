"""The payment providers that the store knows. A new provider is one package and one entry here."""

from functools import lru_cache
from importlib import import_module

from pydantic import ValidationError

from store_app.payments.provider import PaymentProvider
from store_app.settings import BadSettings, get_settings, sentences

# Name -> the module whose `create()` returns the provider, configured by its settings.
PROVIDERS = {
    "xsolla": "store_app.payments.xsolla.provider",
}


def default_provider() -> PaymentProvider:
    """Return the provider that opens payment pages, as PAYMENT_PROVIDER says."""
    return get_provider(get_settings().payment_provider)


@lru_cache
def get_provider(name: str) -> PaymentProvider:
    """Return a provider of this process.

    Raises:
        BadSettings: there is no provider of this name, or its settings are refused.
    """
    if name not in PROVIDERS:
        raise BadSettings(
            f"PAYMENT_PROVIDER: there is no payment provider {name!r}; there are: {', '.join(PROVIDERS)}"
        )
    try:
        provider: PaymentProvider = import_module(PROVIDERS[name]).create()
    except ValidationError as error:
        raise BadSettings(f"{name}: {sentences(error)[0]}") from None
    if provider.name != name:
        raise BadSettings(f"the payment provider {name!r} says that its name is {provider.name!r}")
    return provider


@lru_cache
def configured_providers() -> tuple[PaymentProvider, ...]:
    """Return the providers whose settings are complete, the default one first."""
    default = default_provider()
    others = (_find(name) for name in PROVIDERS if name != default.name)
    return (default, *(provider for provider in others if provider))


def _find(name: str) -> PaymentProvider | None:
    try:
        return get_provider(name)
    except BadSettings:
        return None
