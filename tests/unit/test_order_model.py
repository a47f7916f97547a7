"""The model of an order, by cases written by hand."""

import pytest

from tests.support.order_model import (
    DIFFERENT_AMOUNTS,
    PAID_TWICE,
    TOO_MUCH,
    UNKNOWN_PART,
    UNKNOWN_PAYMENT,
    UNNAMED_REFUND,
    Closing,
    Fact,
    Money,
    attempts_after,
    money_of,
    status_before_payment,
)

PRICE = 199
PAID = Fact("payment", "T1", "P", 249)
PAID_AGAIN = Fact("payment", "T2", "P", 249)


def _part(charged: int | None, detail: str = "a", transaction: str = "T1", provider_order: str = "") -> Fact:
    return Fact("part", transaction, provider_order, charged, detail)


def _money(status: str, *doubts: str, standing: str = "", left: int | None = None) -> Money:
    transactions = frozenset(standing.split())
    return Money(status, frozenset(doubts), transactions, PRICE * len(transactions) if left is None else left)


CASES: dict[str, tuple[list[Fact], Money]] = {
    "nothing": ([], Money()),
    "a refund of nothing": ([Fact("refund", "T1", "P")], Money()),
    "taken": ([Fact("charge", "T1", charged=249)], Money(charges=frozenset({"T1"}))),
    "taken, and paid without a transaction": (
        [Fact("charge", "T1", charged=249), Fact("charge", "T2", charged=249), Fact("payment", "", "P")],
        Money("paid", frozenset(), frozenset({""}), PRICE, frozenset({"T2"})),
    ),
    "paid": ([PAID], _money("paid", standing="T1")),
    "paid, reported twice": ([PAID, Fact("payment", "T1")], _money("paid", standing="T1")),
    "the same payment without its transaction": ([PAID, Fact("payment", "", "P")], _money("paid", standing="T1")),
    "paid twice": ([PAID, PAID_AGAIN], _money("paid", PAID_TWICE, standing="T1 T2")),
    "paid on two orders, one named": (
        [PAID, Fact("payment", "", "Q")],
        Money("paid", frozenset({PAID_TWICE}), frozenset({"T1", ""}), 2 * PRICE),
    ),
    "paid to two providers": (
        [PAID, Fact("payment", "T1", "P", provider="acme")],
        _money("paid", PAID_TWICE, standing="T1", left=2 * PRICE),
    ),
    "refunded": ([PAID, Fact("refund", "T1")], _money("refunded")),
    "charged back": ([PAID, Fact("refund", "T1"), Fact("chargeback", "T1")], _money("charged_back")),
    "one of two refunded": ([PAID, PAID_AGAIN, Fact("refund", "T1")], _money("paid", standing="T2")),
    "refunded by the order": ([PAID, Fact("refund", "", "P")], _money("refunded", UNNAMED_REFUND)),
    "refunded by the order, with another transaction": ([PAID, Fact("refund", "T9", "P")], _money("refunded")),
    "a refund that matches nothing": (
        [PAID, Fact("refund", "T9")],
        _money("paid", UNKNOWN_PAYMENT, standing="T1"),
    ),
    "one loose refund of two payments": (
        [PAID, PAID_AGAIN, Fact("refund", "", "P")],
        _money("paid", UNKNOWN_PAYMENT, UNNAMED_REFUND, standing="T2"),
    ),
    "two loose refunds of two payments": (
        [PAID, PAID_AGAIN, Fact("refund", "T8", "P"), Fact("refund", "T9", "P"), Fact("refund", "", "P")],
        _money("refunded", UNKNOWN_PAYMENT),
    ),
    "a loose refund that repeats a named one": (
        [PAID, PAID_AGAIN, Fact("refund", "T2"), Fact("refund", "", "P")],
        _money("paid", UNKNOWN_PAYMENT, standing="T1"),
    ),
    # 75 of 249 is 59.94 of 199.
    "a part": ([PAID, _part(75)], _money("partially_refunded", standing="T1", left=139)),
    "a part by the order": (
        [PAID, _part(75, "a", "", "P")],
        _money("partially_refunded", standing="T1", left=139),
    ),
    "a part of which it is only known that there was one": (
        [PAID, _part(75), _part(None, "")],
        _money("partially_refunded", standing="T1", left=139),
    ),
    "a part, and a whole payment": (
        [PAID, PAID_AGAIN, _part(75)],
        _money("paid", PAID_TWICE, standing="T1 T2", left=139 + PRICE),
    ),
    "all in parts": ([PAID, _part(75), _part(174, "b")], _money("refunded")),
    "all in rounded parts": ([PAID, _part(74), _part(174, "b")], _money("refunded")),
    "not quite all": (
        [PAID, _part(74), _part(173, "b")],
        _money("partially_refunded", standing="T1", left=PRICE - 59 - 138),
    ),
    "without tax nothing is rounded": (
        [Fact("payment", "T1", "P", 199), _part(99), _part(99, "b")],
        _money("partially_refunded", standing="T1", left=1),
    ),
    "more than all": ([PAID, _part(75), _part(174, "b"), _part(100, "c")], _money("refunded", TOO_MUCH)),
    "a part of unknown size": ([PAID, _part(None)], _money("partially_refunded", UNKNOWN_PART, standing="T1")),
    "a part as large as the whole": (
        [PAID, _part(249)],
        _money("partially_refunded", UNKNOWN_PART, standing="T1"),
    ),
    "a part of a payment of unknown size": (
        [Fact("payment", "T1", "P"), _part(75)],
        _money("partially_refunded", UNKNOWN_PART, standing="T1"),
    ),
    "the tax from another notification": (
        [Fact("payment", "T1", "P"), Fact("charge", "T1", charged=249), _part(75)],
        _money("partially_refunded", standing="T1", left=139),
    ),
    "a part of one of two payments": (
        [PAID, PAID_AGAIN, _part(75, "a", "", "P")],
        _money("paid", PAID_TWICE, UNKNOWN_PAYMENT, standing="T1 T2"),
    ),
    "an unknown part of what went back": ([PAID, _part(None), Fact("refund", "T1")], _money("refunded")),
    "two amounts": (
        [PAID, Fact("charge", "T1", charged=250)],
        _money("paid", DIFFERENT_AMOUNTS, standing="T1"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_facts_have_one_meaning(name: str) -> None:
    facts, expected = CASES[name]
    assert money_of(PRICE, facts) == expected
    assert money_of(PRICE, reversed(facts * 2)) == expected


def test_a_canceled_attempt_is_never_declined() -> None:
    closings: list[tuple[Closing, int]] = [("canceled", 1), ("declined", 1), ("declined", 2)]
    assert attempts_after([1, 2, 3], closings) == {1: "canceled", 2: "declined", 3: "open"}


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], "pending"),
        (["open", "canceled"], "pending"),
        (["declined"], "failed"),
        (["declined", "canceled"], "canceled"),
    ],
)
def test_the_attempts_give_an_unpaid_order_its_status(states: list[str], expected: str) -> None:
    assert status_before_payment(dict(enumerate(states, 1))) == expected
