"""The outbox: a message exists exactly when its database transaction was committed, and it is always sent."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from store_app.db import outbox
from store_app.db.outbox import Message
from store_app.db.unit_of_work import unit_of_work
from tests.integration.shop import Shop, order_canceled, order_paid, refund

LONG_AGO = "2020-01-01 00:00:00+00:00"


@pytest.fixture
def received() -> Iterator[list[Message]]:
    messages: list[Message] = []

    def receive(batch: Sequence[Message]) -> None:
        messages.extend(batch)

    stop = outbox.on_commit(receive)
    yield messages
    stop()


def _write(shop: Shop, count: int = 1) -> str:
    user = shop.player()
    with unit_of_work() as session:
        for number in range(count):
            outbox.write(session, user.user_id, {"event": "test", "number": number})
    return user.user_id


def _overdue(shop: Shop) -> None:
    shop.change("UPDATE outbox SET leased_until = :then", then=LONG_AGO)


def test_a_message_is_passed_on_when_its_transaction_is_committed(shop: Shop, received: list[Message]) -> None:
    user = shop.player()
    with unit_of_work() as session:
        outbox.write(session, user.user_id, {"event": "test"})
        assert received == []
    assert [(message.user_id, message.payload) for message in received] == [(user.user_id, {"event": "test"})]
    assert shop.rows("SELECT id, user_id FROM outbox") == [(received[0].id, user.user_id)]


def test_a_message_of_a_transaction_that_is_rolled_back_is_never_sent(shop: Shop, received: list[Message]) -> None:
    user = shop.player()

    def fail_after_writing() -> None:
        with unit_of_work() as session:
            outbox.write(session, user.user_id, {"event": "test"})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_writing()
    _write(shop)
    assert [message.payload["event"] for message in received] == ["test"]
    assert received[0].user_id != user.user_id
    assert len(shop.rows("SELECT id FROM outbox")) == 1


def test_a_listener_that_stopped_receives_nothing(shop: Shop) -> None:
    messages: list[Any] = []
    stop = outbox.on_commit(messages.extend)
    stop()
    _write(shop)
    assert messages == []


def test_new_messages_are_left_to_the_process_that_wrote_them(shop: Shop) -> None:
    _write(shop)
    assert outbox.claim() == []


def test_overdue_messages_are_leased_once_and_in_sequence(shop: Shop) -> None:
    user_id = _write(shop, 3)
    _overdue(shop)
    leased = outbox.claim()
    assert [(message.user_id, message.payload["number"]) for message in leased] == [(user_id, n) for n in range(3)]
    assert outbox.claim() == []
    assert shop.rows("SELECT DISTINCT attempts FROM outbox") == [(1,)]


def test_a_message_that_could_not_be_sent_is_retried_later(shop: Shop) -> None:
    _write(shop)
    _overdue(shop)
    ids = [message.id for message in outbox.claim()]
    outbox.failed(ids, "Redis does not answer" * 100)
    ((error,),) = shop.rows("SELECT last_error FROM outbox")
    assert error.startswith("Redis")
    assert outbox.claim() == []
    _overdue(shop)
    assert [message.id for message in outbox.claim()] == ids
    outbox.done(ids)
    _overdue(shop)
    assert outbox.claim() == []
    assert shop.rows("SELECT id FROM outbox") == []


def test_a_message_is_not_sent_before_an_earlier_one_of_its_user(shop: Shop) -> None:
    user_id = _write(shop, 3)
    other_id = _write(shop)
    first = shop.rows("SELECT MIN(id) FROM outbox")[0][0]
    shop.change("UPDATE outbox SET leased_until = :then WHERE id <> :first", then=LONG_AGO, first=first)
    # The first is leased: the other messages of its user wait for it, another user's does not.
    assert [message.user_id for message in outbox.claim()] == [other_id]
    _overdue(shop)
    assert [message.payload["number"] for message in outbox.claim() if message.user_id == user_id] == [0, 1, 2]


def test_messages_wait_for_an_earlier_one_of_their_user_that_could_not_be_sent(
    shop: Shop, received: list[Message]
) -> None:
    user_id = _write(shop)
    outbox.failed([received[0].id], "Redis does not answer")
    received.clear()
    other = shop.player()
    with unit_of_work() as session:
        outbox.write(session, user_id, {"event": "test", "number": 1})
        outbox.write(session, other.user_id, {"event": "test", "number": 2})
    assert [message.payload["number"] for message in received] == [2]
    # The next one waits as well while an earlier one waits, although the first is gone.
    shop.change("DELETE FROM outbox WHERE id = (SELECT MIN(id) FROM outbox)")
    with unit_of_work() as session:
        outbox.write(session, user_id, {"event": "test", "number": 3})
    assert [message.payload["number"] for message in received] == [2]
    # They are not leased, so no lease has to end first.
    assert [message.payload["number"] for message in outbox.claim()] == [1, 3]


def test_workers_that_lease_at_the_same_time_share_the_messages(shop: Shop) -> None:
    _write(shop, 40)
    _overdue(shop)
    with ThreadPoolExecutor(4) as threads:
        batches = list(threads.map(lambda _: outbox.claim(), range(4)))
    ids = [message.id for batch in batches for message in batch]
    assert len(ids) == len(set(ids)) == 40


def test_the_messages_about_an_order(shop: Shop, received: list[Message]) -> None:
    user, sword = shop.player(), shop.item()
    order = shop.order(user, sword)
    received.clear()
    shop.tell(order_paid(order))
    shop.tell(order_paid(order))
    (paid,) = received
    items = [{"sku": sword.sku, "name": sword.name, "quantity": 1}]
    assert paid.user_id == user.user_id
    assert {name: paid.payload[name] for name in ("event", "order_id", "items")} == {
        "event": "purchase_success",
        "order_id": order.id,
        "items": items,
    }
    assert paid.payload["timestamp"].endswith("+00:00")
    shop.tell(refund(order))
    shop.tell(order_canceled(order))
    assert [message.payload["event"] for message in received] == ["purchase_success", "purchase_refunded"]
    assert received[1].payload["items"] == items
