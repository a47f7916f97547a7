"""The status that a ledger implies depends on the set of its rows, never on their order."""

from itertools import permutations
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from store_app.models import OrderStatus, PaymentKind
from store_app.orders.ledger import Movement, money_status, part_in_price, returned, undone_in_full

P, R, PART, C = PaymentKind.PAYMENT, PaymentKind.REFUND, PaymentKind.PARTIAL_REFUND, PaymentKind.CHARGEBACK

movements = st.builds(
    lambda kind, amount, transaction: Movement(kind, amount if kind == P else -amount, transaction),
    st.sampled_from(list(PaymentKind)),
    st.integers(0, 5),
    st.sampled_from(["T1", "T2", "T3"]),
)


@given(st.lists(movements, max_size=5))
def test_every_permutation_of_a_ledger_implies_the_same_status(ledger: list[Movement]) -> None:
    assert len({money_status(list(order)) for order in permutations(ledger)}) == 1


@given(st.lists(movements, max_size=8))
def test_a_ledger_without_a_payment_implies_no_status(ledger: list[Movement]) -> None:
    paid = any(row.kind == P for row in ledger)
    assert (money_status(ledger) is None) is not paid


@pytest.mark.parametrize(
    ("ledger", "status"),
    [
        ([], None),
        ([(R, -10, "T1")], None),
        ([(P, 10, "T1")], OrderStatus.PAID),
        ([(P, 0, "free")], OrderStatus.PAID),
        ([(P, 10, "T1"), (R, -10, "T1")], OrderStatus.REFUNDED),
        ([(P, 10, "T1"), (C, -10, "T1")], OrderStatus.CHARGED_BACK),
        ([(P, 10, "T1"), (PART, -4, "T1")], OrderStatus.PARTIALLY_REFUNDED),
        ([(P, 10, "T1"), (PART, -4, "T1"), (PART, -6, "T1")], OrderStatus.REFUNDED),
        ([(P, 10, "T1"), (PART, -4, "T1"), (R, -6, "T1")], OrderStatus.REFUNDED),
        ([(P, 10, "T1"), (PART, -4, "T1"), (C, -6, "T1")], OrderStatus.CHARGED_BACK),
        # Another payment attempt of the same order is counted separately.
        ([(P, 10, "T1"), (R, -10, "T1"), (P, 10, "T2")], OrderStatus.PAID),
        ([(R, -10, "T1"), (P, 10, "T2")], OrderStatus.PAID),
        ([(P, 10, "T1"), (P, 10, "T2"), (R, -10, "T2")], OrderStatus.PAID),
        ([(P, 10, "T1"), (PART, -4, "T1"), (P, 10, "T2"), (R, -10, "T2")], OrderStatus.PARTIALLY_REFUNDED),
        ([(P, 10, "T1"), (R, -10, "T1"), (C, 0, "T1")], OrderStatus.CHARGED_BACK),
    ],
)
def test_a_ledger_implies_the_status_of_its_order(
    ledger: list[tuple[str, int, str]], status: OrderStatus | None
) -> None:
    assert money_status([Movement(*row) for row in ledger]) == status


def test_refunds_are_counted_for_their_own_transaction() -> None:
    ledger = [Movement(P, 10, "T1"), Movement(PART, -4, "T1"), Movement(PART, -1, "T1"), Movement(PART, -2, "T2")]
    assert (returned(ledger, "T1"), returned(ledger, "T2"), returned(ledger, "T3")) == (5, 2, 0)
    assert not undone_in_full(ledger, "T1")
    assert undone_in_full([*ledger, Movement(C, -5, "T1")], "T1")


def test_a_refund_of_nearly_everything_is_partial() -> None:
    assert part_in_price(Movement(P, 1000, "T1", charged=1250), [], 1249) == 999


@given(
    st.lists(st.integers(1, 2000), min_size=1, max_size=5),
    st.integers(0, 30),
    st.randoms(use_true_random=False),
)
@example([499, 499, 499], 9, Random(0))
def test_refunds_of_all_parts_with_their_tax_sum_up_to_the_price(
    parts: list[int], percent: int, generator: Random
) -> None:
    # As at the provider, which rounds the tax of the whole and of each part separately.
    price = sum(parts)
    payment = Movement(P, price, "T1", charged=_with_tax(price, percent))
    charged = [_with_tax(part, percent) for part in parts]
    generator.shuffle(charged)
    values = [part_in_price(payment, charged[:number], charged[number]) for number in range(len(charged))]
    if len(parts) == 1:
        assert values == [None]
    elif None not in values:
        assert sum(value or 0 for value in values) == price


def _with_tax(price: int, percent: int) -> int:
    return price + (price * percent + 50) // 100
