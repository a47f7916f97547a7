"""The outbox: a message exists exactly when its transaction was committed, and is sent at least once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from store_app.db import outbox
from store_app.db.outbox import Message
from store_app.db.unit_of_work import unit_of_work
from tests.integration.shop import Shop, order_canceled, order_paid, refund

LONG_AGO = "2020-01-01 00:00:00+00:00"


def _write(shop: Shop, count: int = 1) -> str:
    user = shop.user()
    with unit_of_work() as session:
        for number in range(count):
            outbox.write(session, user.user_id, {"event": "test", "number": number})
    return user.user_id


def _overdue(shop: Shop) -> None:
    shop.change("UPDATE outbox SET leased_until = :then", then=LONG_AGO)


def test_listeners_are_given_a_message_when_its_transaction_is_committed(shop: Shop, sent: list[Message]) -> None:
    user = shop.user()
    with unit_of_work() as session:
        outbox.write(session, user.user_id, {"event": "test"})
        assert sent == []
    assert [(message.user_id, message.payload) for message in sent] == [(user.user_id, {"event": "test"})]
    assert shop.rows("SELECT id, user_id FROM outbox") == [(sent[0].id, user.user_id)]


def test_a_message_of_a_transaction_that_was_rolled_back_is_not_sent(shop: Shop, sent: list[Message]) -> None:
    user = shop.user()

    def fail_after_writing() -> None:
        with unit_of_work() as session:
            outbox.write(session, user.user_id, {"event": "test"})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_writing()
    _write(shop)
    assert [message.payload["event"] for message in sent] == ["test"]
    assert sent[0].user_id != user.user_id
    assert len(shop.rows("SELECT id FROM outbox")) == 1


def test_a_removed_listener_is_given_nothing(shop: Shop) -> None:
    messages: list[Any] = []
    stop = outbox.on_commit(messages.extend)
    stop()
    _write(shop)
    assert messages == []


def test_new_messages_are_left_to_the_process_that_wrote_them(shop: Shop) -> None:
    _write(shop)
    assert outbox.lease_overdue() == []


def test_overdue_messages_are_leased_once_and_in_order(shop: Shop) -> None:
    user_id = _write(shop, 3)
    _overdue(shop)
    leased = outbox.lease_overdue()
    assert [(message.user_id, message.payload["number"]) for message in leased] == [(user_id, n) for n in range(3)]
    assert outbox.lease_overdue() == []
    assert shop.rows("SELECT DISTINCT attempts FROM outbox") == [(1,)]


def test_a_message_that_could_not_be_sent_is_leased_again_later(shop: Shop) -> None:
    _write(shop)
    _overdue(shop)
    ids = [message.id for message in outbox.lease_overdue()]
    outbox.note_failure(ids, "Redis does not answer" * 100)
    ((error,),) = shop.rows("SELECT last_error FROM outbox")
    assert error.startswith("Redis")
    assert outbox.lease_overdue() == []
    _overdue(shop)
    assert [message.id for message in outbox.lease_overdue()] == ids
    outbox.delete_sent(ids)
    _overdue(shop)
    assert outbox.lease_overdue() == []
    assert shop.rows("SELECT id FROM outbox") == []


def test_a_message_does_not_overtake_an_earlier_one_of_its_user(shop: Shop) -> None:
    user_id = _write(shop, 3)
    other_id = _write(shop)
    first = shop.rows("SELECT MIN(id) FROM outbox")[0][0]
    shop.change("UPDATE outbox SET leased_until = :then WHERE id <> :first", then=LONG_AGO, first=first)
    # A process is about to send the first: the others of its user wait, another user's does not.
    assert [message.user_id for message in outbox.lease_overdue()] == [other_id]
    _overdue(shop)
    leased = outbox.lease_overdue()
    assert [message.payload["number"] for message in leased if message.user_id == user_id] == [0, 1, 2]


def test_the_following_messages_of_a_user_wait_for_one_that_could_not_be_sent(
    shop: Shop, sent: list[Message]
) -> None:
    user_id = _write(shop)
    outbox.note_failure([sent[0].id], "Redis does not answer")
    sent.clear()
    other = shop.user()
    with unit_of_work() as session:
        outbox.write(session, user_id, {"event": "test", "number": 1})
        outbox.write(session, other.user_id, {"event": "test", "number": 2})
    assert [message.payload["number"] for message in sent] == [2]
    # A message that waits makes the next one wait too, even when the first is gone.
    shop.change("DELETE FROM outbox WHERE id = (SELECT MIN(id) FROM outbox)")
    with unit_of_work() as session:
        outbox.write(session, user_id, {"event": "test", "number": 3})
    assert [message.payload["number"] for message in sent] == [2]
    # They can be leased at once: no other process is about to send them.
    assert [message.payload["number"] for message in outbox.lease_overdue()] == [1, 3]


def test_workers_that_lease_at_the_same_time_share_the_messages(shop: Shop) -> None:
    _write(shop, 40)
    _overdue(shop)
    with ThreadPoolExecutor(4) as threads:
        batches = list(threads.map(lambda _: outbox.lease_overdue(), range(4)))
    ids = [message.id for batch in batches for message in batch]
    assert len(ids) == len(set(ids)) == 40


def test_the_messages_about_an_order(shop: Shop, sent: list[Message]) -> None:
    user, sword = shop.user(), shop.item()
    order = shop.order(user, sword)
    sent.clear()
    shop.notify(order_paid(order))
    shop.notify(order_paid(order))
    (paid,) = sent
    items = [{"sku": sword.sku, "name": sword.name, "quantity": 1}]
    assert paid.user_id == user.user_id
    assert {name: paid.payload[name] for name in ("event", "order_id", "items")} == {
        "event": "purchase_success",
        "order_id": order.id,
        "items": items,
    }
    assert paid.payload["timestamp"].endswith("+00:00")
    shop.notify(refund(order))
    shop.notify(order_canceled(order))
    assert [message.payload["event"] for message in sent] == ["purchase_success", "purchase_refunded"]
    assert sent[1].payload["items"] == items
