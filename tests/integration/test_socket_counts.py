"""The counts of open connections that processes share through Redis."""

import asyncio
from collections.abc import Iterator

import pytest
import redis

from store_app.web.live import connection_limits
from store_app.web.live.connection_limits import _SharedCounts
from tests.support.redis import RedisServer, redis_server

pytestmark = pytest.mark.redis


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """Return a Redis server, while this process has no connections open."""
    with redis_server() as server:
        yield server
    connection_limits._open.clear()


def _written(server: RedisServer, counts: _SharedCounts) -> dict[bytes, bytes]:
    with redis.Redis.from_url(server.url) as client:
        return dict(client.hgetall(counts._name))


def test_processes_add_up_and_one_that_is_gone_no_longer_counts(server: RedisServer) -> None:
    async def run() -> list[int]:
        one, other = _SharedCounts(server.url), _SharedCounts(server.url)
        connection_limits._open["user kira"] = 3
        sums = [await one.exchange("user kira"), await other.exchange("user kira")]
        await one._redis.zrem(connection_limits._PROCESSES, one._name)
        return [*sums, await other.exchange("user kira")]

    assert asyncio.run(run()) == [0, 3, 0]


def test_what_closed_while_redis_did_not_answer_is_forgotten(server: RedisServer) -> None:
    async def run() -> _SharedCounts:
        counts = _SharedCounts(server.url)
        connection_limits._open.update({"user kira": 2, "user juno": 1})
        await counts.write_all()
        del connection_limits._open["user kira"]
        await counts.write_all()
        return counts

    assert _written(server, asyncio.run(run())) == {b"user juno": b"1"}
