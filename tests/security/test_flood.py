"""Floods of malformed events: the worker survives, other users are served, and no secret gets into the log."""

import asyncio
import secrets
from typing import Any

import aiohttp
import httpx
import pytest

from tests.security.event_socket import SHELL, STATE, Tab
from tests.security.users import SignedInUser
from tests.support.store import StoreProcess

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
    {"name": f"{SHELL}._show_message", "payload": {}, "router_data": {}},
    {"name": f"{STATE}..load", "payload": {}, "router_data": {"pathname": "\x00/%00"}},
)
CALLS, CALLS_OF_TAB = 300, 50


async def _is_served(user: SignedInUser) -> None:
    async with Tab(user.store.url, cookie=user.token) as tab:
        await tab.call(f"{SHELL}.load")
        await tab.wait_for_text(user.name)


async def test_malformed_frames_do_not_end_the_worker(anna: SignedInUser, mallory: SignedInUser) -> None:
    workers = anna.store.worker_pids()
    for data in MALFORMED:
        async with Tab(anna.store.url, cookie=mallory.token) as tab:
            for event in ("event", "ping", "client_error", "no-such-event"):
                await tab.emit(event, data)
        await _is_served(anna)
    assert anna.store.worker_pids() == workers
    assert mallory.token not in anna.store.log()


async def test_bytes_that_are_not_frames_do_not_end_the_worker(anna: SignedInUser) -> None:
    workers = anna.store.worker_pids()

    url = f"{anna.store.url}/_event/?EIO=4&transport=websocket&token=x"
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
    assert anna.store.worker_pids() == workers


async def test_a_flood_of_unknown_calls_neither_blocks_others_nor_fills_the_log(
    anna: SignedInUser, mallory: SignedInUser
) -> None:
    secret, begin, workers = secrets.token_hex(16), len(anna.store.log()), anna.store.worker_pids()
    async with httpx.AsyncClient() as client:
        for _ in range(CALLS // CALLS_OF_TAB):
            async with Tab(anna.store.url, cookie=mallory.token) as tab:
                for number in range(CALLS_OF_TAB):
                    await tab.call(
                        f"{STATE}.no_such_state.handler_{number}", {"password": secret}, path=f"/?session={secret}"
                    )
                assert (await client.get(f"{anna.store.url}/livez")).status_code == 200
                # Events are handled in order, so after this one all calls of the tab are handled.
                await asyncio.wait_for(tab.settle(), 30)
        await _is_served(anna)
    log = anna.store.log()[begin:]
    assert anna.store.worker_pids() == workers
    assert secret not in log
    assert mallory.token not in log
    assert len(log) < CALLS * 10, "calls to unknown handlers must be summed up"


async def test_a_tab_that_calls_too_often_is_disconnected(anna: SignedInUser, mallory: SignedInUser) -> None:
    async with Tab(anna.store.url, cookie=mallory.token) as tab:
        for _ in range(CALLS):
            await tab.call(f"{SHELL}.load")
        await tab.wait_until_closed()
    await _is_served(anna)


@pytest.mark.parametrize(
    ("handler", "payload"),
    [
        (f"{SHELL}.setvar", {"x": 1}),
        (f"{SHELL}.load", {"x" * 2_000: 1}),
        (
            f"{STATE}.reflex___state____frontend_event_exception_state.handle_frontend_exception",
            {"info": "A" * 1_500, "component_stack": "B" * 1_500},
        ),
    ],
)
async def test_a_flood_of_odd_arguments_is_counted_and_not_logged_whole(
    anna: SignedInUser, handler: str, payload: dict[str, object]
) -> None:
    begin = len(anna.store.log())
    async with Tab(anna.store.url) as tab:
        for _ in range(CALLS_OF_TAB):
            await tab.call(handler, payload)
        await asyncio.wait_for(tab.settle(), 30)
    log = anna.store.log()[begin:]
    assert "Traceback" not in log
    assert all(len(line) < 700 for line in log.splitlines())
    assert len(log) < CALLS_OF_TAB * 50


async def test_an_event_whose_name_is_no_text_leaves_no_traceback(anna: SignedInUser) -> None:
    begin = len(anna.store.log())
    async with Tab(anna.store.url) as tab:
        for _ in range(CALLS_OF_TAB):
            await tab.emit("event", {"name": []})
        await tab.settle()
    await _is_served(anna)
    log = anna.store.log()[begin:]
    assert "Traceback" not in log
    assert len(log) < CALLS * 50


async def test_a_flood_of_bad_signatures_is_summed_up(anna: SignedInUser) -> None:
    begin = len(anna.store.log())
    async with httpx.AsyncClient() as client:
        for _ in range(20):
            answer = await client.post(f"{anna.store.url}/api/webhooks/payment", content=b"{}")
            assert answer.status_code == 400
        await _log_has(anna.store, begin, "bad_signature: ")
        await _log_has(anna.store, begin, "more like this in the last second")
        metrics = (await client.get(f"{anna.store.url}/metrics")).text
    assert 'store_security_events_total{kind="bad_signature"}' in metrics
    assert "WARNING store_app.security: bad_signature" in anna.store.log()[begin:]
    assert len(anna.store.log()[begin:].splitlines()) < 15


async def _log_has(store: StoreProcess, begin: int, text: str) -> None:
    async with asyncio.timeout(15):
        while text not in store.log()[begin:]:  # noqa: ASYNC110 - the log is a file of another process
            await asyncio.sleep(0.05)
