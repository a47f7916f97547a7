"""How many connections one address and one user may keep open, and how often an address may connect.

Each process counts its own connections. Where REDIS_URL is set it also writes its counts there, for the others to
add; while Redis does not answer, each process has the limits to itself.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import lru_cache

import redis.asyncio as redis
from redis.exceptions import RedisError

from store_app import limits
from store_app.addresses import address_group
from store_app.errors import TooManyTries
from store_app.limits import Limit, redis_outage
from store_app.logs import note_security_event
from store_app.settings import get_settings

# The close code of a connection that is refused: try again later (registered with IANA).
TOO_MANY_CONNECTIONS, REASON = 1013, "too many connections"
# The counts of a process that was killed are forgotten after this time.
COUNTS_EXPIRE_SECONDS, WRITE_COUNTS_EVERY_SECONDS = 60, 20
REDIS_TIMEOUT_SECONDS = 2.0
# A sorted set of the processes, by when their counts expire; each has a hash of its counts.
_PROCESSES = "store-sockets"
_open: Counter[str] = Counter()


@asynccontextmanager
async def address_slot(address: str) -> AsyncIterator[bool]:
    """Yield whether a network address may open one more connection; it counts until the block ends."""
    group = address_group(address)
    async with _slot(f"address {group}", get_settings().max_sockets_per_address) as is_free:
        # A tab that has no slot tries again: its tries must not use up the limit of those that have one.
        yield is_free and await _may_connect(group)


async def _may_connect(group: str) -> bool:
    try:
        await limits.count(Limit.SOCKETS, group)
    except TooManyTries:
        return False
    return True


@asynccontextmanager
async def user_slot(user_id: str) -> AsyncIterator[bool]:
    """Yield whether a user may open one more connection; it counts until the block ends."""
    async with _slot(f"user {user_id}", get_settings().max_sockets_per_user if user_id else 0) as is_free:
        yield is_free


@asynccontextmanager
async def _slot(key: str, most: int) -> AsyncIterator[bool]:
    if not most:
        yield True
        return
    _open[key] += 1
    try:
        # Counted before it is compared, so that the limit holds against connections at the same moment.
        is_free = _open[key] <= most and await _open_everywhere(key) <= most
        if not is_free:
            note_security_event("too_many_connections", "of one address or user")
        yield is_free
    finally:
        _open[key] -= 1
        if not _open[key]:
            del _open[key]
        await _open_everywhere(key)


async def _open_everywhere(key: str) -> int:
    """Tell the other processes how many connections this one has open for a key; return how many all have."""
    counts = _shared_counts()
    if counts is None or redis_outage.is_on:
        return _open[key]
    try:
        return _open[key] + await counts.exchange(key)
    except (RedisError, TimeoutError) as error:
        redis_outage.note(error)
        return _open[key]


class _SharedCounts:
    """The counts of all processes, in Redis: each process has a hash of its own, which expires if it is killed."""

    def __init__(self, redis_url: str) -> None:
        self._name = f"{_PROCESSES}:{secrets.token_hex(8)}"
        self._redis = redis.from_url(redis_url, decode_responses=True, socket_timeout=REDIS_TIMEOUT_SECONDS)
        # One at a time: a count that is written late must not replace a newer one.
        self._lock = asyncio.Lock()

    async def exchange(self, key: str) -> int:
        """Write this process's count of a key; return the sum of the others'.

        Raises:
            RedisError, TimeoutError: Redis does not answer.
        """
        async with asyncio.timeout(REDIS_TIMEOUT_SECONDS), self._lock:
            names = await self._write({key: _open[key]})
            async with self._redis.pipeline(transaction=False) as pipeline:
                for name in names - {self._name}:
                    pipeline.hget(name, key)
                return sum(int(count or 0) for count in await pipeline.execute())

    async def write_all(self) -> None:
        """Write all counts of this process again: they would expire, and Redis may have lost them.

        Raises:
            RedisError, TimeoutError: Redis does not answer.
        """
        async with asyncio.timeout(REDIS_TIMEOUT_SECONDS), self._lock:
            await self._write(dict(_open), are_all=True)

    async def _write(self, counts: dict[str, int], *, are_all: bool = False) -> set[str]:
        """Write counts of this process; return the processes whose counts have not expired."""
        now = time.time()
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.zremrangebyscore(_PROCESSES, "-inf", now)
            pipeline.zadd(_PROCESSES, {self._name: now + COUNTS_EXPIRE_SECONDS})
            if are_all:
                # Some have become none while Redis did not answer.
                pipeline.delete(self._name)
            for key, count in counts.items():
                pipeline.hset(self._name, key, str(count)) if count else pipeline.hdel(self._name, key)
            pipeline.expire(self._name, COUNTS_EXPIRE_SECONDS)
            pipeline.zrange(_PROCESSES, 0, -1)
            return set((await pipeline.execute())[-1])


@lru_cache
def _shared_counts() -> _SharedCounts | None:
    return _SharedCounts(url) if (url := get_settings().redis_url) else None


async def write_counts() -> None:
    """Keep the counts of this process in Redis, if it is used, until canceled."""
    while counts := _shared_counts():
        await asyncio.sleep(WRITE_COUNTS_EVERY_SECONDS)
        with suppress(RedisError, TimeoutError):
            await counts.write_all()
