"""Group commit: each delivery gets its own answer, and the failure of one does not affect the others."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import SQLAlchemyError

from store_app.models import Order, Verdict
from store_app.payments.provider import Outcome
from tests.integration.shop import Json, Shop, declined, order_paid, refund, sign, wait_until
from tests.support.deliveries import delivery
from tests.support.invariants import check
from webhook.group_commit import MAX_BATCH, GroupCommit
from webhook.inbox import Delivery
from webhook.intake import receive_all

_WAITING_FOR_A_LOCK = (
    "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


def _delivery(notification: Json) -> Delivery:
    body = json.dumps(notification).encode()
    return delivery(body, sign(body))


def _paid(order: Order) -> Delivery:
    return _delivery(order_paid(order, f"T{order.id[:16]}"))


def _orders(shop: Shop, count: int) -> list[Order]:
    user, potion = shop.user(), shop.item(consumable=True)
    return [shop.order(user, potion) for _ in range(count)]


def _submit_all(group_commit: GroupCommit, deliveries: Sequence[Delivery]) -> list[Outcome | BaseException]:
    async def submit_all() -> list[Outcome | BaseException]:
        return await asyncio.gather(
            *(group_commit.submit(delivery) for delivery in deliveries), return_exceptions=True
        )

    return asyncio.run(submit_all())


@contextmanager
def _commits(shop: Shop) -> Iterator[list[object]]:
    counted: list[object] = []

    def count(connection: object) -> None:
        counted.append(connection)

    event.listen(shop.engine, "commit", count)
    yield counted
    event.remove(shop.engine, "commit", count)


@contextmanager
def _failing(shop: Shop, order: Order) -> Iterator[None]:
    """Make a statement about one order fail."""

    def fail(_c: object, _u: object, statement: str, values: object, *_: object) -> None:
        if statement.startswith("DELETE FROM pending_purchases") and order.id in str(values):
            raise RuntimeError("simulated failure")

    event.listen(shop.engine, "before_cursor_execute", fail)
    yield
    event.remove(shop.engine, "before_cursor_execute", fail)


def test_deliveries_at_the_same_time_are_committed_together_and_answered_separately(shop: Shop) -> None:
    orders = _orders(shop, 2 * MAX_BATCH)
    with _commits(shop) as commits:
        outcomes = _submit_all(GroupCommit(receive_all, max_tasks=1), [_paid(order) for order in orders])
    assert [outcome.order_id for outcome in outcomes if isinstance(outcome, Outcome)] == [o.id for o in orders]
    assert len(commits) == 2
    check(shop.engine)


def test_no_batch_is_larger_than_the_maximum(shop: Shop) -> None:
    taken: list[int] = []

    def take(deliveries: Sequence[Delivery]) -> list[Outcome]:
        taken.append(len(deliveries))
        return [Outcome(Verdict.DONE)] * len(deliveries)

    delivery = _paid(shop.order(shop.user(), shop.item()))
    assert len(_submit_all(GroupCommit(take, max_tasks=2), [delivery] * 40)) == 40
    assert sum(taken) == 40
    assert max(taken) == MAX_BATCH


def test_one_delivery_that_fails_raises_and_the_others_are_answered_with_success(shop: Shop) -> None:
    good, bad, last = _orders(shop, 3)
    deliveries = [_paid(order) for order in (good, bad, last)]
    with _failing(shop, bad):
        outcomes = _submit_all(GroupCommit(receive_all, max_tasks=1), deliveries)
    assert [getattr(outcome, "verdict", None) for outcome in outcomes] == ["done", None, "done"]
    assert isinstance(outcomes[1], RuntimeError)
    assert [shop.read(order.id).status for order in (good, bad, last)] == ["paid", "pending", "paid"]
    kept = shop.rows("SELECT verdict FROM webhook_deliveries ORDER BY verdict")
    assert kept == [("done",), ("done",), ("failed",)]
    assert [outcome.verdict for outcome in receive_all([_paid(bad)])] == ["done"]
    check(shop.engine)


def test_a_delivery_that_arrives_while_a_task_ends_is_processed(shop: Shop) -> None:
    first, second = (_paid(order) for order in _orders(shop, 2))
    group_commit = GroupCommit(receive_all, max_tasks=1)

    async def submit_both() -> list[Outcome]:
        # The second arrives as soon as the first is answered, while its task is about to end.
        return [await group_commit.submit(first), await asyncio.wait_for(group_commit.submit(second), 10)]

    assert [outcome.verdict for outcome in asyncio.run(submit_both())] == ["done", "done"]


def test_an_unverified_delivery_that_fails_is_not_kept_as_a_verified_one(shop: Shop) -> None:
    unverified = delivery(b"{}", sign(b"something else"))
    failed: list[str] = []

    def fail(_c: object, _u: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO webhook_deliveries") and not failed:
            failed.append(statement)
            raise RuntimeError("simulated failure")

    event.listen(shop.engine, "before_cursor_execute", fail)
    with pytest.raises(RuntimeError, match="simulated failure"):
        receive_all([unverified])
    event.remove(shop.engine, "before_cursor_execute", fail)
    assert shop.rows("SELECT id FROM webhook_deliveries") == []


@pytest.mark.parametrize("dialect", ["postgresql"])
def test_a_locked_order_delays_only_its_own_delivery(shop: Shop) -> None:
    # Of two users: payments of one user wait for each other.
    (held,), (free,) = _orders(shop, 1), _orders(shop, 1)
    with shop.engine.begin() as other:
        other.execute(text("SELECT id FROM orders WHERE id = :id FOR UPDATE"), {"id": held.id})
        outcomes = _submit_all(GroupCommit(receive_all, max_tasks=1), [_paid(held), _paid(free)])
        # The operation that timed out may still wait for the lock.
        wait_until(lambda: not shop.rows(_WAITING_FOR_A_LOCK))
    # Either the lock timeout of the database, or the store's own timeout.
    assert isinstance(outcomes[0], SQLAlchemyError)
    assert isinstance(outcomes[1], Outcome)
    assert (shop.read(held.id).status, shop.read(free.id).status) == ("pending", "paid")


def test_what_records_nothing_does_not_tie_its_transaction_to_an_order(shop: Shop) -> None:
    first, second = _orders(shop, 2)
    # Both name the same transaction.
    outcomes = receive_all([_delivery(declined(order)) for order in (first, second)])
    assert [outcome.order_id for outcome in outcomes] == [first.id, second.id]
    assert [shop.read(order.id).status for order in (first, second)] == ["failed", "failed"]
    assert [shop.flags(order.id) for order in (first, second)] == [[], []]


def test_an_order_paid_refunded_and_paid_again_in_one_batch_is_granted(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(), attempts=3)
    facts = [order_paid(order, "A"), refund(order, "A"), order_paid(order, "B"), refund(order, "B")]
    receive_all([_delivery(fact) for fact in [*facts, order_paid(order, "C")]])
    assert (shop.read(order.id).status, shop.purchases(order.id)) == ("paid", ["granted"])
    check(shop.engine)


def test_a_wrong_signature_among_right_ones_is_refused_alone(shop: Shop) -> None:
    good, other = _orders(shop, 2)
    unverified = delivery(json.dumps(order_paid(other)).encode(), sign(b"something else"))
    outcomes = receive_all([_paid(good), unverified])
    assert [outcome.verdict for outcome in outcomes] == ["done", "bad_signature"]
    assert shop.read(other.id).status == "pending"


def test_payment_refund_and_repeats_in_one_batch_end_as_they_would_one_by_one(shop: Shop) -> None:
    (order,) = _orders(shop, 1)
    without_order = refund(order, f"T{order.id[:16]}")
    del without_order["custom_parameters"], without_order["transaction"]["external_id"]
    receive_all([_delivery(without_order), _paid(order), _paid(order), _delivery(without_order)])
    assert (shop.read(order.id).status, shop.purchases(order.id)) == ("refunded", ["refunded"])
    assert len(shop.rows("SELECT id FROM webhook_deliveries")) == 4
    check(shop.engine)


@pytest.mark.parametrize("dialect", ["postgresql"])
def test_batches_with_the_same_orders_in_opposite_sequence_do_not_deadlock(shop: Shop) -> None:
    # Unless both lock in id order, each would wait for the other's rows until the database aborts one.
    orders = _orders(shop, MAX_BATCH)
    batches = [[_paid(order) for order in orders], [_paid(order) for order in reversed(orders)]]
    with ThreadPoolExecutor(2) as threads:
        outcomes = [outcome for taken in threads.map(receive_all, batches) for outcome in taken]
    verdicts = Counter(outcome.verdict for outcome in outcomes)
    assert verdicts == {"done": MAX_BATCH, "repeat": MAX_BATCH}
    check(shop.engine)
