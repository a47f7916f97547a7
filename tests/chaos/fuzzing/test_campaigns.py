"""The campaigns of `make fuzz`, shortened: about 2,000 malformed requests to a real store."""

from collections.abc import Iterator

import pytest

from tests.chaos.fuzzing.campaigns import ENV, FuzzRun, fuzz_run
from tests.support.store import StoreProcess

SEED = 20_261_124
ORDERS = 20


@pytest.fixture(scope="module")
def run() -> Iterator[FuzzRun]:
    """Return a run against a store with orders; the tests share it, in the order of this file."""
    with StoreProcess(env=ENV, simulator=True) as store, fuzz_run(store, ORDERS, SEED) as started:
        yield started


def _check_responses(run: FuzzRun) -> None:
    assert not run.results.failures, "\n".join(map(str, run.results.failures))
    assert not run.tracebacks()


def test_unsigned_notifications_are_refused_and_change_no_row(run: FuzzRun) -> None:
    run.send_unsigned(300)
    _check_responses(run)
    assert run.changed_rows == []


def test_signed_notifications_cause_no_server_error_and_pay_only_matching_orders(run: FuzzRun) -> None:
    run.send_signed(300)
    _check_responses(run)
    assert run.changed_by_mismatched_payments() == []
    assert run.paid_wrongly() == []
    assert run.invariants() == []


def test_the_rest_of_the_api_conforms_to_its_document(run: FuzzRun) -> None:
    run.call_api(180)
    _check_responses(run)
    assert run.invariants() == []


def test_orders_that_got_only_mismatched_payments_can_still_be_paid(run: FuzzRun) -> None:
    assert run.not_payable() == []
    assert run.paid_wrongly() == []
    assert run.invariants() == []
