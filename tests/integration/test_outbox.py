"""The outbox: a message exists exactly when its transaction was committed, and is sent at least once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from store_app.db import outbox, outbox_queue
from store_app.db.outbox import Message
from store_app.db.unit_of_work import unit_of_work
from tests.integration.shop import Shop, order_canceled, order_paid, refund

LONG_AGO = "2020-01-01 00:00:00+00:00"


def _write(shop: Shop, count: int = 1) -> str:
    user = shop.user()
    with unit_of_work() as session:
        for number in range(count):
            session.messages.append((user.user_id, {"event": "test", "number": number}))
    return user.user_id


def _overdue(shop: Shop) -> None:
    shop.change("UPDATE outbox SET leased_until = :then", then=LONG_AGO)


def test_listeners_are_given_a_message_when_its_transaction_is_committed(shop: Shop, sent: list[Message]) -> None:
    user = shop.user()
    with unit_of_work() as session:
        session.messages.append((user.user_id, {"event": "test"}))
        assert sent == []
    assert [(message.user_id, message.payload) for message in sent] == [(user.user_id, {"event": "test"})]
    assert shop.rows("SELECT id, user_id FROM outbox") == [(sent[0].id, user.user_id)]


def test_a_message_of_a_transaction_that_was_rolled_back_is_not_sent(shop: Shop, sent: list[Message]) -> None:
    user = shop.user()

    def fail_after_writing() -> None:
        with unit_of_work() as session:
            session.messages.append((user.user_id, {"event": "test"}))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_writing()
    _write(shop)
    assert [message.payload["event"] for message in sent] == ["test"]
    assert sent[0].user_id != user.user_id
    assert len(shop.rows("SELECT id FROM outbox")) == 1


def test_a_message_is_committed_before_listeners_are_given_it(shop: Shop) -> None:
    found: list[Any] = []
    stop = outbox.on_commit(lambda _messages: found.extend(shop.rows("SELECT id FROM outbox")))
    _write(shop)
    stop()
    assert len(found) == 1


def test_a_removed_listener_is_given_nothing(shop: Shop) -> None:
    messages: list[Any] = []
    stop = outbox.on_commit(messages.extend)
    stop()
    _write(shop)
    assert messages == []


@pytest.mark.usefixtures("sent")
def test_new_messages_are_left_to_the_process_that_wrote_them(shop: Shop) -> None:
    _write(shop)
    assert outbox_queue.lease_overdue() == []


def test_a_process_without_listeners_leaves_its_messages_to_others(shop: Shop) -> None:
    user_id = _write(shop)
    assert [message.user_id for message in outbox_queue.lease_overdue()] == [user_id]


def test_overdue_messages_are_leased_once_and_in_order(shop: Shop) -> None:
    user_id = _write(shop, 3)
    _overdue(shop)
    leased = outbox_queue.lease_overdue()
    assert [(message.user_id, message.payload["number"]) for message in leased] == [(user_id, n) for n in range(3)]
    assert outbox_queue.lease_overdue() == []
    assert shop.rows("SELECT DISTINCT attempts FROM outbox") == [(1,)]


def test_a_message_that_could_not_be_sent_is_leased_again_later(shop: Shop) -> None:
    _write(shop)
    _overdue(shop)
    ids = [message.id for message in outbox_queue.lease_overdue()]
    outbox_queue.note_failure(ids, "Redis does not answer" * 100)
    ((error,),) = shop.rows("SELECT last_error FROM outbox")
    assert error.startswith("Redis")
    assert outbox_queue.lease_overdue() == []
    _overdue(shop)
    assert [message.id for message in outbox_queue.lease_overdue()] == ids
    outbox_queue.delete_sent(ids)
    _overdue(shop)
    assert outbox_queue.lease_overdue() == []
    assert shop.rows("SELECT id FROM outbox") == []


def test_workers_that_lease_at_the_same_time_share_the_messages(shop: Shop) -> None:
    _write(shop, 40)
    _overdue(shop)
    with ThreadPoolExecutor(4) as threads:
        batches = list(threads.map(lambda _: outbox_queue.lease_overdue(), range(4)))
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
