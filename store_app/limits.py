"""Rate limits: a try is counted before its work is done, so that they hold against tries at the same moment.

Counted in Redis where REDIS_URL is set, for all workers; else, and while Redis does not answer, in this process.
"""

import asyncio
import logging
import math
import time
from enum import StrEnum
from functools import lru_cache

from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis import ConnectionPool
from redis.exceptions import RedisError

from store_app.errors import TooManyTries
from store_app.logs import counted, note_security_event
from store_app.settings import get_settings

logger = logging.getLogger(__name__)
# Not the moving window of `limits`: in memory that keeps every key, and goes through all of them at each try.
Limiter = SlidingWindowCounterRateLimiter
_SECONDS_WITHOUT_REDIS = 5.0


class RedisOutage:
    """Whether Redis has just failed: then not every try should wait for it, and log that."""

    def __init__(self) -> None:
        """Begin without an outage."""
        self._until = 0.0

    @property
    def is_on(self) -> bool:
        """Whether to do without Redis for now."""
        return time.monotonic() < self._until

    def note(self, error: RedisError | TimeoutError) -> None:
        """Do without Redis for some seconds."""
        self._until = time.monotonic() + _SECONDS_WITHOUT_REDIS
        kind = "limits are counted in this process, because Redis does not answer"
        logger.warning("%s: %s", kind, error, extra=counted(kind))


redis_outage = RedisOutage()


class Limit(StrEnum):
    """What is limited: the name of the setting that says how often."""

    SIGN_INS_PER_NAME = "limit_sign_ins_per_name"
    SIGN_INS_PER_ADDRESS = "limit_sign_ins_per_address"
    REGISTRATIONS = "limit_registrations"
    ORDERS = "limit_orders"
    PAYMENT_CHECKS = "limit_payment_checks"
    SEARCHES = "limit_searches"
    SOCKETS = "limit_sockets"


async def count(limit: Limit, *key: str) -> None:
    """Count a try of whoever has this key, such as a user's id or a network address.

    Raises:
        TooManyTries: the limit is reached.
    """
    if not (items := _items(limit)):
        return
    if get_settings().redis_url and not redis_outage.is_on:
        try:
            await asyncio.to_thread(_count, _in_redis(), items, (limit, *key))
        except RedisError as error:
            redis_outage.note(error)
        else:
            return
    _count(_in_memory(), items, (limit, *key))


async def forget(limit: Limit, *key: str) -> None:
    """Forget the tries of a key, because one of them succeeded."""
    for item in _items(limit):
        _in_memory().clear(item, limit, *key)
        if get_settings().redis_url and not redis_outage.is_on:
            try:
                await asyncio.to_thread(_in_redis().clear, item, limit, *key)
            except RedisError as error:
                redis_outage.note(error)


def _count(limiter: Limiter, items: tuple[RateLimitItem, ...], key: tuple[str, ...]) -> None:
    for item in items:
        if not limiter.hit(item, *key):
            ends = limiter.get_window_stats(item, *key).reset_time
            note_security_event("limit_reached", "%s", key[0])
            raise TooManyTries(max(1, math.ceil(ends - time.time())))


def _items(limit: Limit) -> tuple[RateLimitItem, ...]:
    return parse(getattr(get_settings(), limit))


@lru_cache
def parse(text: str) -> tuple[RateLimitItem, ...]:
    """Return limits in the notation of the library, such as `10/5minutes`; several are separated by semicolons.

    Raises:
        ValueError: it is none.
    """
    return tuple(parse_many(text)) if text else ()


@lru_cache
def _in_memory() -> Limiter:
    return Limiter(MemoryStorage())


@lru_cache
def _in_redis() -> Limiter:
    pool = ConnectionPool.from_url(get_settings().redis_url, socket_timeout=2, socket_connect_timeout=2)
    return Limiter(RedisStorage(get_settings().redis_url, pool, key_prefix="store-limits"))
