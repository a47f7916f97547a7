"""The plan of a random run, and the comparison at its end."""

from typing import Any

import pytest

from simulator.client.random_run import (
    Comparison,
    PlannedOrder,
    difference_lines,
    differences,
    plan,
    table,
)
from simulator.client.store_client import Item
from simulator.scenarios import Scenario

ITEMS = [
    Item("sword", "Sword", is_consumable=False),
    Item("potion", "Potion", is_consumable=True),
    Item("elixir", "Elixir", is_consumable=True),
    Item("badge", "Badge", is_consumable=True, is_free=True),
]
PLANNED = PlannedOrder(1, 0, "potion", 2, Scenario.HAPPY, "combined")


def at_simulator(
    expected_status: str, purchases: str, *, store_notified: bool = True, **notification: Any
) -> dict[str, Any]:
    """Return an order as the control API shows it, with one notification."""
    acknowledged = {
        "type": "order_paid",
        "status": "acknowledged",
        "last_response_status": 204,
        "as_expected": True,
        "expected_response": "204",
    }
    expected = {"status": expected_status, "purchases": purchases}
    return {"expected": expected, "store_notified": store_notified, "notifications": [acknowledged | notification]}


def purchase(status: str = "granted", quantity: int = 2) -> dict[str, Any]:
    return {"order_id": "a", "quantity": quantity, "status": status, "item": {"sku": "potion"}}


def test_the_same_seed_gives_the_same_plan_for_items_in_any_order() -> None:
    assert plan(5, 60, 4, ITEMS) == plan(5, 60, 4, ITEMS[::-1])
    assert plan(5, 60, 4, ITEMS) != plan(6, 60, 4, ITEMS)


def test_a_plan_has_every_scenario_and_both_modes() -> None:
    planned = plan(1, len(Scenario), 3, ITEMS)
    assert {each.scenario for each in planned} == set(Scenario)
    assert {each.mode for each in planned} == {"combined", "separate"}
    assert [each.number for each in planned] == list(range(1, len(Scenario) + 1))
    assert len(plan(1, 3, 1, ITEMS)) == 3


def test_each_user_orders_a_non_consumable_once_and_nobody_orders_free_items() -> None:
    planned = plan(3, 400, 4, ITEMS)
    swords = [(each.user, each.quantity) for each in planned if each.sku == "sword"]
    assert sorted(swords) == [(user, 1) for user in range(4)]
    assert "badge" not in {each.sku for each in planned}
    assert {each.quantity for each in planned if each.sku == "potion"} == {1, 2, 3}


def test_a_plan_needs_consumables() -> None:
    with pytest.raises(ValueError, match="more than once"):
        plan(1, 10, 1, ITEMS[:1])


@pytest.mark.parametrize(
    ("status", "expected", "purchases"),
    [
        ("paid", "granted", [purchase()]),
        ("partially_refunded", "granted", [purchase()]),
        ("refunded", "refunded", [purchase("refunded")]),
        ("refunded", "refunded", []),
        ("charged_back", "refunded", [purchase("refunded")]),
        ("pending", "none", []),
    ],
)
def test_an_order_as_expected_has_no_differences(
    status: str, expected: str, purchases: list[dict[str, Any]]
) -> None:
    assert differences(PLANNED, at_simulator(status, expected), status, purchases) == ()


@pytest.mark.parametrize(
    ("expected", "purchases"),
    [
        ("granted", []),
        ("granted", [purchase(), purchase()]),
        ("granted", [purchase(quantity=1)]),
        ("granted", [purchase("held")]),
        ("granted", [purchase("refunded")]),
        ("refunded", [purchase()]),
        ("refunded", [purchase("refunded"), purchase("refunded")]),
        ("none", [purchase()]),
        ("none", [purchase("refunded")]),
    ],
)
def test_other_purchases_are_a_difference(expected: str, purchases: list[dict[str, Any]]) -> None:
    [difference] = differences(PLANNED, at_simulator("paid", expected), "paid", purchases)
    assert difference.startswith(f"the purchases should be {expected}, but the library has ")


def test_another_status_and_an_unexpected_response_are_differences() -> None:
    refused = at_simulator("paid", "granted", status="refused", last_response_status=400, as_expected=False)
    assert differences(PLANNED, refused, "pending", [purchase()]) == (
        "the status should be paid, but is pending",
        "order_paid is 'refused' with 400, expected 204",
    )


def test_without_reconciliation_an_order_stays_pending_if_the_store_is_not_notified() -> None:
    not_notified = at_simulator("paid", "granted", store_notified=False)
    assert differences(PLANNED, not_notified, "pending", [], with_reconciliation=False) == ()
    assert differences(PLANNED, not_notified, "paid", [purchase()]) == ()
    assert len(differences(PLANNED, not_notified, "pending", [])) == 2


def test_the_report_counts_orders_and_lists_differences() -> None:
    comparisons = [Comparison(PLANNED, "a", ()), Comparison(PLANNED, "b", ("one", "two"))]
    assert table(comparisons).splitlines()[1:] == [
        "happy                      2            1          1",
        "all                        2            1          1",
    ]
    assert difference_lines(comparisons) == [
        "DIFFERENCE happy (combined), order b: one",
        "DIFFERENCE happy (combined), order b: two",
    ]
    assert table([]).endswith("all                        0            0          0")
