"""The plan of a mix, and the comparison at its end."""

from typing import Any

import pytest

from simulator.client.random_run import Finding, Step, complaints, differences, plan, table
from simulator.client.store_client import Item
from simulator.scenarios import Scenario

ITEMS = [
    Item("sword", "Sword", is_consumable=False),
    Item("potion", "Potion", is_consumable=True),
    Item("elixir", "Elixir", is_consumable=True),
    Item("badge", "Badge", is_consumable=True, is_free=True),
]
STEP = Step(1, 0, "potion", 2, Scenario.HAPPY, "combined")


def booked(status: str, granted: str, *, told: bool = True, **delivery: Any) -> dict[str, Any]:
    answer = {
        "type": "order_paid",
        "outcome": "acknowledged",
        "last_status": 204,
        "as_expected": True,
        "expected_answer": "204",
    }
    implied = {"status": status, "granted": granted}
    return {"implied": implied, "told": told, "deliveries": [answer | delivery]}


def row(status: str = "granted", quantity: int = 2) -> dict[str, Any]:
    return {"order_id": "a", "quantity": quantity, "status": status, "item": {"sku": "potion"}}


def test_the_same_seed_gives_the_same_mix_whatever_the_order_of_the_items() -> None:
    assert plan(5, 60, 4, ITEMS) == plan(5, 60, 4, ITEMS[::-1])
    assert plan(5, 60, 4, ITEMS) != plan(6, 60, 4, ITEMS)


def test_a_mix_has_every_scenario_and_both_modes() -> None:
    steps = plan(1, len(Scenario), 3, ITEMS)
    assert {step.scenario for step in steps} == set(Scenario)
    assert {step.mode for step in steps} == {"combined", "separate"}
    assert [step.number for step in steps] == list(range(1, len(Scenario) + 1))
    assert len(plan(1, 3, 1, ITEMS)) == 3


def test_things_owned_once_are_ordered_once_by_each_player_and_free_ones_never() -> None:
    steps = plan(3, 400, 4, ITEMS)
    once = [(step.player, step.quantity) for step in steps if step.sku == "sword"]
    assert sorted(once) == [(player, 1) for player in range(4)]
    assert "badge" not in {step.sku for step in steps}
    assert {step.quantity for step in steps if step.sku == "potion"} == {1, 2, 3}


def test_a_store_without_consumables_cannot_be_mixed() -> None:
    with pytest.raises(ValueError, match="more than once"):
        plan(1, 10, 1, ITEMS[:1])


@pytest.mark.parametrize(
    ("status", "granted", "library"),
    [
        ("paid", "everything", [row()]),
        ("partially_refunded", "everything", [row()]),
        ("refunded", "taken back", [row("refunded")]),
        ("refunded", "taken back", []),
        ("charged_back", "taken back", [row("refunded")]),
        ("pending", "nothing", []),
    ],
)
def test_agreement(status: str, granted: str, library: list[dict[str, Any]]) -> None:
    assert differences(STEP, booked(status, granted), status, library) == ()


@pytest.mark.parametrize(
    ("granted", "library"),
    [
        ("everything", []),
        ("everything", [row(), row()]),
        ("everything", [row(quantity=1)]),
        ("everything", [row("held")]),
        ("everything", [row("refunded")]),
        ("taken back", [row()]),
        ("taken back", [row("refunded"), row("refunded")]),
        ("nothing", [row()]),
        ("nothing", [row("refunded")]),
    ],
)
def test_a_different_library(granted: str, library: list[dict[str, Any]]) -> None:
    [words] = differences(STEP, booked("paid", granted), "paid", library)
    assert words.startswith(f"the order should have given {granted}, the library has ")


def test_a_different_status_and_a_surprising_answer() -> None:
    refused = booked("paid", "everything", outcome="refused", last_status=400, as_expected=False)
    assert differences(STEP, refused, "pending", [row()]) == (
        "the books imply paid, the store says pending",
        "order_paid ended as 'refused' with 400, expected 204",
    )


def test_without_repair_what_was_never_told_stays_pending() -> None:
    untold = booked("paid", "everything", told=False)
    assert differences(STEP, untold, "pending", [], with_repair=False) == ()
    assert differences(STEP, untold, "paid", [row()]) == ()
    assert len(differences(STEP, untold, "pending", [])) == 2


def test_the_report_counts_orders_and_lists_differences() -> None:
    findings = [Finding(STEP, "a", ()), Finding(STEP, "b", ("one", "two"))]
    assert table(findings).splitlines()[1:] == [
        "happy                      2            1          1",
        "all                        2            1          1",
    ]
    assert complaints(findings) == [
        "DIFFERENT happy (combined), order b: one",
        "DIFFERENT happy (combined), order b: two",
    ]
    assert table([]).endswith("all                        0            0          0")
