"""The payment providers that the store knows. A new provider is one package and one entry here."""

from functools import lru_cache
from importlib import import_module

from pydantic import ValidationError

from store_app.payments.provider import PaymentProvider
from store_app.settings import BadSettings, get_settings, sentence

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
        raise BadSettings(f"PAYMENT_PROVIDER: there is no provider {name!r}; there are: {', '.join(PROVIDERS)}")
    try:
        provider: PaymentProvider = import_module(PROVIDERS[name]).create()
    except ValidationError as error:
        raise BadSettings(f"{name}: {sentence(error)}") from None
    return provider
