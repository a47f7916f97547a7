"""Copying the items to the provider's catalogue, and the provider's other answers, over real HTTP."""

import asyncio
import os
from collections.abc import Iterator
from decimal import Decimal

import httpx
import pytest

from store_app.errors import ProviderRefused
from store_app.models import PaymentAttempt
from store_app.payments.provider import EventKind, PaymentRequest
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
    assert "41 new, 0 changed, 0 the same" in own_store.run(*command)
    assert "41 new" in own_store.run(*command), "a dry run writes nothing"
    assert "written" in own_store.run(*command, "--apply")
    assert "0 new, 0 changed, 41 the same" in own_store.run(*command, "--apply")


@pytest.mark.parametrize("token", ["catalogue", "merchant"])
def test_a_payment_page_is_opened_with_either_kind_of_token(own_store: StoreProcess, token: str) -> None:
    page = asyncio.run(_client(own_store, XSOLLA_TOKEN=token).open_payment_page(_request()))
    assert page.url.startswith(own_store.simulator_url)
    assert (page.provider_order_id is None) == (token == "merchant")


def _paid_by_merchant_token(store: StoreProcess, client: XsollaProvider) -> PaymentAttempt:
    credentials = {"username": f"u{os.urandom(4).hex()}", "password": "correct horse battery"}
    user = httpx.post(f"{store.url}/api/users", json=credentials, trust_env=False).raise_for_status().json()
    request = _request(user_id=user["id"])
    page = asyncio.run(client.open_payment_page(request))
    attempt = PaymentAttempt(
        order_id=request.order_id, number=1, provider="xsolla", kind="amount", payment_url=page.url
    )
    assert asyncio.run(client.find_payments(attempt)) == []
    pressed = f"{store.simulator_url}/paystation4/pay?token={page.url.rpartition('=')[2]}"
    assert httpx.post(pressed, trust_env=False).status_code < 400
    return attempt


def test_a_payment_by_a_merchant_token_is_found_with_its_price_and_what_was_charged(
    own_store: StoreProcess,
) -> None:
    client = _client(own_store, XSOLLA_TOKEN="merchant")
    attempt = _paid_by_merchant_token(own_store, client)
    (event,) = asyncio.run(client.find_payments(attempt))
    assert (event.kind, Decimal(event.amount), event.currency) == (EventKind.PAID, Decimal("999.99"), "USD")
    assert Decimal(event.charged) > Decimal(event.amount), "the simulator adds a sales tax"
    assert asyncio.run(client.find_refunds(attempt, event.transaction_id)) == []
    asyncio.run(client.refund(event.transaction_id, "asked for", Decimal("1.00")))
    kinds = [found.kind for found in asyncio.run(client.find_payments(attempt))]
    assert kinds == [EventKind.PAID, EventKind.PARTIALLY_REFUNDED]
    asyncio.run(client.refund(event.transaction_id, "asked for"))
    (refund,) = asyncio.run(client.find_payments(attempt))
    assert (refund.kind, refund.transaction_id) == (EventKind.REFUNDED, event.transaction_id)
    assert asyncio.run(client.find_refunds(attempt, event.transaction_id)) == [refund]


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
