"""The comparison at the end of the loop."""

from typing import Any

import pytest

from simulator.client.demo_loop import Fate, Ledger

POTIONS = {"potion": 2}


def row(order_id: str, sku: str, quantity: int) -> dict[str, Any]:
    return {"order_id": order_id, "quantity": quantity, "item": {"sku": sku}}


def test_agreement() -> None:
    ledger = Ledger({"a": (POTIONS, Fate.PAID), "b": (POTIONS, Fate.NOT_PAID), "c": (POTIONS, Fate.UNKNOWN)})
    assert ledger.paid == 1
    assert ledger.differences([row("a", "potion", 2)]) == []
    assert ledger.differences([row("a", "potion", 2), row("c", "potion", 2)]) == []


@pytest.mark.parametrize(
    ("fate", "library", "words"),
    [
        (Fate.PAID, [], "paid, not in the library"),
        (Fate.PAID, [row("a", "potion", 2)] * 2, "the library has"),
        (Fate.PAID, [row("a", "potion", 1)], "the library has"),
        (Fate.PAID, [row("a", "potion", 2), row("z", "sword", 1)], "never placed"),
        (Fate.NOT_PAID, [row("a", "potion", 2)], "not paid, in the library"),
    ],
)
def test_differences(fate: Fate, library: list[dict[str, Any]], words: str) -> None:
    [complaint] = Ledger({"a": (POTIONS, fate)}).differences(library)
    assert words in complaint
