"""When notifications are repeated, and which answers end that."""

from datetime import timedelta

import pytest

from simulator.delivery.sender import pauses, verdict
from simulator.records import Outcome


@pytest.mark.parametrize("kind", ["order_paid", "order_canceled"])
def test_orders_are_repeated_nineteen_times(kind: str) -> None:
    minutes = [pause / timedelta(minutes=1) for pause in pauses(kind)]
    assert minutes == [5] * 2 + [15] * 7 + [60] * 10


@pytest.mark.parametrize("kind", ["payment", "refund", "partial_refund"])
def test_payments_are_repeated_at_growing_intervals(kind: str) -> None:
    steps = pauses(kind)
    assert len(steps) == 12
    assert list(steps) == sorted(set(steps))
    assert sum(steps, timedelta()) <= timedelta(hours=48)


def test_questions_about_the_buyer_are_never_repeated() -> None:
    assert pauses("user_validation") == ()


@pytest.mark.parametrize("status", [200, 201, 204])
def test_yes(status: int) -> None:
    assert verdict(status) is Outcome.ACKNOWLEDGED


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 415, 422])
def test_no(status: int) -> None:
    assert verdict(status) is Outcome.REFUSED


@pytest.mark.parametrize("status", [None, 202, 302, 405, 408, 429, 500, 502, 503])
def test_try_again(status: int | None) -> None:
    assert verdict(status) is Outcome.WAITING
