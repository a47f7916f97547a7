"""The comparison at the end of the demo loop."""

from typing import Any

import pytest

from simulator.client.demo_loop import OrderHistory, PaymentResult

QUANTITIES = {"potion": 2}


def row(order_id: str, sku: str, quantity: int) -> dict[str, Any]:
    return {"order_id": order_id, "quantity": quantity, "item": {"sku": sku}}


def test_a_correct_library_has_no_differences() -> None:
    history = OrderHistory(
        {
            "a": (QUANTITIES, PaymentResult.PAID),
            "b": (QUANTITIES, PaymentResult.NOT_PAID),
            "c": (QUANTITIES, PaymentResult.UNKNOWN),
        }
    )
    assert history.paid_count == 1
    assert history.differences([row("a", "potion", 2)]) == []
    assert history.differences([row("a", "potion", 2), row("c", "potion", 2)]) == []


@pytest.mark.parametrize(
    ("result", "library", "text"),
    [
        (PaymentResult.PAID, [], "paid, but not in the library"),
        (PaymentResult.PAID, [row("a", "potion", 2)] * 2, "the library has"),
        (PaymentResult.PAID, [row("a", "potion", 1)], "the library has"),
        (PaymentResult.PAID, [row("a", "potion", 2), row("z", "sword", 1)], "never placed"),
        (PaymentResult.NOT_PAID, [row("a", "potion", 2)], "not paid, but in the library"),
    ],
)
def test_each_difference_is_described(result: PaymentResult, library: list[dict[str, Any]], text: str) -> None:
    [difference] = OrderHistory({"a": (QUANTITIES, result)}).differences(library)
    assert text in difference
