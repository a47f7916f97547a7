"""Nonsense on the event socket, a lot of it: the worker lives, others are served, the log keeps no secret."""

import asyncio
import secrets
from typing import Any

import aiohttp
import httpx
import pytest

from tests.security.event_socket import SHELL, STATE, Tab
from tests.security.users import Person

pytestmark = pytest.mark.anyio
MALFORMED: tuple[Any, ...] = (
    None,
    "text",
    "{",
    7,
    [],
    ["event"],
    {},
    {"name": None},
    {"name": 7, "payload": [], "router_data": "x"},
    {"name": f"{SHELL}.load", "payload": "x", "router_data": None},
    {"name": f"{SHELL}.load", "payload": {}, "router_data": {"pathname": 7, "asPath": None, "query": []}},
    {"name": "x" * 100_000, "payload": {}, "router_data": {}},
    {"name": f"{SHELL}.load", "payload": {"a": "y" * 100_000}, "router_data": {}},
    {"name": f"{SHELL}.__init__", "payload": {}, "router_data": {}},
    {"name": f"{SHELL}._tell", "payload": {}, "router_data": {}},
    {"name": f"{STATE}..load", "payload": {}, "router_data": {"pathname": "\x00/%00"}},
)
CALLS = 300


async def _is_served(person: Person) -> None:
    async with Tab(person.shop.url, cookie=person.token) as tab:
        await tab.call(f"{SHELL}.load")
        await tab.until_heard(person.name)


async def test_malformed_frames_do_not_end_the_worker(anna: Person, mallory: Person) -> None:
    workers = anna.shop.worker_pids()
    for data in MALFORMED:
        async with Tab(anna.shop.url, cookie=mallory.token) as tab:
            for event in ("event", "ping", "client_error", "no-such-event"):
                await tab.emit(event, data)
        await _is_served(anna)
    assert anna.shop.worker_pids() == workers
    assert mallory.token not in anna.shop.log()


async def test_bytes_that_are_no_frames_do_not_end_the_worker(anna: Person) -> None:
    workers = anna.shop.worker_pids()

    url = f"{anna.shop.url}/_event/?EIO=4&transport=websocket&token=x"
    async with aiohttp.ClientSession() as session:
        for text in (
            "",
            "4",
            "40",
            "40/_event,{",
            "42/_event,[",
            "9",
            "42/_event," + "[" * 20_000,
            "\x00" * 1_000,
        ):
            async with session.ws_connect(url) as socket:
                await socket.send_str("40/_event,")
                await socket.send_str(text)
                await socket.send_bytes(text.encode())
    await _is_served(anna)
    assert anna.shop.worker_pids() == workers


async def test_a_flood_of_unknown_calls_leaves_others_served_and_the_log_small(
    anna: Person, mallory: Person
) -> None:
    secret, begin, workers = secrets.token_hex(16), len(anna.shop.log()), anna.shop.worker_pids()
    async with Tab(anna.shop.url, cookie=mallory.token) as tab, httpx.AsyncClient() as client:
        for number in range(CALLS):
            await tab.call(
                f"{STATE}.no_such_state.handler_{number}", {"password": secret}, path=f"/?session={secret}"
            )
            if number % 100 == 0:
                assert (await client.get(f"{anna.shop.url}/livez")).status_code == 200
        await _is_served(anna)
        # The one who floods is still in line, and so all calls were dealt with.
        await asyncio.wait_for(tab.settle(), 30)
    log = anna.shop.log()[begin:]
    assert anna.shop.worker_pids() == workers
    assert secret not in log
    assert mallory.token not in log
    assert len(log) < CALLS * 500, "a call to an unknown handler must not write a page into the log"
