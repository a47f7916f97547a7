"""How many connections one address and one user may keep open in this process."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from store_app.limits import address_group
from store_app.settings import get_settings

# Try again later (registered with IANA as 1013).
TOO_MANY_CONNECTIONS = 1013
_open: Counter[tuple[str, str]] = Counter()


@contextmanager
def connection_slot(address: str = "", user_id: str = "") -> Iterator[bool]:
    """Yield whether one more connection is allowed; it counts until the block ends."""
    settings = get_settings()
    limits = {}
    if address:
        limits["address", address_group(address)] = settings.max_sockets_per_address
    if user_id:
        limits["user", user_id] = settings.max_sockets_per_user
    if any(0 < most <= _open[key] for key, most in limits.items()):
        yield False
        return
    _open.update(limits.keys())
    try:
        yield True
    finally:
        _open.subtract(limits.keys())
        for key in limits:
            if not _open[key]:
                del _open[key]
