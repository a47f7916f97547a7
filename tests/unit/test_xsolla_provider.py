"""Xsolla's adapter beside a fake Xsolla: what it asks, and what it makes of the answers."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar

import pytest

from store_app.errors import ProviderRefused, ProviderUnavailable
from store_app.models import AttemptKind, PaymentAttempt, utc_now
from store_app.payments.provider import EventKind, PaymentEvent, PaymentPage, PaymentRequest
from store_app.payments.xsolla import provider as xsolla
from store_app.payments.xsolla.provider import XsollaProvider
from store_app.payments.xsolla.transport import Answer, Request
from store_app.settings import Settings

SETTINGS = Settings(_env_file=None, xsolla_webhook_secret="test_secret", xsolla_project_id=308_077)
REQUEST = PaymentRequest("a" * 32, "4F7K-2M9Q", 1, "42", "Kira", (("sword", 1),), 199, "USD")
PRICE = {"amount": "1.9900", "amount_without_discount": "2.9900", "currency": "USD"}
ORDER = {"order_id": 7, "status": "new", "content": {"price": PRICE}}

Respond = Callable[[Request], Answer]


def _answer(body: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(body).encode())


class FakeXsolla:
    """Answers the read of order 7 with `order`, and the search with what was created in the window."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.token = _answer({"token": "the-token", "order_id": 7}, 201)
        self.order = _answer(ORDER)
        self.listed: list[tuple[datetime, dict[str, Any]]] = []

    async def send(self, request: Request) -> Answer:
        self.asked.append(request)
        if request.url.endswith("/token"):
            return self.token
        if request.url.endswith("/order/7"):
            return self.order
        start, end = (datetime.fromisoformat(request.body[f"created_date_{name}"]) for name in ("from", "until"))
        found = [order for created, order in self.listed if start <= created <= end]
        offset = request.body["offset"]
        return _answer({"orders": found[offset : offset + request.body["limit"]]})

    def page(self, request: PaymentRequest = REQUEST, **changed: Any) -> PaymentPage:
        """Open a payment page."""
        provider = XsollaProvider(SETTINGS.model_copy(update=changed), self.send)
        return asyncio.run(provider.open_payment_page(request))

    def find(self) -> list[PaymentEvent]:
        """Ask what happened to order 7."""
        attempt = PaymentAttempt(
            order_id="a" * 32,
            number=1,
            provider="xsolla",
            kind="catalogue",
            provider_order_id="7",
            payment_url="https://secure.xsolla.com/paystation4/?token=the-token",
            created_at=utc_now(),
        )
        return list(asyncio.run(XsollaProvider(SETTINGS, self.send).find_payments(attempt)))

    def list_order(self, status: str, after: timedelta = timedelta(0), **changed: Any) -> None:
        """List order 7 in the order search."""
        order = {"order_id": 7, "status": status, "mode": "sandbox", "invoice_id": "T1", "price": PRICE, **changed}
        self.listed.append((utc_now() + after, order))

    def list_others(self, number: int) -> None:
        """List orders of others that were made at the same time."""
        self.listed += [(utc_now(), {"order_id": 1000 + other, "status": "paid"}) for other in range(number)]


@pytest.fixture
def provider() -> FakeXsolla:
    return FakeXsolla()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store_app.payments.xsolla.transport.MAX_PAUSE_SECONDS", 0)


# --- the payment page


def test_the_page_says_what_the_catalogue_charges(provider: FakeXsolla) -> None:
    page = provider.page()
    assert (page.provider_order_id, page.price, page.currency) == ("7", "1.9900", "USD")
    assert page.url == "https://sandbox-secure.xsolla.com/paystation4/?token=the-token"
    read = provider.asked[1]
    assert (read.method, read.headers) == ("GET", {"Authorization": "Bearer the-token"})


@pytest.mark.parametrize(
    "answer",
    [
        Answer(401),
        Answer(404),
        Answer(503),
        Answer(200),
        _answer([]),
        _answer({}),
        _answer({"content": {}}),
        _answer({"content": {"price": None}}),
        _answer({"content": {"price": {"amount": "1.99"}}}),
        _answer({"content": {"price": {"currency": "USD"}}}),
    ],
)
def test_no_page_is_offered_whose_price_is_not_known(provider: FakeXsolla, answer: Answer) -> None:
    provider.order = answer
    with pytest.raises(ProviderUnavailable):
        provider.page()


def test_a_merchant_token_charges_what_it_was_asked_for(provider: FakeXsolla) -> None:
    page = provider.page(xsolla_token="merchant")
    assert (page.provider_order_id, page.price, page.currency) == (None, "", "")
    assert len(provider.asked) == 1


@pytest.mark.parametrize("token", ["catalogue", "merchant"])
def test_the_kind_of_attempt_is_that_of_the_token(token: str) -> None:
    settings = SETTINGS.model_copy(update={"xsolla_token": token})
    expected = AttemptKind.CATALOGUE if token == "catalogue" else AttemptKind.AMOUNT
    assert XsollaProvider(settings).attempt_kind is expected


@pytest.mark.parametrize(
    ("country", "address", "sent_country", "sent_address"),
    [
        ("DE", "", "DE", None),
        ("DE", "8.29.109.241", "DE", None),
        ("", "8.29.109.241", None, "8.29.109.241"),
        ("", "::ffff:8.29.109.241", None, "8.29.109.241"),
        ("", "2606:4700::1111", None, "2606:4700::1111"),
        ("", "192.168.1.2", "US", None),
        ("", "127.0.0.1", "US", None),
        ("", "::1", "US", None),
        ("", "8.29.109.241\r\nX: y", "US", None),
        ("", "", "US", None),
    ],
)
@pytest.mark.parametrize("token", ["catalogue", "merchant"])
def test_the_country_is_sent_when_it_is_known_and_else_a_public_address(
    provider: FakeXsolla,
    token: str,
    country: str,
    address: str,
    sent_country: str | None,
    sent_address: str | None,
) -> None:
    provider.page(replace(REQUEST, country=country, address=address), xsolla_token=token)
    call = provider.asked[0]
    assert call.body["user"].get("country", {}).get("value") == sent_country
    assert call.headers.get("X-User-Ip") == sent_address


# --- what became of an order


def test_an_unpaid_order_costs_one_call(provider: FakeXsolla) -> None:
    provider.list_order("paid")
    assert provider.find() == []
    assert len(provider.asked) == 1


@pytest.mark.parametrize("read", [_answer({**ORDER, "status": "done"}), Answer(401)])
def test_a_paid_order_is_found_with_its_transaction(provider: FakeXsolla, read: Answer) -> None:
    provider.order = read
    provider.list_order("done")
    (event,) = provider.find()
    assert (event.kind, event.transaction_id, event.amount) == (EventKind.PAID, "T1", "1.9900")


def test_a_paid_order_is_found_among_very_many(provider: FakeXsolla) -> None:
    provider.order = Answer(401)
    provider.list_others(3000)
    provider.list_order("paid")
    assert [event.kind for event in provider.find()] == [EventKind.PAID]


@pytest.mark.parametrize("after", [timedelta(minutes=-8), timedelta(minutes=8)])
def test_a_paid_order_is_found_although_the_clocks_differ(provider: FakeXsolla, after: timedelta) -> None:
    provider.order = Answer(401)
    provider.list_order("paid", after)
    assert [event.kind for event in provider.find()] == [EventKind.PAID]


@pytest.mark.parametrize(("status", "kind"), [("paid", EventKind.PAID), ("canceled", EventKind.REFUNDED)])
def test_a_settled_order_that_the_search_does_not_list_is_settled_without_a_transaction(
    provider: FakeXsolla, status: str, kind: EventKind
) -> None:
    provider.order = _answer({**ORDER, "status": status})
    provider.list_others(30)
    (event,) = provider.find()
    assert (event.kind, event.transaction_id, event.provider_order_id) == (kind, "", "7")
    assert (event.amount, event.currency) == ("1.9900", "USD")


def test_a_paid_order_that_the_search_still_lists_as_new_is_paid(provider: FakeXsolla) -> None:
    provider.order = _answer({**ORDER, "status": "paid"})
    provider.list_order("new")
    assert [event.kind for event in provider.find()] == [EventKind.PAID]


@pytest.mark.parametrize("status", ["new", "expired"])
def test_an_old_order_that_the_search_lists_as_unpaid_is_unpaid(provider: FakeXsolla, status: str) -> None:
    provider.order = Answer(401)
    provider.list_order(status)
    assert provider.find() == []


@pytest.mark.parametrize("read", [Answer(401), Answer(404), _answer({}), _answer({"status": "another"})])
def test_an_order_that_nobody_knows_of_is_never_unpaid(
    provider: FakeXsolla, read: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    provider.order = read
    provider.list_others(25)
    with pytest.raises(ProviderUnavailable), caplog.at_level(logging.ERROR):
        provider.find()
    assert "order 7" in caplog.text


def test_a_search_that_does_not_end_is_reported(
    provider: FakeXsolla, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(xsolla, "_MAX_SEARCH_PAGES", 2)
    provider.order = Answer(401)
    provider.list_others(30)
    provider.list_order("paid")
    with pytest.raises(ProviderUnavailable):
        provider.find()
    assert "too many orders" in caplog.text


# --- calls over the network


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    connections: ClassVar[set[Any]]
    status: ClassVar[int]

    def do_PUT(self) -> None:
        self.connections.add(self.client_address)
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[type[_Handler], XsollaProvider]]:
    class Handler(_Handler):
        connections: ClassVar[set[Any]] = set()
        status = 204

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        Thread(target=listening.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{listening.server_port}"
        yield Handler, XsollaProvider(SETTINGS.model_copy(update={"xsolla_merchant_api_url": url}))
        listening.shutdown()


def test_calls_of_one_event_loop_share_a_connection(server: tuple[type[_Handler], XsollaProvider]) -> None:
    handler, provider = server

    async def refund_thrice() -> None:
        for _ in range(3):
            await provider.refund("1", "asked for")

    asyncio.run(refund_thrice())
    assert len(handler.connections) == 1
    # Another event loop has another connection, and a loop that ended closes its own.
    asyncio.run(refund_thrice())
    assert len(handler.connections) == 2


@pytest.mark.parametrize(
    ("status", "error"), [(302, ProviderRefused), (422, ProviderRefused), (429, ProviderUnavailable)]
)
def test_an_answer_without_success_is_an_error(
    server: tuple[type[_Handler], XsollaProvider], status: int, error: type[Exception]
) -> None:
    handler, provider = server
    handler.status = status
    with pytest.raises(error):
        asyncio.run(provider.refund("1", "asked for"))
