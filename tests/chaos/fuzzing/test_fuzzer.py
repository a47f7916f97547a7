"""Tests of the fuzzer itself: a seed repeats its requests, and the checks report wrong responses."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from store_app.models import Order
from tests.chaos.fuzzing import checks
from tests.chaos.fuzzing.campaigns import with_signature, without_signature
from tests.chaos.fuzzing.notifications import PRICE, Orders, matches
from tests.chaos.fuzzing.runner import for_each
from tests.chaos.fuzzing.strategies import DuplicateKey, RawJson, write
from tests.chaos.fuzzing.transport import Request, Response
from tests.integration.shop import PROJECT, Json, order_paid, sign

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _order(number: int) -> Order:
    name = f"{number:032x}"
    return Order(id=name, user_id=f"u{number}", total=PRICE, currency="USD", number="", expires_at=NOW)


ORDERS = Orders([_order(number) for number in range(1, 4)], [_order(number) for number in range(4, 8)])
ORDER = ORDERS.never_matched[0]
CAMPAIGNS = [*without_signature(ORDERS), *with_signature(ORDERS)]
UNSIGNED, SIGNED, MISMATCHED = (0, 1), (2, 3, 4), 4
each_campaign = pytest.mark.parametrize("index", range(len(CAMPAIGNS)), ids=[one.name for one in CAMPAIGNS])


def _drawn(index: int, seed: int) -> list[Request]:
    requests: list[Request] = []
    for_each(CAMPAIGNS[index].examples, 60, seed, lambda example: requests.append(example.request))
    return requests


@each_campaign
def test_a_seed_repeats_its_requests_and_another_seed_draws_others(index: int) -> None:
    first = _drawn(index, 1)
    assert len(first) == 60
    assert _drawn(index, 1) == first
    assert _drawn(index, 2) != first


@pytest.mark.parametrize("index", UNSIGNED)
def test_no_request_of_an_unsigned_campaign_is_signed(index: int) -> None:
    for request in _drawn(index, 3):
        values = [value for name, value in request.headers if name.lower() == b"authorization"]
        assert len(values) != 1 or values[0].strip() != sign(request.body)


@pytest.mark.parametrize("index", SIGNED)
def test_every_request_of_a_signed_campaign_is_signed(index: int) -> None:
    for request in _drawn(index, 3):
        values = [value for name, value in request.headers if name.lower() == b"authorization"]
        assert values == [sign(request.body)]


def _matches_order(body: bytes) -> bool:
    return matches(body, ORDER.id, ORDER.user_id, ORDER.total, ORDER.currency)


def test_a_valid_payment_matches_its_order_and_no_drawn_mismatched_payment_does() -> None:
    paid = order_paid(ORDER, f"T-{ORDER.id[:24]}")
    assert _matches_order(write(paid))
    assert _matches_order(write({**paid, "user": None}))
    for order in ORDERS.never_matched:
        for request in _drawn(MISMATCHED, 5):
            assert not matches(request.body, order.id, order.user_id, order.total, order.currency)


@pytest.mark.parametrize(
    "changed",
    [
        {"order": {"amount": "19.99" + "0" * 60 + "1", "currency": "USD"}},
        {"order": {"amount": "19.99", "currency": "EUR"}},
        {"order": {"amount": DuplicateKey("1", "19.99"), "currency": "USD"}},
        {"order": {"amount": RawJson("NaN"), "currency": "USD"}},
        {"user": {"external_id": ["u4"]}},
        {"user": "u4"},
        {"settings": {"project_id": [PROJECT]}},
        {"notification_type": "payment"},
        {"custom_parameters": {}, "billing": {}},
    ],
    ids=str,
)
def test_a_mismatched_payment_is_recognized(changed: Json) -> None:
    assert not _matches_order(write({**order_paid(ORDER, "another"), **changed}))


REQUEST = Request(b"POST", b"/api/webhooks/payment", ((b"Authorization", b"x"),), b"{}")
REFUSED = {"error": {"code": "INVALID_SIGNATURE", "message": "-"}}
PROBLEM = {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "-", "code": "-"}


def _response(status: int, body: Any = None, content_type: str = "application/json") -> Response:
    encoded = b"" if body is None else json.dumps(body).encode()
    return Response(status, content_type, (("content-type", content_type),), encoded)


@pytest.mark.parametrize(
    "response",
    [
        Response(),
        _response(204),
        _response(500),
        _response(400),
        _response(400, {"error": 1}),
        _response(413, REFUSED),
    ],
    ids=repr,
)
def test_a_wrong_response_to_an_unsigned_notification_is_reported(response: Response) -> None:
    check = checks.unsigned(REQUEST)
    assert check(response)
    assert not check(_response(400, REFUSED))


@pytest.mark.parametrize(
    "response",
    [
        Response(),
        _response(503),
        _response(204, {}),
        _response(200, {}),
        _response(422, PROBLEM),
        _response(400, REFUSED),
    ],
)
def test_a_wrong_response_to_a_signed_notification_is_reported(response: Response) -> None:
    check = checks.signed(REQUEST)
    assert check(response)
    assert not check(_response(204))
    assert not check(_response(400, {"error": {"code": "INVALID_USER", "message": "-"}}))


@pytest.mark.parametrize(
    "response",
    [
        Response(),
        _response(500),
        _response(404, PROBLEM),
        _response(404, {}, checks.PROBLEM_TYPE),
        _response(403, PROBLEM, checks.PROBLEM_TYPE),
    ],
)
def test_a_wrong_response_of_the_api_is_reported(response: Response) -> None:
    check = checks.api(Request(b"GET", b"/api/items/x"))
    assert check(response)
    assert not check(_response(404, PROBLEM, checks.PROBLEM_TYPE))
