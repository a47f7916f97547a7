"""`WS /ws` on running stores: users receive their own messages, on every worker, until the session ends."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any, Self

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from tests.integration.web import PASSWORD, Json, Player, Web

NOT_SIGNED_IN = 4401


class Ear:
    """A connection that keeps the messages it received."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.heard: list[Json] = []

    def hears(self, order: Json, seconds: float = 10) -> Json:
        """Wait for the next message about an order and return it."""
        deadline = time.monotonic() + seconds
        while True:
            self.heard.append(json.loads(self.connection.recv(timeout=max(0.0, deadline - time.monotonic()))))
            if self.heard[-1]["order_id"] == order["order_id"]:
                return self.heard[-1]

    def closed(self) -> int:
        """Wait for the end of the connection and return its code."""
        return _closed(self.connection)

    def heard_only(self, user: Player) -> bool:
        """Whether all messages so far are about this user's orders."""
        own = {row[0] for row in user.web.rows("SELECT id FROM orders WHERE user_id = :id", id=user.id)}
        return {message["order_id"] for message in self.heard} <= own


def _closed(connection: ClientConnection) -> int:
    with suppress(ConnectionClosed):
        while True:
            connection.recv(timeout=10)
    assert connection.close_code is not None
    return connection.close_code


class Ears:
    """Several connections of one user."""

    def __init__(self, stack: ExitStack, user: Player, count: int = 1, **handshake: str) -> None:
        handshake = handshake or {"Authorization": f"Bearer {user.token}"}
        self.all = [Ear(stack.enter_context(user.web.socket(**handshake))) for _ in range(count)]
        self.player = user

    def until_listening(self) -> Self:
        """Wait until the store sends to them: a handshake ends before the store has looked up the user."""
        waiting = self.all
        for _ in range(20):
            order = self.player.order("health-potion")
            self.player.pay(order)
            waiting = [ear for ear in waiting if not _receives_soon(ear, order)]
            if not waiting:
                return self
        raise AssertionError("a connection receives nothing")


def _receives_soon(ear: Ear, order: Json) -> bool:
    try:
        ear.hears(order, 0.5)
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
    user = web.player()
    ears = Ears(stack, user, X_Nothing="-") if by_message else Ears(stack, user)
    (ear,) = ears.all
    if by_message:
        ear.connection.send(json.dumps({"token": user.token}))
    ears.until_listening()
    order = user.order("dragon-sword")
    user.pay(order)
    message = ear.hears(order)
    assert message["event"] == "purchase_success"
    assert message["items"] == [{"sku": "dragon-sword", "name": "Dragon Sword", "quantity": 1}]
    assert message["timestamp"].endswith("+00:00")
    # A repeat sends no message: the next one about the order is the refund's.
    user.pay(order)
    web.tell(user.refunded(order))
    assert ear.hears(order)["event"] == "purchase_refunded"
    canceled = user.order("magic-shield")
    user.post(f"/api/orders/{canceled['order_id']}/cancel")
    assert ear.hears(canceled)["event"] == "order_canceled"


def test_the_cookie_of_the_handshake_is_a_credential(web: Web, stack: ExitStack) -> None:
    user = web.player()
    answer = web.http.post("/auth/login", data={"username": user.username, "password": PASSWORD})
    Ears(stack, user, Cookie=answer.headers["set-cookie"].partition(";")[0]).until_listening()


def test_every_worker_sends_users_only_their_own_messages(web: Web, stack: ExitStack) -> None:
    user, other = web.player(), web.player()
    # Enough connections that every worker has some.
    mine, theirs = Ears(stack, user, 9).until_listening(), Ears(stack, other, 3).until_listening()
    orders = {one.id: one.order("dragon-sword") for one in (user, other)}
    user.pay(orders[user.id])
    other.pay(orders[other.id])
    for ears in (mine, theirs):
        for ear in ears.all:
            ear.hears(orders[ears.player.id])
            assert ear.heard_only(ears.player)


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
    user = web.player()
    (ear,) = Ears(stack, user).until_listening().all
    ear.connection.send(message)
    order = user.order("dragon-sword")
    user.pay(order)
    ear.hears(order)


def test_signing_out_closes_the_connections_of_that_session_only(web: Web, stack: ExitStack) -> None:
    user = web.player()
    second_session = Player(web, user.id, user.username, web.sign_in(user.username).json()["token"])
    ended, others = Ears(stack, user, 4).until_listening(), Ears(stack, second_session, 2).until_listening()
    assert user.delete("/api/sessions/current").status_code == 204
    assert {ear.closed() for ear in ended.all} == {NOT_SIGNED_IN}
    order = second_session.order("dragon-sword")
    second_session.pay(order)
    for ear in others.all:
        ear.hears(order)


def test_closing_the_account_closes_its_connections(web: Web, stack: ExitStack) -> None:
    user = web.player()
    ears = Ears(stack, user, 3).until_listening()
    user.delete(f"/api/users/{user.id}")
    assert {ear.closed() for ear in ears.all} == {NOT_SIGNED_IN}


def test_the_token_of_an_ended_session_is_refused(web: Web) -> None:
    user = web.player()
    user.delete("/api/sessions/current")
    with web.socket() as connection:
        connection.send(json.dumps({"token": user.token}))
        assert _closed(connection) == NOT_SIGNED_IN


def test_connections_from_pages_of_other_sites_are_refused(web: Web) -> None:
    with pytest.raises(InvalidStatus) as refusal, web.socket(Origin="https://evil.example"):
        pass
    assert refusal.value.response.status_code == 403
