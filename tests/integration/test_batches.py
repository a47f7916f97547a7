"""Deliveries that are taken together: each is answered for itself, and none suffers from another."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from store_app.models import Order, Verdict
from tests.integration.shop import Json, Shop, order_paid, refund, sign
from tests.support.invariants import check
from webhook.batches import LARGEST, Batches
from webhook.inbox import Outcome
from webhook.processing import Arrival, receive_all


def _arrival(notification: Json) -> Arrival:
    body = json.dumps(notification).encode()
    return Arrival.of(body, sign(body), {})


def _paid(order: Order) -> Arrival:
    return _arrival(order_paid(order, f"T{order.id[:16]}"))


def _orders(shop: Shop, count: int) -> list[Order]:
    player, potion = shop.player(), shop.item(consumable=True)
    return [shop.order(player, potion) for _ in range(count)]


def _put_all(batches: Batches, arrivals: Sequence[Arrival]) -> list[Outcome | BaseException]:
    async def put_all() -> list[Outcome | BaseException]:
        return await asyncio.gather(*(batches.put(arrival) for arrival in arrivals), return_exceptions=True)

    return asyncio.run(put_all())


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
    """Let a statement about one order fail."""

    def fail(_c: object, _u: object, statement: str, values: object, *_: object) -> None:
        if statement.startswith("DELETE FROM pending_purchases") and order.id in str(values):
            raise RuntimeError("the power goes out")

    event.listen(shop.engine, "before_cursor_execute", fail)
    yield
    event.remove(shop.engine, "before_cursor_execute", fail)


def test_what_comes_at_once_is_committed_together_and_answered_each(shop: Shop) -> None:
    orders = _orders(shop, 2 * LARGEST)
    with _commits(shop) as commits:
        outcomes = _put_all(Batches(receive_all, lanes=1), [_paid(order) for order in orders])
    assert [outcome.order_id for outcome in outcomes if isinstance(outcome, Outcome)] == [o.id for o in orders]
    assert len(commits) == 2
    check(shop.engine)


def test_several_batches_are_taken_at_a_time_and_one_by_one_in_one_lane(shop: Shop) -> None:
    taken: list[int] = []

    def take(arrivals: Sequence[Arrival]) -> list[Outcome | Exception]:
        taken.append(len(arrivals))
        return [Outcome(Verdict.DONE)] * len(arrivals)

    arrival = _paid(shop.order(shop.player(), shop.item()))
    assert len(_put_all(Batches(take, lanes=2), [arrival] * 40)) == 40
    assert sum(taken) == 40
    assert max(taken) == LARGEST


def test_one_that_fails_is_answered_with_its_fault_and_the_others_with_success(shop: Shop) -> None:
    good, bad, last = _orders(shop, 3)
    arrivals = [_paid(order) for order in (good, bad, last)]
    with _failing(shop, bad):
        outcomes = _put_all(Batches(receive_all, lanes=1), arrivals)
    assert [getattr(outcome, "verdict", None) for outcome in outcomes] == ["done", None, "done"]
    assert isinstance(outcomes[1], RuntimeError)
    assert [shop.read(order.id).status for order in (good, bad, last)] == ["paid", "pending", "paid"]
    kept = shop.rows("SELECT verdict FROM webhook_deliveries ORDER BY id")
    assert kept == [("done",), ("failed",), ("done",)]
    assert receive_all([_paid(bad)])[0] == Outcome(Verdict.DONE, order_id=bad.id)
    check(shop.engine)


def test_a_wrong_signature_among_right_ones_is_refused_alone(shop: Shop) -> None:
    good, other = _orders(shop, 2)
    forged = Arrival.of(json.dumps(order_paid(other)).encode(), sign(b"something else"), {})
    outcomes = receive_all([_paid(good), forged])
    assert [outcome.verdict for outcome in outcomes if isinstance(outcome, Outcome)] == ["done", "bad_signature"]
    assert shop.read(other.id).status == "pending"


def test_payment_refund_and_repeats_in_one_batch_end_as_one_by_one(shop: Shop) -> None:
    (order,) = _orders(shop, 1)
    anonymous = refund(order, f"T{order.id[:16]}")
    del anonymous["custom_parameters"], anonymous["transaction"]["external_id"]
    outcomes = receive_all([_arrival(anonymous), _paid(order), _paid(order), _arrival(anonymous)])
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert (shop.read(order.id).status, shop.purchases(order.id)) == ("refunded", ["refunded"])
    assert len(shop.rows("SELECT id FROM webhook_deliveries")) == 4
    check(shop.engine)


@pytest.mark.parametrize("dialect", ["postgresql"])
def test_batches_that_lock_the_same_orders_crosswise_end_well(shop: Shop) -> None:
    # Each would wait for the other's rows for ever: the database ends one, whose deliveries are then taken singly.
    orders = _orders(shop, LARGEST)
    batches = [[_paid(order) for order in orders], [_paid(order) for order in reversed(orders)]]
    with ThreadPoolExecutor(2) as threads:
        outcomes = [outcome for taken in threads.map(receive_all, batches) for outcome in taken]
    verdicts = Counter(outcome.verdict for outcome in outcomes if isinstance(outcome, Outcome))
    assert verdicts == {"done": LARGEST, "repeat": LARGEST}
    check(shop.engine)
