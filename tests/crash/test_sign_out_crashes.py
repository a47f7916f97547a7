"""The process dies between the end of a session and the message about it: its open connections still close."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.crash.crashing_store import TIMEOUT_SECONDS, CrashingStore, failpoints_of
from tests.integration.shop import PROJECT, SECRET, Shop, wait_until
from tests.integration.test_api_live import NOT_SIGNED_IN, Listeners
from tests.integration.web import ApiUser
from tests.support.redis import redis_server
from tests.support.store import StoreProcess

WORKERS = 2
MOST_CONNECTIONS = 20  # The store allows one user no more.


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def two_workers(shop: Shop, database_url: str, tmp_path: Path, stack: ExitStack) -> CrashingStore:
    """Return a store of two workers, not started yet."""
    redis = stack.enter_context(redis_server())
    folder = tmp_path / "store"
    folder.mkdir()
    process = StoreProcess(
        env={"XSOLLA_PROJECT_ID": str(PROJECT), "XSOLLA_WEBHOOK_SECRET": SECRET},
        database_url=database_url,
        redis_url=redis.url,
        workers=WORKERS,
        simulator=True,
        data_dir=folder,
    )
    stack.push(process)
    assert process.simulator is not None
    process.simulator.start().wait_until_answers(process.simulator_url, TIMEOUT_SECONDS)
    return stack.enter_context(CrashingStore(process, shop))


@pytest.mark.parametrize("name", failpoints_of("sign-out"))
def test_the_connections_of_the_session_close(name: str, two_workers: CrashingStore, stack: ExitStack) -> None:
    store = two_workers
    store.process.prepare()
    store.start(name)
    user = store.web.user()
    again = ApiUser(store.web, user.id, user.username, store.web.sign_in(user.username).json()["token"])
    ended = _connections_to_both_workers(stack, user, store.process)
    wait_until(store.outbox_is_empty, TIMEOUT_SECONDS)

    store.crash_during(lambda: user.delete("/api/sessions/current"))
    assert user.get("/api/purchases").status_code == 401
    store.expire_leases()
    # The connections of the dead worker ended with it; the other worker received the message.
    assert NOT_SIGNED_IN in {listener.closed() for listener in ended.all}
    assert again.get("/api/purchases").status_code == 200
    store.check_outbox_drains()


def _connections_to_both_workers(stack: ExitStack, user: ApiUser, process: StoreProcess) -> Listeners:
    # Which worker takes a connection is up to the kernel.
    ended = Listeners(stack, user)
    while not all(_serves(pid, ended) for pid in process.worker_pids()):
        assert len(ended.all) < MOST_CONNECTIONS
        ended.all += Listeners(stack, user).all
    return ended.until_listening()


def _serves(pid: int, listeners: Listeners) -> bool:
    clients = {listener.connection.local_address for listener in listeners.all}
    return any(connection.raddr in clients for connection in psutil.Process(pid).net_connections("tcp"))
