"""Redis is killed, paused, emptied or cut off: only live messages need it, and they are sent later."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from redis import Redis

from store_app.live.bus import STREAM
from tests.integration.shop import wait_until
from tests.integration.test_api_live import Listener, Listeners
from tests.integration.web import PASSWORD, ApiUser, Web
from tests.outage.load import HealthMonitor, timed
from tests.security.event_socket import LIBRARY, SHELL, Tab
from tests.support.invariants import check
from tests.support.network import Network, network_to
from tests.support.postgres import PostgresServer, fresh_database
from tests.support.redis import RedisServer, redis_server
from tests.support.store import StoreProcess

WORKERS = 2
# So many that every worker has several.
CONNECTIONS = 6
SKU = "health-potion"
TIMEOUT_SECONDS = 30
EXPIRE_LEASES_OF_UNSENT = "UPDATE outbox SET leased_until = :then WHERE last_error <> ''"
# The store does not wait for Redis before it responds; the rest is a margin for a busy machine.
MAX_RESPONSE_SECONDS = 1.0
# Signing out notifies the other workers, and waits two seconds at most for Redis.
MAX_SIGN_OUT_SECONDS = 4.0


@dataclass
class StoreWithRedis:
    """A store with several workers, and a network between the store and its Redis."""

    web: Web
    redis: RedisServer
    network: Network
    portal: BlockingPortal

    @contextmanager
    def tab(self, user: ApiUser, cookie: str) -> Iterator[Tab]:
        """Open the library in a tab, and wait until it shows the user's name."""
        tab = Tab(self.web.store.url, cookie=cookie)
        with self.portal.wrap_async_context_manager(tab):
            for page in (SHELL, LIBRARY):
                self.portal.call(_load, tab, page)
            self.portal.call(tab.wait_for_text, user.username)
            yield tab


async def _load(tab: Tab, page: str) -> None:
    await tab.call(f"{page}.load", path="/library")


@pytest.fixture(scope="module")
def shared_store(own_postgres: PostgresServer) -> Iterator[StoreWithRedis]:
    """Return a store with several workers."""
    database_url = fresh_database(own_postgres.url)
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server())
        network = stack.enter_context(network_to(redis.port))
        url = f"redis://127.0.0.1:{network.port}/0"
        store = StoreProcess(simulator=True, database_url=database_url, redis_url=url, workers=WORKERS)
        web = stack.enter_context(Web(stack.enter_context(store)))
        yield StoreWithRedis(web, redis, network, stack.enter_context(start_blocking_portal()))


# Each yields for how many seconds to monitor the store meanwhile; 0.0 when the outage is over immediately.
@contextmanager
def _killed(shared_store: StoreWithRedis) -> Iterator[float]:
    shared_store.redis.kill()
    try:
        yield 2.0
    finally:
        shared_store.redis.start()


@contextmanager
def _paused(shared_store: StoreWithRedis) -> Iterator[float]:
    os.kill(shared_store.redis.child.pid, signal.SIGSTOP)
    try:
        # Together with the two seconds of signing out, the pause lasts ten seconds.
        yield 8.0
    finally:
        os.kill(shared_store.redis.child.pid, signal.SIGCONT)


@contextmanager
def _emptied(shared_store: StoreWithRedis) -> Iterator[float]:
    with Redis.from_url(shared_store.redis.url) as client:
        client.flushall()
    yield 0.0


@contextmanager
def _cut_off(shared_store: StoreWithRedis) -> Iterator[float]:
    """Lose data of each connection, which stays dead afterwards."""
    with shared_store.network.black_hole():
        yield 2.0


Outage = Callable[[StoreWithRedis], AbstractContextManager[float]]


@pytest.mark.parametrize("outage", [_killed, _paused, _emptied, _cut_off])
def test_users_lose_nothing_during_an_outage_of_redis(shared_store: StoreWithRedis, outage: Outage) -> None:
    web, user = shared_store.web, shared_store.web.user()
    cookie = _cookie_of(user)
    with ExitStack() as connections:
        tab = connections.enter_context(shared_store.tab(user, cookie))
        listeners = Listeners(connections, user, CONNECTIONS).until_listening()
        with outage(shared_store) as seconds:
            bought = [_buy(user) for _ in range(4)]
            assert _owned(web, cookie).issuperset(bought)
            _sign_in_and_out(user)
            HealthMonitor(web, seconds).check("Redis does not answer" if seconds else "")
            # A worker that delivered locally first would repeat the message at every retry.
            assert not seconds or all(_received_so_far(listener).isdisjoint(bought) for listener in listeners.all)

        # Connections from before the outage receive messages again: new ones, and those from during the outage.
        Listeners(connections, user, CONNECTIONS).until_listening()
        listeners.until_listening()
        web.change(EXPIRE_LEASES_OF_UNSENT, then="2020-01-01 00:00:00+00:00")
        wait_until(
            lambda: all(_received_so_far(listener).issuperset(bought) for listener in listeners.all),
            TIMEOUT_SECONDS,
        )
        shared_store.portal.call(tab.wait_for_text, f"/orders/{_buy(user)}")
    with shared_store.tab(user, cookie):
        pass
    wait_until(lambda: not web.rows("SELECT id FROM outbox"), TIMEOUT_SECONDS)
    assert web.http.get("/health").status_code == 200
    check(web.engine)


@pytest.mark.parametrize(
    "entry",
    [
        {"news": "not JSON"},
        {"news": "[]"},
        {"news": '{"from": "a later release", "message": {"new": 1}}'},
        {"something": "else"},
    ],
)
def test_a_worker_keeps_receiving_after_a_stream_entry_that_it_cannot_read(
    shared_store: StoreWithRedis, entry: dict[str, str]
) -> None:
    with Redis.from_url(shared_store.redis.url) as client:
        client.xadd(STREAM, dict(entry))
    with ExitStack() as connections:
        Listeners(connections, shared_store.web.user(), CONNECTIONS).until_listening()


def _received_so_far(listener: Listener) -> set[str]:
    """Return the orders that a connection has received messages about."""
    with suppress(TimeoutError):
        while True:
            listener.received.append(json.loads(listener.connection.recv(timeout=0)))
    return {message["order_id"] for message in listener.received}


def _cookie_of(user: ApiUser) -> str:
    response = user.web.http.post("/auth/login", data={"username": user.username, "password": PASSWORD})
    user.web.http.cookies.clear()
    return response.cookies["session"]


def _buy(user: ApiUser) -> str:
    """Order an item and have it paid, which gets a response immediately; return the order's id."""
    order = user.order(SKU)
    paid = timed(lambda: user.pay(order))
    assert paid.status == 204
    assert paid.seconds < MAX_RESPONSE_SECONDS
    return str(order["order_id"])


def _sign_in_and_out(user: ApiUser) -> None:
    other = ApiUser(user.web, user.id, user.username, user.web.sign_in(user.username).json()["token"])
    out = timed(lambda: other.delete("/api/sessions/current"))
    assert out.status == 204
    assert out.seconds < MAX_SIGN_OUT_SECONDS
    assert other.get("/api/purchases").status_code == 401


def _owned(web: Web, cookie: str) -> set[str]:
    response = web.http.get("/api/purchases?limit=100", headers={"Cookie": f"session={cookie}"})
    assert response.status_code == 200, response.text
    return {purchase["order_id"] for purchase in response.json()}
