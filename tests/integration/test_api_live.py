"""`WS /ws` on running stores: users receive their own messages, on every worker, until the session ends."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any, Self

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from tests.integration.web import PASSWORD, ApiUser, Json, Web

NOT_SIGNED_IN = 4401


class Listener:
    """A connection that keeps the messages it received."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.received: list[Json] = []

    def wait_for_message(self, order: Json, seconds: float = 10) -> Json:
        """Wait for the next message about an order and return it."""
        deadline = time.monotonic() + seconds
        while True:
            self.received.append(json.loads(self.connection.recv(timeout=max(0.0, deadline - time.monotonic()))))
            if self.received[-1]["order_id"] == order["order_id"]:
                return self.received[-1]

    def closed(self) -> int:
        """Wait for the end of the connection and return its code."""
        return _closed(self.connection)

    def received_only(self, user: ApiUser) -> bool:
        """Whether all messages so far are about this user's orders."""
        own = {row[0] for row in user.web.rows("SELECT id FROM orders WHERE user_id = :id", id=user.id)}
        return {message["order_id"] for message in self.received} <= own


def _closed(connection: ClientConnection) -> int:
    with suppress(ConnectionClosed):
        while True:
            connection.recv(timeout=10)
    assert connection.close_code is not None
    return connection.close_code


class Listeners:
    """Several connections of one user."""

    def __init__(self, stack: ExitStack, user: ApiUser, count: int = 1, **handshake: str) -> None:
        handshake = handshake or {"Authorization": f"Bearer {user.token}"}
        self.all = [Listener(stack.enter_context(user.web.socket(**handshake))) for _ in range(count)]
        self.user = user

    def until_listening(self) -> Self:
        """Wait until the store sends to them: a handshake ends before the store has looked up the user."""
        waiting = self.all
        for _ in range(20):
            order = self.user.order("health-potion")
            self.user.pay(order)
            waiting = [listener for listener in waiting if not _receives_soon(listener, order)]
            if not waiting:
                return self
        raise AssertionError("a connection receives nothing")


def _receives_soon(listener: Listener, order: Json) -> bool:
    try:
        listener.wait_for_message(order, 0.5)
    except TimeoutError:
        return False
    return True


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as connections:
        yield connections


@pytest.mark.parametrize("by_message", [False, True])
def test_a_purchase_a_refund_and_a_cancellation_send_messages(
    web: Web, stack: ExitStack, by_message: bool
) -> None:
    user = web.user()
    listeners = Listeners(stack, user, X_Nothing="-") if by_message else Listeners(stack, user)
    (listener,) = listeners.all
    if by_message:
        listener.connection.send(json.dumps({"token": user.token}))
    listeners.until_listening()
    order = user.order("dragon-sword")
    user.pay(order)
    message = listener.wait_for_message(order)
    assert message["event"] == "purchase_success"
    assert message["items"] == [{"sku": "dragon-sword", "name": "Dragon Sword", "quantity": 1}]
    assert message["timestamp"].endswith("+00:00")
    # A repeat sends no message: the next one about the order is the refund's.
    user.pay(order)
    web.notify(user.refunded(order))
    assert listener.wait_for_message(order)["event"] == "purchase_refunded"
    canceled = user.order("magic-shield")
    user.post(f"/api/orders/{canceled['order_id']}/cancel")
    assert listener.wait_for_message(canceled)["event"] == "order_canceled"


def test_the_cookie_of_the_handshake_is_a_credential(web: Web, stack: ExitStack) -> None:
    user = web.user()
    answer = web.http.post("/auth/login", data={"username": user.username, "password": PASSWORD})
    Listeners(stack, user, Cookie=answer.headers["set-cookie"].partition(";")[0]).until_listening()


def test_every_worker_sends_users_only_their_own_messages(web: Web, stack: ExitStack) -> None:
    user, other = web.user(), web.user()
    # Enough connections that every worker has some.
    mine, theirs = Listeners(stack, user, 9).until_listening(), Listeners(stack, other, 3).until_listening()
    orders = {each_user.id: each_user.order("dragon-sword") for each_user in (user, other)}
    user.pay(orders[user.id])
    other.pay(orders[other.id])
    for listeners in (mine, theirs):
        for listener in listeners.all:
            listener.wait_for_message(orders[listeners.user.id])
            assert listener.received_only(listeners.user)


@pytest.mark.parametrize(
    "first",
    [
        json.dumps({"token": "wrong"}),
        json.dumps({"token": ""}),
        json.dumps({"token": None}),
        json.dumps({"token": {"a": 1}}),
        '{"token": "\\ud800"}',
        json.dumps({}),
        "[]",
        "null",
        "not JSON",
        "",
        "[" * 10_000,
        b"\x00\xff",
        b'{"token": "wrong"}',
    ],
    ids=lambda first: repr(first[:20]),
)
def test_a_wrong_first_message_closes_the_connection(web: Web, first: Any) -> None:
    with web.socket() as connection:
        connection.send(first)
        assert _closed(connection) == NOT_SIGNED_IN


@pytest.mark.parametrize("store", ["small"], indirect=True)  # it takes five seconds
def test_a_wrong_credential_in_the_handshake_closes_the_connection_unless_a_message_follows(web: Web) -> None:
    with web.socket(Authorization="Bearer wrong") as connection:
        assert _closed(connection) == NOT_SIGNED_IN


@pytest.mark.parametrize("message", ["hello", "", b"\x00\xff", "x" * 100_000])
def test_later_messages_of_a_client_are_ignored(web: Web, stack: ExitStack, message: Any) -> None:
    user = web.user()
    (listener,) = Listeners(stack, user).until_listening().all
    listener.connection.send(message)
    order = user.order("dragon-sword")
    user.pay(order)
    listener.wait_for_message(order)


def test_signing_out_closes_the_connections_of_that_session_only(web: Web, stack: ExitStack) -> None:
    user = web.user()
    second_session = ApiUser(web, user.id, user.username, web.sign_in(user.username).json()["token"])
    ended, others = (
        Listeners(stack, user, 4).until_listening(),
        Listeners(stack, second_session, 2).until_listening(),
    )
    assert user.delete("/api/sessions/current").status_code == 204
    assert {listener.closed() for listener in ended.all} == {NOT_SIGNED_IN}
    order = second_session.order("dragon-sword")
    second_session.pay(order)
    for listener in others.all:
        listener.wait_for_message(order)


def test_closing_the_account_closes_its_connections(web: Web, stack: ExitStack) -> None:
    user = web.user()
    listeners = Listeners(stack, user, 3).until_listening()
    user.delete(f"/api/users/{user.id}")
    assert {listener.closed() for listener in listeners.all} == {NOT_SIGNED_IN}


def test_the_token_of_an_ended_session_is_refused(web: Web) -> None:
    user = web.user()
    user.delete("/api/sessions/current")
    with web.socket() as connection:
        connection.send(json.dumps({"token": user.token}))
        assert _closed(connection) == NOT_SIGNED_IN


def test_connections_from_pages_of_other_sites_are_refused(web: Web) -> None:
    with pytest.raises(InvalidStatus) as refusal, web.socket(Origin="https://evil.example"):
        pass
    assert refusal.value.response.status_code == 403
