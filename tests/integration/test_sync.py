"""Copying the items to the provider's catalogue, and the provider's other answers, over real HTTP."""

import asyncio
import os
from collections.abc import Iterator
from decimal import Decimal

import pytest

from store_app.errors import ProviderRefused
from store_app.payments.provider import PaymentRequest
from store_app.payments.xsolla.provider import XsollaProvider
from store_app.settings import Settings
from tests.support.store import StoreProcess


@pytest.fixture(scope="module")
def own_store() -> Iterator[StoreProcess]:
    """Return a store with a simulator of this module's own, because a catalogue that is written stays there."""
    with StoreProcess(simulator=True) as store:
        yield store


def _client(store: StoreProcess, **changed: str) -> XsollaProvider:
    values = {name.lower(): value for name, value in {**store.env, **changed}.items()}
    known = {name: value for name, value in values.items() if name in Settings.model_fields}
    return XsollaProvider(Settings(_env_file=None, **known))  # type: ignore[arg-type]


def _request(**changed: object) -> PaymentRequest:
    wanted = {
        "order_id": os.urandom(8).hex(),
        "number": "4F7K-2M9Q",
        "attempt": 1,
        "user_id": "u",
        "username": "Kira",
        "lines": (("dragon-sword", 1),),
        "total": 99_999,
        "currency": "USD",
    }
    return PaymentRequest(**{**wanted, **changed})  # type: ignore[arg-type]


def test_the_catalogue_is_written_once(own_store: StoreProcess) -> None:
    command = ("store_app", "catalogue-sync")
    assert "31 new, 0 changed, 0 the same" in own_store.run(*command)
    assert "31 new" in own_store.run(*command), "a dry run writes nothing"
    assert "written" in own_store.run(*command, "--apply")
    assert "0 new, 0 changed, 31 the same" in own_store.run(*command, "--apply")


@pytest.mark.parametrize("token", ["catalogue", "merchant"])
def test_a_payment_page_is_opened_with_either_kind_of_token(own_store: StoreProcess, token: str) -> None:
    page = asyncio.run(_client(own_store, XSOLLA_TOKEN=token).open_payment_page(_request()))
    assert page.url.startswith(own_store.simulator_url)
    assert (page.provider_order_id is None) == (token == "merchant")


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"XSOLLA_API_KEY": "wrong"}, {}),
        ({}, {"lines": (("no-such-item", 1),)}),
        ({}, {"lines": ()}),
    ],
)
def test_a_request_that_the_provider_refuses_raises(
    own_store: StoreProcess, changed: dict[str, str], wanted: dict[str, object]
) -> None:
    with pytest.raises(ProviderRefused):
        asyncio.run(_client(own_store, **changed).open_payment_page(_request(**wanted)))


def test_a_refund_of_an_unknown_transaction_is_refused(own_store: StoreProcess) -> None:
    with pytest.raises(ProviderRefused):
        asyncio.run(_client(own_store).refund("123456789", "asked for"))
    with pytest.raises(ProviderRefused):
        asyncio.run(_client(own_store).refund("123456789", "asked for", Decimal("1.00")))
