"""What Xsolla's answers about orders and transactions mean, as payment events."""

from typing import Any

import pytest

from store_app.models import PaymentAttempt
from store_app.payments.provider import EventKind, PaymentEvent
from store_app.payments.xsolla.reconciliation import (
    events_of_order,
    events_of_transactions,
    refunds_of_transactions,
)

ATTEMPT = PaymentAttempt(
    order_id="a" * 32, number=1, provider="xsolla", kind="amount", provider_order_id=None, payment_url="-"
)
PAID, REFUNDED, PART = EventKind.PAID, EventKind.REFUNDED, EventKind.PARTIALLY_REFUNDED
# The amounts of a captured payment: 1.99 sold, 2.17 paid.
DETAILS = {
    "payment": {"currency": "USD", "amount": 2.17},
    "sales_tax": {"currency": "USD", "amount": 0.18, "percent": 8.88},
    "vat": {"currency": "USD", "amount": 0, "percent": 0},
}


def _found(number: int, status: str, details: Any = DETAILS) -> dict[str, Any]:
    return {"transaction": {"id": number, "status": status}, "payment_details": details, "user": {"id": "42"}}


def _said(events: list[PaymentEvent]) -> list[tuple[EventKind, str]]:
    return [(event.kind, event.transaction_id) for event in events]


def test_the_price_of_a_transaction_is_what_was_charged_less_its_taxes() -> None:
    (event,) = events_of_transactions(ATTEMPT, [_found(7, "done")])
    assert (event.amount, event.currency) == ("1.99", "USD")
    assert (event.charged, event.charged_currency) == ("2.17", "USD")
    assert (event.kind, event.transaction_id, event.user_id, event.order_id) == (PAID, "7", "42", "a" * 32)


@pytest.mark.parametrize(
    ("details", "amount"),
    [
        ({**DETAILS, "vat": {"currency": "USD", "amount": "0.10"}}, "1.89"),
        ({"payment": {"currency": "USD", "amount": "1.9900"}, "sales_tax": None}, "1.9900"),
        ({"payment": {"currency": "USD", "amount": 100}}, "100"),
        ({**DETAILS, "sales_tax": {"currency": "EUR", "amount": 0.18}}, ""),
        ({**DETAILS, "sales_tax": {"currency": "USD", "amount": "some"}}, ""),
        ({"payment": {"currency": "USD"}}, ""),
        ({}, ""),
        (None, ""),
    ],
)
def test_a_price_that_cannot_be_computed_is_empty(details: Any, amount: str) -> None:
    (event,) = events_of_transactions(ATTEMPT, [_found(7, "done", details)])
    assert event.amount == amount


@pytest.mark.parametrize("status", ["done", "awaitingRefund"])
def test_a_transaction_that_took_money_is_paid(status: str) -> None:
    assert _said(events_of_transactions(ATTEMPT, [_found(7, status)])) == [(PAID, "7")]


@pytest.mark.parametrize("status", ["created", "processing", "review", "error", "another", "", None])
def test_a_transaction_that_took_nothing_yet_means_nothing(status: Any) -> None:
    assert events_of_transactions(ATTEMPT, [_found(7, status)]) == []
    assert refunds_of_transactions(ATTEMPT, [_found(7, status)]) == []


def test_a_partly_refunded_transaction_is_paid_and_a_part_of_unknown_amount_went_back() -> None:
    paid, part = events_of_transactions(ATTEMPT, [_found(7, "partiallyRefunded")])
    assert (paid.kind, paid.amount) == (PAID, "1.99")
    assert (part.kind, part.transaction_id, part.amount, part.charged, part.detail) == (PART, "7", "", "", "")


@pytest.mark.parametrize(
    ("statuses", "said"),
    [
        (["canceled", "done"], [(PAID, "2")]),
        (["done", "canceled"], [(PAID, "1")]),
        (["refunded", "done"], [(PAID, "2"), (REFUNDED, "1")]),
        (["done", "done"], [(PAID, "1"), (PAID, "2")]),
        (["canceled", "refunded"], [(REFUNDED, "2")]),
        (["error", "canceled"], [(REFUNDED, "2")]),
        (["canceled", "processing"], [(REFUNDED, "1")]),
    ],
)
def test_a_paid_transaction_counts_for_more_than_a_canceled_one(
    statuses: list[str], said: list[tuple[EventKind, str]]
) -> None:
    found = [_found(number, status) for number, status in enumerate(statuses, 1)]
    assert _said(events_of_transactions(ATTEMPT, found)) == said


@pytest.mark.parametrize(
    ("status", "kinds"),
    [
        ("done", []),
        ("awaitingRefund", []),
        ("refunded", [REFUNDED]),
        ("canceled", [REFUNDED]),
        ("partiallyRefunded", [PART]),
    ],
)
def test_what_went_back_of_a_known_transaction(status: str, kinds: list[EventKind]) -> None:
    assert [event.kind for event in refunds_of_transactions(ATTEMPT, [_found(7, status)])] == kinds


@pytest.mark.parametrize(
    "broken", [{}, {"transaction": None}, {"transaction": [], "user": 1, "payment_details": []}]
)
def test_a_transaction_without_its_parts_means_nothing(broken: dict[str, Any]) -> None:
    assert events_of_transactions(ATTEMPT, [broken]) == []


@pytest.mark.parametrize(
    ("mode", "sandbox"), [("default", False), (None, False), ("sandbox", True), ("test", True), ("", True)]
)
def test_only_the_default_mode_of_an_order_is_live(mode: Any, sandbox: bool) -> None:
    order = {"status": "paid", "mode": mode}
    for own_mode in (True, False):
        (event,) = events_of_order(ATTEMPT, order, sandbox=own_mode)
        assert event.wrong_mode is (own_mode != sandbox)
