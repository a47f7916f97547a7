"""`WS /ws` over real servers: one's own messages, on whichever worker, until the session ends."""

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
    """A connection that keeps what it heard."""

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

    def heard_only(self, player: Player) -> bool:
        """Whether everything heard so far is about this player's orders."""
        own = {row[0] for row in player.web.rows("SELECT id FROM orders WHERE user_id = :id", id=player.id)}
        return {message["order_id"] for message in self.heard} <= own


def _closed(connection: ClientConnection) -> int:
    with suppress(ConnectionClosed):
        while True:
            connection.recv(timeout=10)
    assert connection.close_code is not None
    return connection.close_code


class Ears:
    """Connections of one player, listening."""

    def __init__(self, stack: ExitStack, player: Player, count: int = 1, **handshake: str) -> None:
        handshake = handshake or {"Authorization": f"Bearer {player.token}"}
        self.all = [Ear(stack.enter_context(player.web.socket(**handshake))) for _ in range(count)]
        self.player = player

    def until_listening(self) -> Self:
        """Wait until the store knows them: a handshake is over before it has looked up who is calling."""
        waiting = self.all
        for _ in range(20):
            order = self.player.order("health-potion")
            self.player.pay(order)
            waiting = [ear for ear in waiting if not _hears_soon(ear, order)]
            if not waiting:
                return self
        raise AssertionError("a connection hears nothing")


def _hears_soon(ear: Ear, order: Json) -> bool:
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
def test_a_purchase_a_refund_and_a_cancelation_are_told(web: Web, stack: ExitStack, by_message: bool) -> None:
    player = web.player()
    ears = Ears(stack, player, X_Nothing="-") if by_message else Ears(stack, player)
    (ear,) = ears.all
    if by_message:
        ear.connection.send(json.dumps({"token": player.token}))
    ears.until_listening()
    order = player.order("dragon-sword")
    player.pay(order)
    told = ear.hears(order)
    assert told["event"] == "purchase_success"
    assert told["items"] == [{"sku": "dragon-sword", "name": "Dragon Sword", "quantity": 1}]
    assert told["timestamp"].endswith("+00:00")
    # A repeat is not told again: the next message about the order is the refund.
    player.pay(order)
    web.tell(player.refunded(order))
    assert ear.hears(order)["event"] == "purchase_refunded"
    canceled = player.order("magic-shield")
    player.post(f"/api/orders/{canceled['order_id']}/cancel")
    assert ear.hears(canceled)["event"] == "order_canceled"


def test_the_cookie_of_the_handshake_counts(web: Web, stack: ExitStack) -> None:
    player = web.player()
    answer = web.http.post("/auth/login", data={"username": player.username, "password": PASSWORD})
    Ears(stack, player, Cookie=answer.headers["set-cookie"].partition(";")[0]).until_listening()


def test_every_worker_tells_its_connections_and_nobody_elses(web: Web, stack: ExitStack) -> None:
    player, other = web.player(), web.player()
    # So many that every worker has some.
    mine, theirs = Ears(stack, player, 9).until_listening(), Ears(stack, other, 3).until_listening()
    orders = {one.id: one.order("dragon-sword") for one in (player, other)}
    player.pay(orders[player.id])
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
def test_a_wrong_first_message_ends_it(web: Web, first: Any) -> None:
    with web.socket() as connection:
        connection.send(first)
        assert _closed(connection) == NOT_SIGNED_IN


@pytest.mark.parametrize("store", ["small"], indirect=True)  # it takes the five seconds
def test_a_wrong_credential_in_the_handshake_and_silence_ends_it_after_some_seconds(web: Web) -> None:
    with web.socket(Authorization="Bearer wrong") as connection:
        assert _closed(connection) == NOT_SIGNED_IN


@pytest.mark.parametrize("noise", ["hello", "", b"\x00\xff", "x" * 100_000])
def test_what_a_client_says_later_is_not_for_us_and_harms_nothing(web: Web, stack: ExitStack, noise: Any) -> None:
    player = web.player()
    (ear,) = Ears(stack, player).until_listening().all
    ear.connection.send(noise)
    order = player.order("dragon-sword")
    player.pay(order)
    ear.hears(order)


def test_signing_out_ends_the_connections_of_that_session_only(web: Web, stack: ExitStack) -> None:
    player = web.player()
    again = Player(web, player.id, player.username, web.sign_in(player.username).json()["token"])
    ended, others = Ears(stack, player, 4).until_listening(), Ears(stack, again, 2).until_listening()
    assert player.delete("/api/sessions/current").status_code == 204
    assert {ear.closed() for ear in ended.all} == {NOT_SIGNED_IN}
    order = again.order("dragon-sword")
    again.pay(order)
    for ear in others.all:
        ear.hears(order)


def test_closing_the_account_ends_its_connections(web: Web, stack: ExitStack) -> None:
    player = web.player()
    ears = Ears(stack, player, 3).until_listening()
    player.delete(f"/api/users/{player.id}")
    assert {ear.closed() for ear in ears.all} == {NOT_SIGNED_IN}


def test_a_token_that_was_signed_out_opens_nothing(web: Web) -> None:
    player = web.player()
    player.delete("/api/sessions/current")
    with web.socket() as connection:
        connection.send(json.dumps({"token": player.token}))
        assert _closed(connection) == NOT_SIGNED_IN


def test_pages_of_other_sites_open_nothing(web: Web) -> None:
    with pytest.raises(InvalidStatus) as refusal, web.socket(Origin="https://evil.example"):
        pass
    assert refusal.value.response.status_code == 403
