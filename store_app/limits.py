"""Rate limits: a try is counted before its work is done, so that they hold against tries at the same moment.

Counted in Redis where REDIS_URL is set, for all workers; else, and while Redis does not answer, in this process.
"""

import asyncio
import logging
import math
import time
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_address

from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis import ConnectionPool
from redis.exceptions import RedisError

from store_app.errors import TooManyTries
from store_app.logs import counted, note_security_event
from store_app.settings import get_settings

logger = logging.getLogger(__name__)


class Limit(StrEnum):
    """What is limited: the name of the setting that says how often."""

    SIGN_INS_PER_NAME = "limit_sign_ins_per_name"
    SIGN_INS_PER_ADDRESS = "limit_sign_ins_per_address"
    REGISTRATIONS = "limit_registrations"
    ORDERS = "limit_orders"
    SEARCHES = "limit_searches"
    SOCKETS = "limit_sockets"


async def count(limit: Limit, *key: str) -> None:
    """Count a try of whoever has this key, such as a user's id or a network address.

    Raises:
        TooManyTries: the limit is reached.
    """
    if not (items := _items(limit)):
        return
    if get_settings().redis_url:
        try:
            await asyncio.to_thread(_count, _in_redis(), items, (limit, *key))
        except RedisError as error:
            _log_redis_error(error)
        else:
            return
    _count(_in_memory(), items, (limit, *key))


async def forget(limit: Limit, *key: str) -> None:
    """Forget the tries of a key, because one of them succeeded."""
    for item in _items(limit):
        _in_memory().clear(item, limit, *key)
        if get_settings().redis_url:
            try:
                await asyncio.to_thread(_in_redis().clear, item, limit, *key)
            except RedisError as error:
                _log_redis_error(error)


def _log_redis_error(error: RedisError) -> None:
    # Each request would log it while Redis is down.
    kind = "limits are counted in this process, because Redis does not answer"
    logger.warning("%s: %s", kind, error, extra=counted(kind))


def address_group(address: str) -> str:
    """Return what counts as one address: of IPv6 a provider gives each customer a whole /64."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if parsed.version == 4:
        return address
    return str(parsed.ipv4_mapped) if parsed.ipv4_mapped else parsed.exploded[:19]


def _count(limiter: MovingWindowRateLimiter, items: tuple[RateLimitItem, ...], key: tuple[str, ...]) -> None:
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
def _in_memory() -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(MemoryStorage())


@lru_cache
def _in_redis() -> MovingWindowRateLimiter:
    pool = ConnectionPool.from_url(get_settings().redis_url, socket_timeout=2, socket_connect_timeout=2)
    return MovingWindowRateLimiter(RedisStorage(get_settings().redis_url, pool, key_prefix="store-limits"))
