"""`/ws` as an attacker meets it: only with a session that is open, and only what is one's own."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import aiohttp
import pytest

from tests.security.users import Person, database, pay
from tests.support.store import StoreProcess

pytestmark = pytest.mark.anyio
SECONDS = 15


@asynccontextmanager
async def _socket(
    shop: StoreProcess, token: str = "", *, first: object = None
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    headers = {"Cookie": f"session={token}"} if token else {}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{shop.url}/ws", headers=headers) as socket,
    ):
        if first is not None:
            await socket.send_str(first if isinstance(first, str) else json.dumps(first))
        yield socket


async def _next(socket: aiohttp.ClientWebSocketResponse) -> Any:
    """Return the next message, or None when the server hung up."""
    message = await socket.receive(timeout=SECONDS)
    return json.loads(message.data) if message.type is aiohttp.WSMsgType.TEXT else None


async def _is_listening(person: Person, socket: aiohttp.ClientWebSocketResponse) -> None:
    """Let the socket hear something of its own, so that it is known to be in place."""
    await asyncio.to_thread(person.buy, "health-potion")
    heard = await _next(socket)
    assert heard["event"] == "purchase_success"
    assert heard["items"][0]["sku"] == "health-potion"


async def test_a_player_hears_only_what_is_their_own(anna: Person, mallory: Person) -> None:
    async with _socket(anna.shop, anna.token) as own, _socket(anna.shop, first={"token": mallory.token}) as other:
        await _is_listening(mallory, other)
        order_id = anna.order("dragon-sword")
        await asyncio.to_thread(pay, anna.shop, order_id)
        assert (await _next(own))["order_id"] == order_id
        # The very next thing the other one hears is again their own.
        await _is_listening(mallory, other)


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
async def test_whoever_has_no_session_is_hung_up_on(anna: Person, first: object) -> None:
    async with _socket(anna.shop, first=first) as socket:
        assert await _next(socket) is None


@pytest.mark.parametrize("guess", ["user_id", "order_id", "hash"])
async def test_what_an_attacker_may_know_is_no_token(anna: Person, guess: str) -> None:
    with closing(database(anna.shop)) as connection:
        [hashed] = connection.execute(
            "SELECT token_hash FROM sessions WHERE user_id = ?", (anna.user_id,)
        ).fetchone()
    known = {"user_id": anna.user_id, "order_id": anna.order("dragon-sword"), "hash": hashed}
    for token, first in ((known[guess], None), ("", {"token": known[guess]})):
        async with _socket(anna.shop, token, first=first or {}) as socket:
            assert await _next(socket) is None


async def test_signing_out_hangs_up(anna: Person) -> None:
    async with _socket(anna.shop, anna.token) as socket:
        await _is_listening(anna, socket)
        assert (await asyncio.to_thread(anna.ask, "POST", "/auth/logout")).status_code == 303
        assert await _next(socket) is None


async def test_a_session_that_ended_unnoticed_hears_nothing_more(anna: Person) -> None:
    async with _socket(anna.shop, anna.token) as socket:
        await _is_listening(anna, socket)
        order_id = anna.order("dragon-sword")
        with closing(database(anna.shop)) as connection, connection:
            connection.execute("UPDATE sessions SET ended_at = created_at WHERE user_id = ?", (anna.user_id,))
        await asyncio.to_thread(pay, anna.shop, order_id)
        assert await _next(socket) is None
