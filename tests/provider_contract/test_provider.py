"""The contract of `PaymentProvider`, by the adapter's own methods and by real deliveries over HTTP."""

import asyncio
import dataclasses
import hashlib
import json
from decimal import Decimal

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store_app.errors import ProviderRefused, ProviderUnavailable
from store_app.models import AttemptKind, Item, Verdict
from store_app.payments.provider import (
    CatalogueProvider,
    EventKind,
    Notification,
    Outcome,
    PaymentEvent,
    PaymentProvider,
    RefusalReason,
)
from tests.provider_contract.shops import Shop, User

# One event loop for all tests: the adapters keep their connections open.
RUNNER = asyncio.Runner()
RETRYABLE = {RefusalReason.UNAVAILABLE, RefusalReason.INTERNAL_ERROR}
# One adapter for all examples: it keeps nothing between calls.
many = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

_NAMES = ["notification_type", "happenings", "what", "sum", "user", "order", "do_you_know"]
_NEARLY = st.recursive(
    st.none() | st.booleans() | st.floats() | st.sampled_from(["order_paid", "charge.settled", "USD"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner),
    max_leaves=10,
).map(lambda value: json.dumps(value).encode())


def _deliveries(shop: Shop, order_id: str) -> list[bytes]:
    """Return the bodies that the store took about an order, oldest first."""
    query = "SELECT body FROM webhook_deliveries WHERE order_id = ? AND verdict = 'done' ORDER BY id"
    return [bytes(body) for (body,) in shop.rows(query, order_id)]


def _post(shop: Shop, body: bytes, headers: dict[str, str]) -> httpx.Response:
    url = f"{shop.store.url}/api/webhooks/{shop.name}"
    return httpx.post(url, content=body, headers=headers, trust_env=False)


@pytest.fixture
def user(shop: Shop) -> User:
    return shop.user()


def test_a_provider_has_a_name_and_a_display_name(shop: Shop) -> None:
    provider: PaymentProvider = shop.provider
    assert provider.name == shop.name
    assert provider.display_name
    assert provider.attempt_kind in AttemptKind


# --- notifications


def test_a_payment_is_parsed_to_an_event_about_the_order(shop: Shop, user: User) -> None:
    order_id = user.pay()
    notification = shop.provider.parse(_deliveries(shop, order_id)[0])
    (event,) = notification.events
    assert (notification.refusal, notification.question) == (None, None)
    assert (event.kind, event.provider, event.wrong_mode) == (EventKind.PAID, shop.name, False)
    assert (event.user_id, event.currency, Decimal(event.amount)) == (user.user_id, "USD", Decimal("49.99"))
    assert order_id in {event.order_id, event.external_id.rpartition("-")[0]}
    assert event.transaction_id
    assert event.provider_order_id == shop.open_payment(order_id).provider_order_id


def test_only_the_signature_of_the_body_is_valid(shop: Shop, user: User) -> None:
    body = _deliveries(shop, user.pay())[0]
    signed = shop.sign(body)
    assert shop.provider.verify(body, signed)
    assert not shop.provider.verify(body + b" ", signed)
    assert not shop.provider.verify(body, {})
    for name, value in signed.items():
        damaged = (value[:-1], value + "0", value.replace(value[-1], "g"), value.upper())
        for wrong in ("", *damaged, f"{value}, {value}"):
            assert not shop.provider.verify(body, {name: wrong})


@many
@given(body=st.binary(max_size=200), value=st.text(max_size=120))
def test_no_body_and_no_header_makes_verifying_raise(shop: Shop, body: bytes, value: str) -> None:
    names = ("authorization", "x-acme-signature")
    assert not shop.provider.verify(body, dict.fromkeys(names, value))


@many
@given(body=st.binary(max_size=200) | _NEARLY)
def test_no_body_makes_parsing_raise(shop: Shop, body: bytes) -> None:
    assert isinstance(shop.provider.parse(body), Notification)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"{}", b"\xff"])
def test_a_malformed_body_is_refused_and_says_why(shop: Shop, body: bytes) -> None:
    notification = shop.provider.parse(body)
    assert notification.refusal is RefusalReason.MALFORMED
    assert notification.reason
    answer = _post(shop, body, dict(shop.sign(body)))
    assert 400 <= answer.status_code < 500


@pytest.mark.parametrize("verdict", [Verdict.DONE, Verdict.REPEAT, Verdict.IGNORED, Verdict.UNMATCHED])
def test_an_outcome_without_a_refusal_gets_a_2xx_response(shop: Shop, verdict: Verdict) -> None:
    assert 200 <= shop.provider.respond(Outcome(verdict)).status < 300


@pytest.mark.parametrize("refusal", list(RefusalReason))
def test_a_refusal_is_final_or_retryable(shop: Shop, refusal: RefusalReason) -> None:
    # The notification that grants, in Xsolla's words: others about payments are never refused.
    outcome = Outcome(Verdict.REFUSED, "because", refusal, notification_type="order_paid")
    response = shop.provider.respond(outcome)
    assert (response.status >= 500) == (refusal in RETRYABLE)
    assert response.status >= 400
    assert "because" in json.dumps(response.body)


def test_a_delivery_without_a_valid_signature_changes_nothing(shop: Shop, user: User) -> None:
    paid, (waiting, _url) = user.pay(), user.order("dragon-sword")
    body = _deliveries(shop, paid)[0].replace(paid.encode(), waiting.encode())
    assert 400 <= _post(shop, body, dict(shop.sign(body + b" "))).status_code < 500
    assert user.status(waiting) == "pending"


def test_a_repeat_is_answered_with_success_and_grants_once(shop: Shop, user: User) -> None:
    body = _deliveries(shop, user.pay())[0]
    assert _post(shop, body, dict(shop.sign(body))).is_success
    assert user.owned() == [("health-potion", "granted")]


def test_a_declined_payment_can_be_tried_again(shop: Shop, user: User) -> None:
    order_id, payment_url = user.order()
    shop.press("decline", payment_url)
    user.wait_for(order_id, "failed")
    _order_id, payment_url = user.order()
    shop.press("pay", payment_url)
    user.wait_for(order_id, "paid")


# --- calls


def test_a_payment_page_opens(shop: Shop, user: User) -> None:
    page = RUNNER.run(shop.provider.open_payment_page(shop.request(user.user_id)))
    assert httpx.get(page.url, trust_env=False).status_code == 200


def test_a_payment_page_costs_what_was_asked_for(shop: Shop, user: User) -> None:
    page = RUNNER.run(shop.provider.open_payment_page(shop.request(user.user_id)))
    # A provider without prices of its own says nothing.
    assert (page.price == "") == (page.currency == "")
    assert Decimal(page.price or "49.99") == Decimal("49.99")
    assert page.currency in {"", "USD"}


@pytest.mark.parametrize(("country", "address"), [("DE", ""), ("", "8.29.109.241"), ("", "192.168.1.2")])
def test_a_payment_page_opens_wherever_the_buyer_is(shop: Shop, user: User, country: str, address: str) -> None:
    request = dataclasses.replace(shop.request(user.user_id), country=country, address=address)
    assert RUNNER.run(shop.provider.open_payment_page(request)).url


def test_a_wrong_key_is_refused_and_an_unreachable_provider_is_retryable(shop: Shop) -> None:
    with pytest.raises(ProviderRefused):
        RUNNER.run(shop.with_wrong_key.open_payment_page(shop.request("nobody")))
    with pytest.raises(ProviderUnavailable):
        RUNNER.run(shop.unreachable.open_payment_page(shop.request("nobody")))


def test_a_payment_is_found_once_it_is_paid(shop: Shop, user: User) -> None:
    order_id, payment_url = user.order()
    assert list(RUNNER.run(shop.provider.find_payments(shop.open_payment(order_id)))) == []
    shop.press("pay", payment_url)
    user.wait_for(order_id, "paid")
    (event,) = RUNNER.run(shop.provider.find_payments(shop.open_payment(order_id)))
    assert (event.kind, event.user_id, Decimal(event.amount)) == (EventKind.PAID, user.user_id, Decimal("49.99"))
    assert event.transaction_id == shop.provider.parse(_deliveries(shop, order_id)[0]).events[0].transaction_id


def _transaction(shop: Shop, order_id: str) -> str:
    return shop.provider.parse(_deliveries(shop, order_id)[0]).events[0].transaction_id


def test_a_whole_refund_revokes_the_purchase(shop: Shop, user: User) -> None:
    order_id = user.pay("dragon-sword")
    RUNNER.run(shop.provider.refund(_transaction(shop, order_id), "asked for"))
    user.wait_for(order_id, "refunded")
    assert user.owned() == [("dragon-sword", "refunded")]


def test_a_partial_refund_leaves_the_purchase_granted(shop: Shop, user: User) -> None:
    order_id = user.pay()
    RUNNER.run(shop.provider.refund(_transaction(shop, order_id), "asked for", Decimal("0.50")))
    user.wait_for(order_id, "partially_refunded")
    assert user.owned() == [("health-potion", "granted")]
    facts = shop.rows("SELECT kind FROM payments WHERE order_id = ? ORDER BY id", order_id)
    assert facts == [("payment",), ("partial_refund",)]


def _refunds(shop: Shop, order_id: str) -> list[PaymentEvent]:
    attempt, transaction = shop.open_payment(order_id), _transaction(shop, order_id)
    found = list(RUNNER.run(shop.provider.find_refunds(attempt, transaction)))
    assert {(event.provider, event.transaction_id) for event in found} <= {(shop.name, transaction)}
    return found


def test_what_went_back_of_a_payment_is_found(shop: Shop, user: User) -> None:
    order_id = user.pay()
    assert _refunds(shop, order_id) == []
    RUNNER.run(shop.provider.refund(_transaction(shop, order_id), "asked for", Decimal("0.50")))
    user.wait_for(order_id, "partially_refunded")
    assert [event.kind for event in _refunds(shop, order_id)] == [EventKind.PARTIALLY_REFUNDED]
    RUNNER.run(shop.provider.refund(_transaction(shop, order_id), "asked for"))
    user.wait_for(order_id, "refunded")
    assert _refunds(shop, order_id)[-1].kind is EventKind.REFUNDED


def test_nothing_went_back_of_a_payment_that_was_never_made(shop: Shop, user: User) -> None:
    attempt = shop.open_payment(user.pay())
    assert list(RUNNER.run(shop.provider.find_refunds(attempt, "123456789"))) == []


def test_a_payment_that_was_never_made_cannot_be_refunded(shop: Shop) -> None:
    with pytest.raises(ProviderRefused):
        RUNNER.run(shop.provider.refund("123456789", "asked for"))


def test_a_catalogue_is_the_same_after_it_was_updated(shop: Shop) -> None:
    if not isinstance(shop.provider, CatalogueProvider):
        assert shop.name == "acme", "of these two providers only Xsolla has a catalogue"
        return
    fields = ("sku", "name", "description", "price", "currency", "kind")
    items = [
        Item(**dict(zip(fields, row, strict=True))) for row in shop.rows(f"SELECT {', '.join(fields)} FROM items")
    ]
    changes = RUNNER.run(shop.provider.compare_catalogue(items))
    assert {item.sku for item in changes.new} == {item.sku for item in items}
    RUNNER.run(shop.provider.update_catalogue(changes))
    again = RUNNER.run(shop.provider.compare_catalogue(items))
    assert (again.new, again.changed, again.same) == ([], [], len(items))


# --- rows name their provider


def test_payments_attempts_and_deliveries_name_the_provider(shop: Shop, user: User) -> None:
    order_id = user.pay()
    for table in ("payments", "payment_attempts", "webhook_deliveries"):
        assert set(shop.rows(f"SELECT provider FROM {table} WHERE order_id = ?", order_id)) == {(shop.name,)}


# --- addresses


def test_the_address_of_all_providers_takes_its_deliveries(shop: Shop, user: User) -> None:
    body = _deliveries(shop, user.pay())[0]
    url = f"{shop.store.url}/api/webhooks/payment"
    assert httpx.post(url, content=body, headers=dict(shop.sign(body)), trust_env=False).is_success


def test_deliveries_of_xsolla_are_accepted_when_another_provider_opens_payment_pages(
    shop: Shop, user: User
) -> None:
    order_id, _payment_url = user.order("dragon-sword")
    refund = {
        "notification_type": "dispute",
        "dispute": {"reason": "fraud"},
        "custom_parameters": {"order_id": order_id},
    }
    body = json.dumps(refund).encode()
    digest = hashlib.sha1(body + shop.store.env["XSOLLA_WEBHOOK_SECRET"].encode()).hexdigest()  # noqa: S324 - Xsolla's algorithm
    headers = {"Authorization": f"Signature {digest}"}
    url = f"{shop.store.url}/api/webhooks/payment"
    assert httpx.post(url, content=body, headers=headers, trust_env=False).status_code == 204
    query = "SELECT provider, verdict FROM webhook_deliveries WHERE order_id = ?"
    assert shop.rows(query, order_id) == [("xsolla", "done")]


def test_an_unknown_provider_has_no_address(shop: Shop) -> None:
    url = f"{shop.store.url}/api/webhooks/nobody"
    assert httpx.post(url, content=b"{}", trust_env=False).status_code == 404
