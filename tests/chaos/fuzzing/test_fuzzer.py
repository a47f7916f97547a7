"""What judges malformed input is judged: the same seed sends the same, and what is wrong does not pass."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from store_app.models import Order
from tests.chaos.fuzzing import checks
from tests.chaos.fuzzing.campaigns import with_signature, without_signature
from tests.chaos.fuzzing.notifications import PRICE, Orders, fits
from tests.chaos.fuzzing.runner import for_each
from tests.chaos.fuzzing.strategies import Token, Twice, write
from tests.chaos.fuzzing.transport import Answer, Request
from tests.integration.shop import PROJECT, Json, order_paid, sign

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _order(number: int) -> Order:
    name = f"{number:032x}"
    return Order(id=name, user_id=f"u{number}", total=PRICE, currency="USD", number="", expires_at=NOW)


ORDERS = Orders([_order(number) for number in range(1, 4)], [_order(number) for number in range(4, 8)])
ORDER = ORDERS.never[0]
CAMPAIGNS = [*without_signature(ORDERS), *with_signature(ORDERS)]
names = pytest.mark.parametrize("place", range(len(CAMPAIGNS)), ids=[one.name for one in CAMPAIGNS])


def _drawn(place: int, seed: int) -> list[Request]:
    found: list[Request] = []
    for_each(CAMPAIGNS[place].tries, 60, seed, lambda one: found.append(one.request))
    return found


@names
def test_the_same_seed_sends_the_same_requests_and_another_one_others(place: int) -> None:
    first = _drawn(place, 1)
    assert len(first) == 60
    assert _drawn(place, 1) == first
    assert _drawn(place, 2) != first


@pytest.mark.parametrize("place", [0, 1])
def test_nothing_of_the_unsigned_campaigns_is_signed(place: int) -> None:
    for request in _drawn(place, 3):
        said = [value for name, value in request.headers if name.lower() == b"authorization"]
        assert len(said) != 1 or said[0].strip() != sign(request.body)


@pytest.mark.parametrize("place", [2, 3, 4])
def test_everything_of_the_signed_campaigns_is(place: int) -> None:
    for request in _drawn(place, 3):
        said = [value for name, value in request.headers if name.lower() == b"authorization"]
        assert said == [sign(request.body)]


def _fits(body: bytes) -> bool:
    return fits(body, ORDER.id, ORDER.user_id, ORDER.total, ORDER.currency)


def test_a_right_payment_fits_and_none_of_the_campaign_of_those_that_do_not() -> None:
    paid = order_paid(ORDER, f"T-{ORDER.id[:24]}")
    assert _fits(write(paid))
    assert _fits(write({**paid, "user": None}))
    for order in ORDERS.never:
        for request in _drawn(4, 5):
            assert not fits(request.body, order.id, order.user_id, order.total, order.currency)


@pytest.mark.parametrize(
    "changed",
    [
        {"order": {"amount": "19.99" + "0" * 60 + "1", "currency": "USD"}},
        {"order": {"amount": "19.99", "currency": "EUR"}},
        {"order": {"amount": Twice("1", "19.99"), "currency": "USD"}},
        {"order": {"amount": Token("NaN"), "currency": "USD"}},
        {"user": {"external_id": ["u4"]}},
        {"user": "u4"},
        {"settings": {"project_id": [PROJECT]}},
        {"notification_type": "payment"},
        {"custom_parameters": {}, "billing": {}},
    ],
    ids=str,
)
def test_what_does_not_fit_is_told(changed: Json) -> None:
    assert not _fits(write({**order_paid(ORDER, "another"), **changed}))


REQUEST = Request(b"POST", b"/api/webhooks/payment", ((b"Authorization", b"x"),), b"{}")
REFUSED = {"error": {"code": "INVALID_SIGNATURE", "message": "-"}}
PROBLEM = {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "-", "code": "-"}


def _answer(status: int, said: Any = None, kind: str = "application/json") -> Answer:
    return Answer(status, kind, (("content-type", kind),), b"" if said is None else json.dumps(said).encode())


@pytest.mark.parametrize(
    "answer",
    [Answer(), _answer(204), _answer(500), _answer(400), _answer(400, {"error": 1}), _answer(413, REFUSED)],
    ids=repr,
)
def test_a_wrong_answer_to_an_unsigned_notification_is_told(answer: Answer) -> None:
    apply = checks.unsigned(REQUEST)
    assert apply(answer)
    assert not apply(_answer(400, REFUSED))


@pytest.mark.parametrize(
    "answer",
    [Answer(), _answer(503), _answer(204, {}), _answer(200, {}), _answer(422, PROBLEM), _answer(400, REFUSED)],
)
def test_a_wrong_answer_to_a_signed_notification_is_told(answer: Answer) -> None:
    apply = checks.signed(REQUEST)
    assert apply(answer)
    assert not apply(_answer(204))
    assert not apply(_answer(400, {"error": {"code": "INVALID_USER", "message": "-"}}))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(),
        _answer(500),
        _answer(404, PROBLEM),
        _answer(404, {}, checks.PROBLEM),
        _answer(403, PROBLEM, checks.PROBLEM),
    ],
)
def test_a_wrong_answer_of_the_api_is_told(answer: Answer) -> None:
    apply = checks.api(Request(b"GET", b"/api/items/x"))
    assert apply(answer)
    assert not apply(_answer(404, PROBLEM, checks.PROBLEM))
