"""What the facts of an order mean depends on the set of them, never on their sequence."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store_app.models import OrderStatus, PaymentKind
from store_app.orders.ledger import (
    PAID_TWICE,
    PART_UNKNOWN,
    PAYMENT_UNKNOWN,
    REFUND_UNNAMED,
    REFUNDED_TOO_MUCH,
    TAX_DIFFERS,
    Fact,
    standing,
)

PAID, PARTLY, REFUNDED = OrderStatus.PAID, OrderStatus.PARTIALLY_REFUNDED, OrderStatus.REFUNDED
CHARGED_BACK = OrderStatus.CHARGED_BACK
PRICE, CHARGED = 1000, 1250


def paid(transaction: str = "T1", order: str = "P", charged: int | None = CHARGED) -> Fact:
    return Fact(PaymentKind.PAYMENT, transaction or f"order:{order}", "x", transaction, order, PRICE, charged)


def charge(transaction: str = "T1", charged: int = CHARGED, order: str = "") -> Fact:
    return Fact(PaymentKind.CHARGE, f"{transaction}@{order}:{charged}", "x", transaction, order, charged=charged)


def refund(transaction: str = "T1", order: str = "", kind: str = PaymentKind.REFUND) -> Fact:
    return Fact(kind, transaction or f"order:{order}", "x", transaction, order)


def chargeback(transaction: str = "T1", order: str = "") -> Fact:
    return refund(transaction, order, PaymentKind.CHARGEBACK)


def part(charged: int | None, detail: str = "a", transaction: str = "T1", order: str = "P") -> Fact:
    return Fact(PaymentKind.PARTIAL_REFUND, f"{transaction}:{detail}", "x", transaction, order, charged=charged)


FREE = Fact(PaymentKind.PAYMENT, "free:1", amount=0)
CASES = [
    ([], None, 0, set()),
    ([refund()], None, 0, set()),
    ([charge()], None, 0, set()),
    ([paid()], PAID, 1000, set()),
    ([FREE], PAID, 0, set()),
    ([paid(), refund()], REFUNDED, 0, set()),
    ([paid(), refund("", "P")], REFUNDED, 0, {REFUND_UNNAMED}),
    ([paid(), refund("", "P"), refund()], REFUNDED, 0, set()),
    ([paid("", charged=None), refund("", "P")], REFUNDED, 0, set()),
    ([paid(), chargeback()], CHARGED_BACK, 0, set()),
    ([paid(), refund(), chargeback("", "P")], CHARGED_BACK, 0, set()),
    # A cancellation with a transaction of its own.
    ([paid(), refund("R1", "P")], REFUNDED, 0, set()),
    ([paid(), refund("T9")], PAID, 1000, {PAYMENT_UNKNOWN}),
    ([paid(), refund("", "")], PAID, 1000, {PAYMENT_UNKNOWN}),
    # One payment, reported without its transaction (reconciliation) and with it.
    ([paid("", charged=None), paid()], PAID, 1000, set()),
    ([paid("", charged=None), paid(), refund()], REFUNDED, 0, set()),
    ([paid("", charged=None), refund()], PAID, 1000, {PAYMENT_UNKNOWN}),
    ([paid("", charged=None), refund("T1", "P")], REFUNDED, 0, set()),
    # The provider's order is reported apart from the payment.
    ([paid(order=""), charge(order="P"), refund("R1", "P")], REFUNDED, 0, set()),
    # Two payments of one order of the provider.
    ([paid(), paid("T2")], PAID, 2000, {PAID_TWICE}),
    ([paid(), paid("T2"), refund("T2", "P")], PAID, 1000, set()),
    ([paid(), paid("T2"), refund("T2", "P"), refund("T1", "P")], REFUNDED, 0, set()),
    ([paid(), refund("T1", "P"), paid("T2")], PAID, 1000, set()),
    ([paid(), paid("T2"), refund("", "P")], PAID, 1000, {PAYMENT_UNKNOWN, REFUND_UNNAMED}),
    ([paid(), paid("T2"), refund("T2", "P"), refund("", "P")], PAID, 1000, {PAYMENT_UNKNOWN}),
    ([paid(), refund(), paid("T2"), refund("T2"), chargeback("", "P")], CHARGED_BACK, 0, {PAYMENT_UNKNOWN}),
    ([paid(), paid("T2"), refund("R1", "P"), refund("R2", "P")], REFUNDED, 0, {PAYMENT_UNKNOWN}),
    ([paid(), paid("T2"), refund("R1", "P"), refund("", "P")], PAID, 1000, {PAYMENT_UNKNOWN}),
    # Parts.
    ([paid(), part(250)], PARTLY, 800, set()),
    ([paid(), part(250), refund()], REFUNDED, 0, set()),
    ([paid(), part(625), part(625, "b")], REFUNDED, 0, set()),
    ([paid(), part(626), part(625, "b")], REFUNDED, 0, set()),
    ([paid(), part(800), part(800, "b")], REFUNDED, 0, {REFUNDED_TOO_MUCH}),
    ([paid(), part(1250)], PARTLY, 1000, {PART_UNKNOWN}),
    ([paid(), part(None)], PARTLY, 1000, {PART_UNKNOWN}),
    ([paid(charged=None), part(250)], PARTLY, 1000, {PART_UNKNOWN}),
    ([paid(charged=None), charge(), part(250)], PARTLY, 800, set()),
    ([paid(), part(None, "")], PARTLY, 1000, {PART_UNKNOWN}),
    ([paid(), part(None, ""), part(250)], PARTLY, 800, set()),
    ([paid(), part(250, transaction="T9")], PARTLY, 800, set()),
    ([paid(), paid("T2"), part(250, transaction="T9")], PAID, 2000, {PAID_TWICE, PAYMENT_UNKNOWN}),
    ([paid(), paid("T2"), refund("T2"), part(250)], PARTLY, 800, set()),
    ([paid(), charge(charged=1300)], PAID, 1000, {TAX_DIFFERS}),
    ([paid(), charge(charged=1300), part(250)], PARTLY, 800, {TAX_DIFFERS}),
]


@pytest.mark.parametrize(("facts", "status", "left", "doubts"), CASES)
def test_what_facts_mean(facts: list[Fact], status: OrderStatus | None, left: int, doubts: set[str]) -> None:
    for sequence in permutations(facts):
        found = standing(sequence)
        assert (found.status, found.left, set(found.doubts)) == (status, left, doubts)


def taken(transaction: str) -> Fact:
    return Fact(PaymentKind.CHARGE, transaction, "x", transaction, amount=1000)


CHARGES = [
    ([taken("T1")], {"T1"}),
    ([taken("T1"), paid()], set()),
    ([taken("T1"), refund()], set()),
    ([taken("T1"), paid("T2")], {"T1"}),
    # Only the tax is known, not that the price was taken.
    ([charge()], set()),
    # A payment that was reported without its transaction is one of them.
    ([taken("T1"), paid("")], set()),
    ([taken("T1"), taken("T2"), paid("")], {"T2"}),
]


@pytest.mark.parametrize(("facts", "charges"), CHARGES)
def test_charges_are_what_was_taken_and_paid_nothing(facts: list[Fact], charges: set[str]) -> None:
    for sequence in permutations(facts):
        assert standing(sequence).charges == charges


facts = st.one_of(
    st.builds(paid, st.sampled_from(["T1", "T2", ""]), st.sampled_from(["P", "Q"]), st.sampled_from([None, 1250])),
    st.builds(charge, st.sampled_from(["T1", "T2"])),
    st.builds(refund, st.sampled_from(["T1", "T9", ""]), st.sampled_from(["P", "Q", ""])),
    st.builds(chargeback, st.sampled_from(["T2", "T9"]), st.sampled_from(["P", ""])),
    st.builds(part, st.sampled_from([None, 0, 400, 800, 1250]), st.sampled_from(["", "a", "b"])),
)


def _different(facts: list[Fact]) -> list[Fact]:
    return list({(fact.provider, fact.kind, fact.key): fact for fact in facts}.values())


@given(st.lists(facts, max_size=5).map(_different))
def test_the_sequence_of_facts_changes_nothing(facts: list[Fact]) -> None:
    assert len({(found.status, found.left, found.doubts) for found in map(standing, permutations(facts))}) == 1


@given(st.lists(facts, max_size=6).map(_different))
def test_the_facts_of_another_provider_change_no_payment(facts: list[Fact]) -> None:
    other = [replace(fact, provider="y") for fact in facts if fact.kind != PaymentKind.PAYMENT]
    assert standing(facts).payments == standing([*facts, *other]).payments


@given(st.lists(facts, max_size=6).map(_different))
def test_no_more_is_left_than_was_paid(facts: list[Fact]) -> None:
    assert all(0 <= payment.left <= payment.amount for payment in standing(facts).payments)


@given(
    st.lists(st.integers(1, 2000), min_size=2, max_size=5),
    st.integers(0, 30),
)
def test_parts_of_all_lines_with_their_tax_give_everything_back(prices: list[int], percent: int) -> None:
    # As at the provider, which rounds the tax of the whole and of each part separately.
    price = sum(prices)
    payment = Fact(PaymentKind.PAYMENT, "T1", "x", "T1", "P", price, _with_tax(price, percent))
    parts = [part(_with_tax(one, percent), str(number)) for number, one in enumerate(prices)]
    if all((fact.charged or 0) < (payment.charged or 0) for fact in parts):
        assert standing([payment, *parts]).status is REFUNDED


def _with_tax(price: int, percent: int) -> int:
    return price + (price * percent + 50) // 100
