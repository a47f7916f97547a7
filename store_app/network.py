"""What both the pages and the webhook need to know of a connection: its address, and how long a body may take."""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from store_app.addresses import address_group, is_in, normalized
from store_app.settings import get_settings

logger = logging.getLogger(__name__)

# From the first read of a body until it is whole: a slow client would hold its connection as long as it likes.
BODY_TIMEOUT_SECONDS = 10.0
# Nearly all bodies are there at once; each that is not keeps memory.
MAX_OPEN_BODIES_PER_ADDRESS = 200
_open_bodies: Counter[str] = Counter()
_warned: list[bool] = []


class TooManyOpenBodies(Exception):
    """An address has as many bodies under way as it may have."""


@contextmanager
def open_body(address: str) -> Iterator[None]:
    """Count a body of this network address as under way until the block ends.

    Raises:
        TooManyOpenBodies: there are too many.
    """
    group = address_group(address)
    if _open_bodies[group] >= MAX_OPEN_BODIES_PER_ADDRESS:
        raise TooManyOpenBodies
    _open_bodies[group] += 1
    try:
        yield
    finally:
        _open_bodies[group] -= 1
        if not _open_bodies[group]:
            del _open_bodies[group]


def client_address(connection: HTTPConnection) -> str:
    """Return the client's network address: of the connection, or what trusted proxies say in X-Forwarded-For."""
    peer = connection.client.host if connection.client else ""
    address = normalized(peer)
    trusted = get_settings().trusted_networks
    if not is_in(trusted, address):
        _warn_of_ignored_headers(connection.headers)
        return address
    # Each proxy appends the address that it was connected from, to the last line or in a line of its own.
    hops = [hop for line in connection.headers.getlist("x-forwarded-for") for hop in line.split(",")]
    while hops and is_in(trusted, address):
        if not (hop := normalized(hops.pop())):
            # Whoever wrote this, it was not an address: what is left of it is the client's own text.
            break
        address = hop
    return address


def _warn_of_ignored_headers(headers: Headers) -> None:
    """Say once that a proxy is not trusted: all its clients count as one address, and share their limits."""
    if _warned or get_settings().environment != "production":
        return
    if "x-forwarded-for" in headers or "forwarded" in headers:
        _warned.append(True)
        logger.warning(
            "X-Forwarded-For is ignored, because TRUSTED_PROXIES does not have the address that sent it. If it is "
            "your proxy's, add it: else all clients count as one address."
        )


def may_deliver(address: str) -> bool:
    """Whether WEBHOOK_ALLOWED_NETWORKS has a client's address; every address may deliver if it is empty."""
    networks = get_settings().webhook_networks
    return not networks or is_in(networks, normalized(address))
