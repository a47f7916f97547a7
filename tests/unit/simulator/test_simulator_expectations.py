"""What the books imply for the store, and which answers are surprises."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from simulator.amounts import split_evenly
from simulator.records import Attempt, Buyer, Delivery, Line, Manner, Mint, Order, Outcome, Sale
from simulator.repository import Books
from simulator.scenarios.expectations import Granted, Implied, implied, is_as_expected, was_told

NOW = datetime(2026, 7, 29, tzinfo=UTC)
TOTAL = Decimal("5.00")


@pytest.fixture
def books() -> Books:
    return Books(lambda: NOW)


@pytest.fixture
def order(books: Books) -> Order:
    buyer = Buyer("42", "buyer@example.com", "US", "127.0.0.1", None)
    lines = (Line("potion", "Potion", 1, TOTAL),)
    return books.open_order(Sale(Mint.STORE, buyer, lines, "USD", TOTAL, True, None, None, {"order_id": "a"}))


def ended(outcome: Outcome, status: int | None = None, code: str = "", **said: str) -> Delivery:
    """A delivery that ended in some way."""
    kind = said.get("kind", "order_paid")
    attempt = Attempt(NOW, status, f'{{"error": {{"code": "{code}"}}}}')
    return Delivery(1, 1, kind, b"{}", NOW, outcome=outcome, attempts=[attempt])


def carried(delivery: Delivery, **manner: Any) -> bool:
    delivery.manner = replace(Manner(), **manner)
    return is_as_expected(delivery)


def test_an_order_that_nobody_paid(books: Books, order: Order) -> None:
    assert implied(order) == Implied("pending", Granted.NOTHING)
    books.book_decline(order)
    assert implied(order) == Implied("failed", Granted.NOTHING)
    order.canceled = True
    assert implied(order) == Implied("canceled", Granted.NOTHING)


def test_money_wins_over_a_decline(books: Books, order: Order) -> None:
    books.book_decline(order)
    books.book_payment(order)
    assert implied(order) == Implied("paid", Granted.EVERYTHING)


def test_parts_that_add_up_are_a_refund(books: Books, order: Order) -> None:
    made = books.book_payment(order)
    books.book_return(order, made, Decimal("4.99"))
    assert implied(order) == Implied("partially_refunded", Granted.EVERYTHING)
    books.book_return(order, made, Decimal("0.01"))
    assert implied(order) == Implied("refunded", Granted.TAKEN_BACK)


def test_a_chargeback_takes_what_is_left(books: Books, order: Order) -> None:
    made = books.book_payment(order)
    books.book_return(order, made, Decimal("1.00"))
    books.book_chargeback(order, made)
    assert made.returned == TOTAL
    assert implied(order) == Implied("charged_back", Granted.TAKEN_BACK)


@pytest.mark.parametrize("part", ["total", "currency", "buyer"])
def test_what_was_not_asked_for_gives_nothing(books: Books, order: Order, part: str) -> None:
    other: dict[str, Any] = {"total": Decimal(1), "currency": "EUR", "buyer": replace(order.sale.buyer, id="43")}
    books.book_payment(order)
    order.sale = replace(order.sale, **{part: other[part]})
    assert implied(order) == Implied("pending", Granted.NOTHING)


def test_equal_returns_have_different_dates(books: Books, order: Order) -> None:
    made = books.book_payment(order)
    dates = []
    for _ in range(3):
        books.book_return(order, made, Decimal(1))
        dates.append(made.returned_at)
    assert dates == [NOW + timedelta(seconds=each) for each in range(3)]


def test_an_order_was_told_unless_all_was_withheld(books: Books, order: Order) -> None:
    assert was_told(order)
    books.withhold_delivery(order, {"notification_type": "order_paid"})
    books.write_delivery(order, {"notification_type": "user_validation"})
    assert not was_told(order)
    books.write_delivery(order, {"notification_type": "order_paid"})
    assert was_told(order)


def test_an_ordinary_delivery_is_acknowledged() -> None:
    assert carried(ended(Outcome.ACKNOWLEDGED, 204))
    assert carried(ended(Outcome.NEVER_SENT))
    assert not any(carried(ended(each)) for each in (Outcome.WAITING, Outcome.REFUSED, Outcome.HELD_BACK))


def test_answers_to_the_deaf_have_to_be_yes() -> None:
    assert carried(ended(Outcome.GIVEN_UP, 204), deaf=True)
    assert not carried(ended(Outcome.GIVEN_UP, 500), deaf=True)
    assert not carried(ended(Outcome.GIVEN_UP), deaf=True)


def test_a_refusal_needs_the_right_code() -> None:
    assert carried(ended(Outcome.REFUSED, 400, "INCORRECT_AMOUNT"), refusal="INCORRECT_AMOUNT")
    assert carried(ended(Outcome.HELD_BACK), refusal="INCORRECT_AMOUNT")
    assert not carried(ended(Outcome.REFUSED, 400, "INVALID_USER"), refusal="INCORRECT_AMOUNT")
    assert not carried(ended(Outcome.ACKNOWLEDGED, 204), refusal="INCORRECT_AMOUNT")


def test_a_payment_may_be_noted_instead_of_refused_unless_it_is_forged() -> None:
    def noted() -> Delivery:
        return ended(Outcome.ACKNOWLEDGED, 204, kind="payment")

    assert carried(noted(), refusal="INCORRECT_AMOUNT")
    assert not carried(noted(), refusal="INVALID_SIGNATURE", forged=True)


@pytest.mark.parametrize(
    ("amount", "currency", "parts"),
    [
        ("10.00", "USD", ["3.33", "3.33", "3.34"]),
        ("0.02", "USD", ["0.02"]),
        ("500", "JPY", ["166", "166", "168"]),
        ("0.03", "USD", ["0.01", "0.01", "0.01"]),
    ],
)
def test_parts_add_up(amount: str, currency: str, parts: list[str]) -> None:
    assert split_evenly(Decimal(amount), 3, currency) == [Decimal(part) for part in parts]
