"""Signing out writes a message in the same transaction, which closes the connections of the ended sessions."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import pytest

from store_app.accounts import service
from store_app.accounts.service import SESSIONS_ENDED, CurrentUser, find_current_user, open_session
from store_app.db import outbox_queue
from store_app.db.outbox import Message
from store_app.db.unit_of_work import unit_of_work
from store_app.live.bus import Bus, notify
from store_app.live.hub import hub
from store_app.orders import service as orders
from tests.integration.shop import Shop
from tests.support.ports import free_port


class Connection:
    """A listener that keeps what the store sent to it, and whether it was closed."""

    def __init__(self, current_user: CurrentUser) -> None:
        self.user_id = current_user.user_id
        self.session_hash = current_user.session_hash
        self.sent: list[Message] = []
        self.closed = asyncio.Event()

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def close(self) -> None:
        self.closed.set()


def _sign_in(user_id: str) -> CurrentUser:
    current_user = find_current_user(open_session(user_id).token)
    assert current_user is not None
    return current_user


def _ended(message: Message) -> set[str]:
    assert message.payload["event"] == SESSIONS_ENDED
    return set(message.payload["sessions"])


def test_signing_out_writes_a_message_that_names_the_session(shop: Shop, sent: list[Message]) -> None:
    current_user = _sign_in(shop.user().user_id)
    _sign_in(current_user.user_id)
    service.sign_out(current_user)
    (message,) = sent
    assert _ended(message) == {current_user.session_hash}
    assert shop.rows("SELECT id, user_id FROM outbox") == [(message.id, current_user.user_id)]
    service.sign_out(current_user)
    assert len(sent) == 1


def test_signing_out_everywhere_writes_a_message_that_names_all_sessions(shop: Shop, sent: list[Message]) -> None:
    first = _sign_in(shop.user().user_id)
    second = _sign_in(first.user_id)
    service.sign_out_everywhere(first)
    assert [_ended(message) for message in sent] == [{first.session_hash, second.session_hash}]


def test_closing_the_account_writes_a_message_that_names_all_its_sessions(shop: Shop, sent: list[Message]) -> None:
    first = _sign_in(shop.user().user_id)
    second = _sign_in(first.user_id)
    orders.close_account(first, first.user_id)
    assert [_ended(message) for message in sent] == [{first.session_hash, second.session_hash}]


def test_the_message_does_not_wait_behind_one_that_could_not_be_sent(shop: Shop, sent: list[Message]) -> None:
    current_user = _sign_in(shop.user().user_id)
    with unit_of_work() as session:
        session.messages.append((current_user.user_id, {"event": "test"}))
    outbox_queue.note_failure([sent[0].id], "Redis does not answer")
    service.sign_out(current_user)
    assert [message.payload["event"] for message in sent] == ["test", SESSIONS_ENDED]


@pytest.mark.parametrize("redis_is_down", [False, True])
def test_the_connections_of_the_session_and_no_others_close_at_once(shop: Shop, redis_is_down: bool) -> None:
    ended = _sign_in(shop.user().user_id)
    others = [_sign_in(ended.user_id), _sign_in(shop.user().user_id)]
    bus = Bus(f"redis://127.0.0.1:{free_port()}/0" if redis_is_down else "")

    async def sign_out(connections: Sequence[Connection]) -> None:
        running = asyncio.create_task(bus.run())
        await asyncio.sleep(0)  # from here on, the bus receives committed messages
        await asyncio.to_thread(service.sign_out, ended)
        await asyncio.wait_for(connections[0].closed.wait(), 5)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    _with_connections([ended, *others], sign_out)


def test_a_message_of_another_process_closes_them_and_is_sent_to_nobody(shop: Shop, sent: list[Message]) -> None:
    ended = _sign_in(shop.user().user_id)
    other = _sign_in(ended.user_id)
    service.sign_out(ended)

    async def receive(_connections: Sequence[Connection]) -> None:
        await notify(sent[0])

    _with_connections([ended, other], receive)


def _with_connections(
    users: Sequence[CurrentUser], action: Callable[[Sequence[Connection]], Awaitable[None]]
) -> None:
    """Run `action` with a connection of each user; check that only the first was closed, and nothing was sent."""

    async def run() -> None:
        connections = [Connection(user) for user in users]
        for connection in connections:
            hub.add(connection)
        try:
            await action(connections)
        finally:
            for connection in connections:
                hub.remove(connection)
        assert [connection.closed.is_set() for connection in connections] == [True] + [False] * (len(users) - 1)
        assert not any(connection.sent for connection in connections)

    asyncio.run(run())
