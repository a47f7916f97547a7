"""One client cannot take the store down over its sockets: what it sends is bounded."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import httpx
import pytest

from tests.chaos.sieging.meters import memory_mb
from tests.chaos.sieging.raw import EVENTS as EVENTS_PATH
from tests.chaos.sieging.raw import MESSAGES as MESSAGES_PATH
from tests.chaos.sieging.raw import unfinished_messages
from tests.security.event_socket import SHELF, SHELL, Tab
from tests.security.users import SignedInUser
from tests.support.redis import redis_server
from tests.support.store import StoreProcess

pytestmark = pytest.mark.anyio
LOAD = {"name": f"{SHELF}.load", "payload": {}, "router_data": {"pathname": "/", "asPath": "/?q=a"}}
EVENT = "42/_event," + json.dumps(["event", LOAD])
SOCKETS, EVENTS = 10, 600


@asynccontextmanager
async def _raw(store: StoreProcess, path: str = EVENTS_PATH) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{store.url}{path}") as socket:
        yield socket


async def _connected(store: StoreProcess, stack: AsyncExitStack) -> aiohttp.ClientWebSocketResponse:
    socket = await stack.enter_async_context(_raw(store))
    await socket.send_str("40/_event,")
    return socket


async def _seconds_of_items(store: StoreProcess, calls: int = 15) -> float:
    """Return the median time of a request."""
    times = []
    async with httpx.AsyncClient() as client:
        for _ in range(calls):
            begin = time.perf_counter()
            assert (await client.get(f"{store.url}/api/items")).status_code == 200
            times.append(time.perf_counter() - begin)
    return sorted(times)[calls // 2]


async def test_events_of_a_connection_that_closed_are_not_worked_off(store: StoreProcess) -> None:
    quiet = await _seconds_of_items(store)
    async with AsyncExitStack() as stack:
        sockets = [await _connected(store, stack) for _ in range(SOCKETS)]
        flood = [asyncio.create_task(_send_many(socket)) for socket in sockets]
        await asyncio.wait(flood, timeout=2)
        for task in flood:
            task.cancel()
        # Hang up without waiting for anything.
        for socket in sockets:
            transport = socket._writer.transport
            assert transport is not None
            transport.abort()
    busy = _cpu_seconds(store)
    await asyncio.sleep(2)
    # Thousands of events were sent; without a limit the worker would be busy with them for long.
    assert _cpu_seconds(store) - busy < 1
    assert await _seconds_of_items(store) < 5 * quiet + 0.02


async def _send_many(socket: aiohttp.ClientWebSocketResponse) -> None:
    # The server closes the connection long before the end.
    with suppress(ConnectionError, aiohttp.ClientError):
        for _ in range(EVENTS):
            await socket.send_str(EVENT)


def _cpu_seconds(store: StoreProcess) -> float:
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in store.worker_pids()]
    return sum(int(user) + int(system) for *_, user, system in (row[:13] for row in fields)) / 100


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        # The first frame promises attachments, for which Socket.IO would wait.
        (['459999-/_event,["event",{"_placeholder":true,"num":0}]'], 1003),
        ([b"\x00" * 100_000], 1003),
        (["bNDI="], 1003),
        (["42/_event," + json.dumps(["event", {"name": f"{SHELL}.load", "payload": {"x": "y" * 70_000}}])], 1009),
    ],
)
async def test_frames_that_no_page_sends_close_the_connection(
    store: StoreProcess, frames: list[str | bytes], code: int
) -> None:
    async with AsyncExitStack() as stack:
        socket = await _connected(store, stack)
        for frame in frames:
            await (socket.send_str(frame) if isinstance(frame, str) else socket.send_bytes(frame))
        assert await _close_code(socket) == code


@pytest.mark.parametrize(
    "event",
    [
        {"name": f"{SHELL}.no_such_handler", "payload": {}},
        {"name": f"{SHELL}.load", "payload": {"no_such_argument": 1}},
        {"name": [], "payload": {}},
        {"name": f"{SHELL}.load", "payload": "x"},
        {"name": f"{SHELL}.load", "payload": []},
        {"name": f"{SHELL}.load", "payload": None},
        {"name": f"{SHELL}.load", "payload": {}, "router_data": None},
        {"name": f"{SHELL}.load", "payload": {}, "router_data": {"pathname": "/", "asPath": 5}},
        {"name": f"{SHELL}.load", "payload": {}, "router_data": {"pathname": "/", "asPath": "x://["}},
        {"name": f"{SHELL}.load", "payload": {}, "router_data": {"pathname": "/", "asPath": "//[x"}},
        {"name": f"{SHELL}.load", "payload": {}, "router_data": {"asPath": "/", "query": [1]}},
        {"name": f"{SHELL}.load", "payload": {}, "router_data": {"pathname": "/\ud800", "asPath": "/"}},
    ],
)
async def test_events_that_no_page_sends_are_dropped_and_the_next_one_is_served(
    anna: SignedInUser, event: dict[str, object]
) -> None:
    begin = len(anna.store.log())
    async with Tab(anna.store.url, cookie=anna.token) as tab:
        for _ in range(20):
            await tab.emit("event", event)
        await tab.call(f"{SHELL}.load")
        await tab.wait_for_text(anna.name)
    log = anna.store.log()[begin:]
    assert log.count("\n") <= 3
    assert "ERROR" not in log
    assert "Traceback" not in log


@pytest.fixture(params=["one worker", "three workers"])
def limited_store(request: pytest.FixtureRequest) -> Iterator[StoreProcess]:
    """Return a store with low limits; several workers count in Redis, whichever gets a connection."""
    env = {"MAX_SOCKETS_PER_ADDRESS": "4", "MAX_SOCKETS_PER_USER": "2"}
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server()).url if request.param == "three workers" else ""
        yield stack.enter_context(StoreProcess(env=env, redis_url=redis, workers=3 if redis else None))


async def _close_code(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    async with asyncio.timeout(10):
        while (await socket.receive()).type not in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}:
            pass
    return socket.close_code


async def _until_accepted(store: StoreProcess) -> None:
    async with asyncio.timeout(10):
        while True:
            async with _raw(store) as socket:
                if (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                    return


async def test_an_address_may_keep_so_many_sockets_open(limited_store: StoreProcess) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(4):
            socket = await stack.enter_async_context(_raw(limited_store))
            assert (await socket.receive_str()).startswith("0")
        for path in ("/_event/?EIO=4&transport=websocket&token=x", "/ws"):
            for _ in range(4):
                assert await _close_code(await stack.enter_async_context(_raw(limited_store, path))) == 1013
    # Those that closed no longer count.
    await _until_accepted(limited_store)


async def test_connections_at_the_same_moment_do_not_get_round_the_limit(limited_store: StoreProcess) -> None:
    async with AsyncExitStack() as stack:
        sockets = await asyncio.gather(*(stack.enter_async_context(_raw(limited_store)) for _ in range(30)))
        first = await asyncio.gather(*(socket.receive() for socket in sockets))
        assert sum(one.type is aiohttp.WSMsgType.TEXT for one in first) <= 4


async def test_a_user_may_keep_so_many_sockets_open(limited_store: StoreProcess) -> None:
    user = SignedInUser(limited_store)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(Tab(limited_store.url, cookie=user.token))
        await stack.enter_async_context(Tab(limited_store.url, cookie=user.token))
        refused = await stack.enter_async_context(_raw(limited_store, "/ws"))
        await refused.send_json({"token": user.token})
        assert await _close_code(refused) == 1013


@pytest.mark.parametrize(
    "frame",
    ["3", "2", "4", "41/nope,", "40/_event,", "40/_event," + json.dumps({"event": LOAD})],
    ids=["pong", "ping", "nothing", "another namespace", "connect", "connect with an event"],
)
async def test_frames_of_every_kind_are_limited(store: StoreProcess, frame: str) -> None:
    async with AsyncExitStack() as stack:
        socket = await _connected(store, stack)
        with suppress(ConnectionError, aiohttp.ClientError):
            for _ in range(200):
                await socket.send_str(frame)
        # 1006: what was still being sent met a closed connection.
        assert await _close_code(socket) in {1006, 1008}


async def test_a_message_socket_whose_client_sends_without_end_is_closed(anna: SignedInUser) -> None:
    async with _raw(anna.store, "/ws") as socket:
        await socket.send_json({"token": anna.token})
        with suppress(ConnectionError, aiohttp.ClientError):
            for _ in range(200):
                await socket.send_str("x")
        assert await _close_code(socket) in {1006, 1008}


async def test_tabs_that_have_no_slot_do_not_use_up_the_limit_of_the_others() -> None:
    env = {"MAX_SOCKETS_PER_ADDRESS": "1", "LIMIT_SOCKETS": "3/hour"}
    with StoreProcess(env=env) as store:
        async with _raw(store) as served:
            await served.receive()
            for _ in range(5):
                async with _raw(store) as refused:
                    assert await _close_code(refused) == 1013
        await _until_accepted(store)


@pytest.mark.parametrize("path", [EVENTS_PATH, MESSAGES_PATH])
async def test_a_message_without_an_end_is_cut_off_before_it_fills_the_memory(
    store: StoreProcess, path: str
) -> None:
    before = memory_mb(store)
    assert await unfinished_messages(store.port, path, 4, 50_000_000) == 4
    # The server would keep 32 MB of each.
    assert memory_mb(store) - before < 50
    assert "unfinished_message: a connection was ended" in store.log()


async def test_a_long_first_message_is_not_read(store: StoreProcess) -> None:
    async with _raw(store, MESSAGES_PATH) as socket:
        await socket.send_str("[" + "{}," * 20_000 + "{}]")
        assert await _close_code(socket) == 4401


async def test_long_frames_count_as_several(store: StoreProcess) -> None:
    """They are as much work, also when no page sends them."""
    async with _raw(store) as socket:
        for _ in range(4):
            await socket.send_str("42/_event," + "[" * 63_000)
        assert await _close_code(socket) == 1008


async def test_an_address_of_a_page_that_no_browser_has_is_not_answered(store: StoreProcess) -> None:
    """The answer would repeat it several times."""
    long = json.dumps(["event", LOAD | {"router_data": {"pathname": "/", "asPath": "/?q=" + "a" * 8_000}}])
    async with AsyncExitStack() as stack:
        socket = await _connected(store, stack)
        await socket.send_str(f"42/_event,{long}")
        await socket.send_str(EVENT)
        answers = [await socket.receive_str() for _ in range(3)]
    assert "a" * 8_000 not in "".join(answers)
