"""Redis is killed, paused, emptied or cut off: only live messages need it, and they come later."""

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
from tests.integration.test_api_live import Ear, Ears
from tests.integration.web import PASSWORD, Player, Web
from tests.outage.load import Watch, timed
from tests.security.event_socket import LIBRARY, SHELL, Tab
from tests.support.invariants import check
from tests.support.network import Network, network_to
from tests.support.postgres import PostgresServer, fresh_database
from tests.support.redis import RedisServer, redis_server
from tests.support.store import StoreProcess

WORKERS = 2
# So many that every worker has some.
CONNECTIONS = 6
THING = "health-potion"
SECONDS = 30
NOT_SENT_IS_DUE = "UPDATE outbox SET leased_until = :then WHERE last_error <> ''"
# The store says nothing to Redis before it answers; the rest is for a busy machine.
AT_ONCE = 1.0
# Other workers are told, if Redis takes it within two seconds.
MAX_SIGN_OUT_SECONDS = 4.0


@dataclass
class Scene:
    """A store with several workers, and a network between it and its Redis."""

    web: Web
    redis: RedisServer
    network: Network
    portal: BlockingPortal

    @contextmanager
    def tab(self, player: Player, cookie: str) -> Iterator[Tab]:
        """Open the library in a tab, which shows whose it is."""
        tab = Tab(self.web.store.url, cookie=cookie)
        with self.portal.wrap_async_context_manager(tab):
            for page in (SHELL, LIBRARY):
                self.portal.call(_load, tab, page)
            self.portal.call(tab.until_heard, player.username)
            yield tab


async def _load(tab: Tab, page: str) -> None:
    await tab.call(f"{page}.load", path="/library")


@pytest.fixture(scope="module")
def scene(postgres_of_our_own: PostgresServer) -> Iterator[Scene]:
    """Return a store with several workers."""
    database_url = fresh_database(postgres_of_our_own.url)
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server())
        network = stack.enter_context(network_to(redis.port))
        url = f"redis://127.0.0.1:{network.port}/0"
        store = StoreProcess(simulator=True, database_url=database_url, redis_url=url, workers=WORKERS)
        web = stack.enter_context(Web(stack.enter_context(store)))
        yield Scene(web, redis, network, stack.enter_context(start_blocking_portal()))


# Each yields for how many seconds to look at the store meanwhile; none, when it is over at once.
@contextmanager
def _killed(scene: Scene) -> Iterator[float]:
    scene.redis.kill()
    try:
        yield 2.0
    finally:
        scene.redis.start()


@contextmanager
def _paused(scene: Scene) -> Iterator[float]:
    os.kill(scene.redis.child.pid, signal.SIGSTOP)
    try:
        # It is ten with the two that signing out takes.
        yield 8.0
    finally:
        os.kill(scene.redis.child.pid, signal.SIGCONT)


@contextmanager
def _emptied(scene: Scene) -> Iterator[float]:
    with Redis.from_url(scene.redis.url) as client:
        client.flushall()
    yield 0.0


@contextmanager
def _cut_off(scene: Scene) -> Iterator[float]:
    """Lose something of each connection, which stays mute."""
    with scene.network.black_hole():
        yield 2.0


Outage = Callable[[Scene], AbstractContextManager[float]]


@pytest.mark.parametrize("outage", [_killed, _paused, _emptied, _cut_off])
def test_players_lose_nothing_while_redis_is_away(scene: Scene, outage: Outage) -> None:
    web, player = scene.web, scene.web.player()
    cookie = _cookie_of(player)
    with ExitStack() as connections:
        tab = connections.enter_context(scene.tab(player, cookie))
        ears = Ears(connections, player, CONNECTIONS).until_listening()
        with outage(scene) as seconds:
            bought = [_buy(player) for _ in range(4)]
            assert _owned(web, cookie).issuperset(bought)
            _sign_in_and_out(player)
            Watch(web, seconds).check("Redis does not answer" if seconds else "")
            # Who heard already would hear it again at every try, for as long as Redis is away.
            assert not seconds or all(_heard_so_far(ear).isdisjoint(bought) for ear in ears.all)

        # The connections of before hear again too: of what happens now, and of what happened meanwhile.
        Ears(connections, player, CONNECTIONS).until_listening()
        ears.until_listening()
        web.change(NOT_SENT_IS_DUE, then="2020-01-01 00:00:00+00:00")
        wait_until(lambda: all(_heard_so_far(ear).issuperset(bought) for ear in ears.all), SECONDS)
        scene.portal.call(tab.until_heard, f"/orders/{_buy(player)}")
    with scene.tab(player, cookie):
        pass
    wait_until(lambda: not web.rows("SELECT id FROM outbox"), SECONDS)
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
def test_what_a_worker_does_not_understand_does_not_make_it_deaf(scene: Scene, entry: dict[str, str]) -> None:
    with Redis.from_url(scene.redis.url) as client:
        client.xadd(STREAM, dict(entry))
    with ExitStack() as connections:
        Ears(connections, scene.web.player(), CONNECTIONS).until_listening()


def _heard_so_far(ear: Ear) -> set[str]:
    """Return of which orders a connection has heard."""
    with suppress(TimeoutError):
        while True:
            ear.heard.append(json.loads(ear.connection.recv(timeout=0)))
    return {message["order_id"] for message in ear.heard}


def _cookie_of(player: Player) -> str:
    answer = player.web.http.post("/auth/login", data={"username": player.username, "password": PASSWORD})
    player.web.http.cookies.clear()
    return answer.cookies["session"]


def _buy(player: Player) -> str:
    """Order a thing and have it paid, which is answered at once; return the order."""
    order = player.order(THING)
    paid = timed(lambda: player.pay(order))
    assert paid.status == 204
    assert paid.seconds < AT_ONCE
    return str(order["order_id"])


def _sign_in_and_out(player: Player) -> None:
    other = Player(player.web, player.id, player.username, player.web.sign_in(player.username).json()["token"])
    out = timed(lambda: other.delete("/api/sessions/current"))
    assert out.status == 204
    assert out.seconds < MAX_SIGN_OUT_SECONDS
    assert other.get("/api/purchases").status_code == 401


def _owned(web: Web, cookie: str) -> set[str]:
    answer = web.http.get("/api/purchases?limit=100", headers={"Cookie": f"session={cookie}"})
    assert answer.status_code == 200, answer.text
    return {purchase["order_id"] for purchase in answer.json()}
