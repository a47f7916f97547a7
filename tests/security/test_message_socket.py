"""Attacks on `/ws`: it needs an open session, and sends a user only their own messages."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import aiohttp
import pytest

from tests.security.users import SignedInUser, database, pay
from tests.support.store import StoreProcess

pytestmark = pytest.mark.anyio
TIMEOUT_SECONDS = 15


@asynccontextmanager
async def _socket(
    store: StoreProcess, token: str = "", *, first: object = None
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    headers = {"Cookie": f"session={token}"} if token else {}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{store.url}/ws", headers=headers) as socket,
    ):
        if first is not None:
            await socket.send_str(first if isinstance(first, str) else json.dumps(first))
        yield socket


async def _next(socket: aiohttp.ClientWebSocketResponse) -> Any:
    """Return the next message, or None when the server closed the connection."""
    message = await socket.receive(timeout=TIMEOUT_SECONDS)
    return json.loads(message.data) if message.type is aiohttp.WSMsgType.TEXT else None


async def _wait_until_listening(user: SignedInUser, socket: aiohttp.ClientWebSocketResponse) -> None:
    """Wait for a message of the user's own, so that the connection is known to be a listener."""
    await asyncio.to_thread(user.buy, "health-potion")
    message = await _next(socket)
    assert message["event"] == "purchase_success"
    assert message["items"][0]["sku"] == "health-potion"


async def test_a_user_receives_only_their_own_messages(anna: SignedInUser, mallory: SignedInUser) -> None:
    async with (
        _socket(anna.store, anna.token) as own,
        _socket(anna.store, first={"token": mallory.token}) as other,
    ):
        await _wait_until_listening(mallory, other)
        order_id = anna.order("dragon-sword")
        await asyncio.to_thread(pay, anna.store, order_id)
        assert (await _next(own))["order_id"] == order_id
        # The next message that the other user receives is again their own.
        await _wait_until_listening(mallory, other)


@pytest.mark.parametrize(
    "first",
    [
        {"token": "a guess"},
        {"token": ""},
        {"token": None},
        {"token": ["x"]},
        {"user_id": "1"},
        [],
        7,
        "{",
        "[" * 100_000,
        {"token": "x" * 100_000},
    ],
)
async def test_a_connection_without_a_session_is_closed(anna: SignedInUser, first: object) -> None:
    async with _socket(anna.store, first=first) as socket:
        assert await _next(socket) is None


@pytest.mark.parametrize("guess", ["user_id", "order_id", "hash"])
async def test_values_that_an_attacker_may_know_are_not_accepted_as_tokens(anna: SignedInUser, guess: str) -> None:
    with closing(database(anna.store)) as connection:
        [hashed] = connection.execute(
            "SELECT token_hash FROM sessions WHERE user_id = ?", (anna.user_id,)
        ).fetchone()
    known = {"user_id": anna.user_id, "order_id": anna.order("dragon-sword"), "hash": hashed}
    for token, first in ((known[guess], None), ("", {"token": known[guess]})):
        async with _socket(anna.store, token, first=first or {}) as socket:
            assert await _next(socket) is None


async def test_signing_out_closes_the_connection(anna: SignedInUser) -> None:
    async with _socket(anna.store, anna.token) as socket:
        await _wait_until_listening(anna, socket)
        assert (await asyncio.to_thread(anna.request, "POST", "/auth/logout")).status_code == 303
        assert await _next(socket) is None


async def test_a_session_that_was_ended_in_the_database_receives_nothing_more(anna: SignedInUser) -> None:
    async with _socket(anna.store, anna.token) as socket:
        await _wait_until_listening(anna, socket)
        order_id = anna.order("dragon-sword")
        with closing(database(anna.store)) as connection, connection:
            connection.execute("UPDATE sessions SET ended_at = created_at WHERE user_id = ?", (anna.user_id,))
        await asyncio.to_thread(pay, anna.store, order_id)
        assert await _next(socket) is None
