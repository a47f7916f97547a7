"""The campaigns of `make fuzz`, small: about 2,000 malformed requests to a real store."""

from collections.abc import Iterator

import pytest

from tests.chaos.fuzzing.campaigns import ENV, Laboratory, laboratory
from tests.support.store import StoreProcess

SEED = 20_261_124
ORDERS = 20


@pytest.fixture(scope="module")
def run() -> Iterator[Laboratory]:
    """Return a store with orders, and what sends malformed requests to it; each test uses it in its turn."""
    with StoreProcess(env=ENV, simulator=True) as store, laboratory(store, ORDERS, SEED) as made:
        yield made


def _no_wrong_answers(run: Laboratory) -> None:
    assert not run.records.failures, "\n".join(map(str, run.records.failures))
    assert not run.tracebacks()


def test_without_a_signature_all_is_refused_and_no_row_changes(run: Laboratory) -> None:
    run.send_unsigned(300)
    _no_wrong_answers(run)
    assert run.changed_rows == []


def test_what_is_signed_is_never_our_fault_and_pays_only_what_it_fits(run: Laboratory) -> None:
    run.send_signed(300)
    _no_wrong_answers(run)
    assert run.moved_by_what_does_not_fit() == []
    assert run.paid_wrongly() == []
    assert run.invariants() == []


def test_the_rest_of_the_api_keeps_the_promises_of_its_document(run: Laboratory) -> None:
    run.call_api(180)
    _no_wrong_answers(run)
    assert run.invariants() == []


def test_in_the_end_every_order_that_nothing_fitted_can_still_be_paid(run: Laboratory) -> None:
    assert run.not_payable() == []
    assert run.paid_wrongly() == []
    assert run.invariants() == []
