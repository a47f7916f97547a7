"""The outbox: a message exists exactly when its transaction does, and somebody always sends it."""

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
def heard() -> Iterator[list[Message]]:
    messages: list[Message] = []

    def hear(batch: Sequence[Message]) -> None:
        messages.extend(batch)

    stop = outbox.on_commit(hear)
    yield messages
    stop()


def _write(shop: Shop, count: int = 1) -> str:
    player = shop.player()
    with unit_of_work() as session:
        for number in range(count):
            outbox.write(session, player.user_id, {"event": "test", "number": number})
    return player.user_id


def _overdue(shop: Shop) -> None:
    shop.change("UPDATE outbox SET leased_until = :then", then=LONG_AGO)


def test_a_message_is_handed_on_when_its_transaction_committed(shop: Shop, heard: list[Message]) -> None:
    player = shop.player()
    with unit_of_work() as session:
        outbox.write(session, player.user_id, {"event": "test"})
        assert heard == []
    assert [(message.user_id, message.payload) for message in heard] == [(player.user_id, {"event": "test"})]
    assert shop.rows("SELECT id, user_id FROM outbox") == [(heard[0].id, player.user_id)]


def test_a_message_of_a_transaction_that_was_undone_never_was(shop: Shop, heard: list[Message]) -> None:
    player = shop.player()

    def fail_after_writing() -> None:
        with unit_of_work() as session:
            outbox.write(session, player.user_id, {"event": "test"})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_writing()
    _write(shop)
    assert [message.payload["event"] for message in heard] == ["test"]
    assert heard[0].user_id != player.user_id
    assert len(shop.rows("SELECT id FROM outbox")) == 1


def test_somebody_who_listens_no_more_hears_nothing(shop: Shop) -> None:
    messages: list[Any] = []
    stop = outbox.on_commit(messages.extend)
    stop()
    _write(shop)
    assert messages == []


def test_fresh_messages_are_left_to_the_process_that_wrote_them(shop: Shop) -> None:
    _write(shop)
    assert outbox.claim() == []


def test_left_over_messages_are_claimed_once_and_in_their_order(shop: Shop) -> None:
    user_id = _write(shop, 3)
    _overdue(shop)
    claimed = outbox.claim()
    assert [(message.user_id, message.payload["number"]) for message in claimed] == [
        (user_id, n) for n in range(3)
    ]
    assert outbox.claim() == []
    assert shop.rows("SELECT DISTINCT attempts FROM outbox") == [(1,)]


def test_a_message_that_could_not_be_sent_is_tried_again_later(shop: Shop) -> None:
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


def test_a_message_does_not_overtake_an_earlier_one_of_its_user(shop: Shop) -> None:
    user_id = _write(shop, 3)
    other_id = _write(shop)
    first = shop.rows("SELECT MIN(id) FROM outbox")[0][0]
    shop.change("UPDATE outbox SET leased_until = :then WHERE id <> :first", then=LONG_AGO, first=first)
    # Somebody is about to send the first: the others of its user wait, another user's does not.
    assert [message.user_id for message in outbox.claim()] == [other_id]
    _overdue(shop)
    assert [message.payload["number"] for message in outbox.claim() if message.user_id == user_id] == [0, 1, 2]


def test_behind_one_that_could_not_be_sent_the_next_of_its_user_wait(shop: Shop, heard: list[Message]) -> None:
    user_id = _write(shop)
    outbox.failed([heard[0].id], "Redis does not answer")
    heard.clear()
    other = shop.player()
    with unit_of_work() as session:
        outbox.write(session, user_id, {"event": "test", "number": 1})
        outbox.write(session, other.user_id, {"event": "test", "number": 2})
    assert [message.payload["number"] for message in heard] == [2]
    # Also when the first is gone: behind one that waits the next waits too.
    shop.change("DELETE FROM outbox WHERE id = (SELECT MIN(id) FROM outbox)")
    with unit_of_work() as session:
        outbox.write(session, user_id, {"event": "test", "number": 3})
    assert [message.payload["number"] for message in heard] == [2]
    # They need no lease to end: nobody else is about to send them.
    assert [message.payload["number"] for message in outbox.claim()] == [1, 3]


def test_workers_that_claim_at_once_share_the_messages(shop: Shop) -> None:
    _write(shop, 40)
    _overdue(shop)
    with ThreadPoolExecutor(4) as threads:
        batches = list(threads.map(lambda _: outbox.claim(), range(4)))
    ids = [message.id for batch in batches for message in batch]
    assert len(ids) == len(set(ids)) == 40


def test_what_players_are_told_of_an_order(shop: Shop, heard: list[Message]) -> None:
    player, sword = shop.player(), shop.item()
    order = shop.order(player, sword)
    heard.clear()
    shop.tell(order_paid(order))
    shop.tell(order_paid(order))
    (paid,) = heard
    items = [{"sku": sword.sku, "name": sword.name, "quantity": 1}]
    assert paid.user_id == player.user_id
    assert {name: paid.payload[name] for name in ("event", "order_id", "items")} == {
        "event": "purchase_success",
        "order_id": order.id,
        "items": items,
    }
    assert paid.payload["timestamp"].endswith("+00:00")
    shop.tell(refund(order))
    shop.tell(order_canceled(order))
    assert [message.payload["event"] for message in heard] == ["purchase_success", "purchase_refunded"]
    assert heard[1].payload["items"] == items
