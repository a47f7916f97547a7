"""Comparing the simulator's books with the store's, order by order: facts in, sentences out."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.expectations import Granted
from simulator.mix_plan import Step

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """How one order of a mix ended; an empty list of differences is what we want."""

    step: Step
    order_id: str
    differences: tuple[str, ...]


def differences(
    step: Step, booked: Row, status: str, library: Iterable[Row], *, with_repair: bool = True
) -> tuple[str, ...]:
    """Say where the store differs from what the books imply.

    Args:
        step: what was planned for the order.
        booked: the order in the simulator's books.
        status: the order's status at the store.
        library: what the player's library holds of this order.
        with_repair: whether the store finds out by itself what it was never told.
    """
    should, granted = booked["implied"]["status"], Granted(booked["implied"]["granted"])
    if not with_repair and not booked["told"]:
        should, granted = "pending", Granted.NOTHING
    found = [] if status == should else [f"the books imply {should}, the store says {status}"]
    found += _in_library(step, granted, list(library))
    return (*found, *_answers(booked["deliveries"]))


def _in_library(step: Step, granted: Granted, rows: list[Row]) -> list[str]:
    seen = Counter((row["item"]["sku"], row["quantity"], row["status"]) for row in rows)
    line = step.sku, step.quantity
    right: list[Counter[tuple[str, int, str]]] = [Counter()]
    if granted is Granted.EVERYTHING:
        right = [Counter([(*line, "granted")])]
    elif granted is Granted.TAKEN_BACK:
        # One whose refund came first may be there as refunded, or not at all.
        right = [Counter(), Counter([(*line, "refunded")])]
    return [] if seen in right else [f"the order should have given {granted}, the library has {_in_words(seen)}"]


def _in_words(seen: Counter[tuple[str, int, str]]) -> str:
    rows = [f"{count} x ({quantity} {sku}, {status})" for (sku, quantity, status), count in seen.items()]
    return ", ".join(rows) or "nothing"


def _answers(deliveries: Sequence[Row]) -> list[str]:
    surprises = Counter(_surprise(told) for told in deliveries if not told["as_expected"])
    return [argv if count == 1 else f"{count} x {argv}" for argv, count in surprises.items()]


def _surprise(told: Row) -> str:
    seen = f"{told['type']} ended as {told['outcome']!r} with {told['last_status']}"
    return f"{seen}, expected {told['expected_answer']}"


def table(findings: Sequence[Finding]) -> str:
    """Give the numbers of each scenario, and of all."""
    numbers: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for finding in findings:
        numbers[finding.step.scenario][bool(finding.differences)] += 1
    lines = [_line(name, right, different) for name, (right, different) in sorted(numbers.items())]
    total = [sum(column) for column in zip(*numbers.values(), strict=True)] or [0, 0]
    head = f"{'scenario':<20}{'orders':>8}{'as expected':>13}{'different':>11}"
    return "\n".join([head, *lines, _line("all", *total)])


def _line(name: str, right: int, different: int) -> str:
    return f"{name:<20}{right + different:>8}{right:>13}{different:>11}"


def complaints(findings: Sequence[Finding]) -> list[str]:
    """Give a line for each difference."""
    return [
        f"DIFFERENT {finding.step.scenario} ({finding.step.mode}), order {finding.order_id}: {argv}"
        for finding in findings
        for argv in finding.differences
    ]
