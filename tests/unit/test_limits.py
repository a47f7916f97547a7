"""Limits in memory: what they keep is forgotten, and a try costs the same however many others there are."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from store_app import limits
from store_app.errors import TooManyTries
from store_app.limits import Limit
from store_app.settings import Settings


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Limit searches and orders."""
    wanted = Settings(_env_file=None, limit_searches="3/second", limit_orders="2/minute;3/hour")
    monkeypatch.setattr(limits, "get_settings", lambda: wanted)
    limits._in_memory.cache_clear()
    yield
    limits._in_memory.cache_clear()


def _is_allowed(limit: Limit, *key: str) -> bool:
    try:
        asyncio.run(limits.count(limit, *key))
    except TooManyTries:
        return False
    return True


def test_a_limit_holds_for_each_key() -> None:
    assert [_is_allowed(Limit.ORDERS, "kira") for _ in range(4)] == [True, True, False, False]
    assert _is_allowed(Limit.ORDERS, "another")


def test_what_succeeded_is_forgotten() -> None:
    assert [_is_allowed(Limit.ORDERS, "kira") for _ in range(3)] == [True, True, False]
    asyncio.run(limits.forget(Limit.ORDERS, "kira"))
    assert _is_allowed(Limit.ORDERS, "kira")


def test_keys_are_forgotten_after_their_time() -> None:
    for number in range(500):
        assert _is_allowed(Limit.SEARCHES, f"address {number}")
    storage = limits._in_memory().storage
    deadline = time.monotonic() + 10
    # A key is kept for two windows; another try looks for those that are over.
    while len(storage.storage) + len(storage.events) > 10:  # type: ignore[attr-defined]
        assert time.monotonic() < deadline
        _is_allowed(Limit.SEARCHES, "another")
        time.sleep(0.05)


def test_after_a_failure_of_redis_the_next_tries_do_not_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def fail() -> None:
        asked.append(1)
        raise RedisConnectionError("lost")

    wanted = Settings(_env_file=None, limit_orders="2/minute", redis_url="redis://127.0.0.1:1/0")
    monkeypatch.setattr(limits, "get_settings", lambda: wanted)
    monkeypatch.setattr(limits, "_in_redis", fail)
    monkeypatch.setattr(limits, "redis_outage", limits.RedisOutage())
    # The limit holds meanwhile, in this process.
    assert [_is_allowed(Limit.ORDERS, "kira") for _ in range(4)] == [True, True, False, False]
    assert len(asked) == 1
