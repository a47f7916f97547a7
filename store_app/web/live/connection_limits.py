"""How many connections one address and one user may keep open in this process, and how often they may connect."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from store_app import limits
from store_app.errors import TooManyTries
from store_app.limits import Limit, address_group
from store_app.settings import get_settings

# The close code of a connection that is refused: try again later (registered with IANA).
TOO_MANY_CONNECTIONS, REASON = 1013, "too many connections"
_open: Counter[str] = Counter()


@asynccontextmanager
async def address_slot(address: str) -> AsyncIterator[bool]:
    """Yield whether a network address may open one more connection; it counts until the block ends."""
    group = address_group(address)
    try:
        await limits.count(Limit.SOCKETS, group)
    except TooManyTries:
        yield False
        return
    with _slot(f"address {group}", get_settings().max_sockets_per_address) as is_free:
        yield is_free


@contextmanager
def user_slot(user_id: str) -> Iterator[bool]:
    """Yield whether a user may open one more connection; it counts until the block ends."""
    with _slot(f"user {user_id}", get_settings().max_sockets_per_user if user_id else 0) as is_free:
        yield is_free


@contextmanager
def _slot(key: str, most: int) -> Iterator[bool]:
    if 0 < most <= _open[key]:
        yield False
        return
    _open[key] += 1
    try:
        yield True
    finally:
        _open[key] -= 1
        if not _open[key]:
            del _open[key]
