"""The process dies between the end of a session and the message about it: its open connections still close."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.crash.scene import SECONDS, Scene, failpoints_of
from tests.integration.shop import PROJECT, SECRET, Shop, wait_until
from tests.integration.test_api_live import NOT_SIGNED_IN, Ears
from tests.integration.web import Player
from tests.support.redis import redis_server
from tests.support.store import StoreProcess

WORKERS = 2
# So many that every worker has some.
CONNECTIONS = 8


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def two_workers(shop: Shop, database_url: str, tmp_path: Path, stack: ExitStack) -> Scene:
    """Return a store of two workers, not started yet."""
    redis = stack.enter_context(redis_server())
    folder = tmp_path / "store"
    folder.mkdir()
    store = StoreProcess(
        env={"XSOLLA_PROJECT_ID": str(PROJECT), "XSOLLA_WEBHOOK_SECRET": SECRET},
        database_url=database_url,
        redis_url=redis.url,
        workers=WORKERS,
        simulator=True,
        data_dir=folder,
    )
    stack.push(store)
    assert store.simulator is not None
    store.simulator.start().wait_until_answers(store.simulator_url, SECONDS)
    return stack.enter_context(Scene(store, shop))


@pytest.mark.parametrize("name", failpoints_of("sign-out"))
def test_the_connections_of_the_session_close(name: str, two_workers: Scene, stack: ExitStack) -> None:
    scene = two_workers
    scene.store.prepare()
    scene.start(name)
    player = scene.web.player()
    again = Player(scene.web, player.id, player.username, scene.web.sign_in(player.username).json()["token"])
    ended = Ears(stack, player, CONNECTIONS).until_listening()
    wait_until(scene.everything_sent, SECONDS)

    scene.dies(lambda: player.delete("/api/sessions/current"))
    assert player.get("/api/purchases").status_code == 401
    scene.let_leases_end()
    # Those of the dead worker are gone with it; the other worker was told.
    assert NOT_SIGNED_IN in {ear.closed() for ear in ended.all}
    assert again.get("/api/purchases").status_code == 200
    scene.check_everything_sent()
