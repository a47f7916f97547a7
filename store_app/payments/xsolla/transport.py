"""HTTP to Xsolla: timeouts, bounded retries, errors as refusals. The API key is never logged."""

import asyncio
import json
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass
from weakref import WeakKeyDictionary

import aiohttp

from store_app.errors import ProviderRefused, ProviderUnavailable

logger = logging.getLogger(__name__)

TIMEOUT = aiohttp.ClientTimeout(total=10, sock_connect=3)
MAX_TRIES = 3
MAX_PAUSE_SECONDS = 2.0
# Retryable: the provider's fault, or temporary.
RETRYABLE = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True, slots=True)
class Request:
    """One call; `body` is sent as JSON unless it is None."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes = b""


# Raises ProviderUnavailable when there is no answer.
Send = Callable[[Request], Awaitable[Answer]]


class Transport:
    """Calls Xsolla's HTTP APIs."""

    def __init__(self, send: Send | None = None) -> None:
        """Send by `send`, or over connections of our own."""
        self._send = send or Connections().send

    async def call(self, request: Request, *, idempotent: bool) -> Any:
        """Return the JSON of an answer, None when it has no body.

        An idempotent call (RFC 9110, 9.2.2: a repeat changes nothing more) is tried up to three times, with
        growing pauses of random length (jitter).

        Raises:
            ProviderUnavailable: no answer, or a fault of Xsolla's: retryable.
            ProviderRefused: Xsolla refuses this request: a setting or the catalogue is wrong.
        """
        tries_left = MAX_TRIES if idempotent else 1
        while True:
            tries_left -= 1
            try:
                return _read(await self._send(request), request)
            except ProviderUnavailable:
                if not tries_left:
                    raise
            await asyncio.sleep(random.uniform(0, MAX_PAUSE_SECONDS / (tries_left + 1)))  # noqa: S311 - no secret


def _read(answer: Answer, request: Request) -> Any:
    if 200 <= answer.status < 300:
        try:
            return json.loads(answer.body) if answer.body else None
        except ValueError:
            return None
    text = answer.body[:500].decode(errors="replace")
    logger.warning("Xsolla: %s %s: %s %s", request.method, request.url, answer.status, text)
    if answer.status in RETRYABLE:
        raise ProviderUnavailable
    raise ProviderRefused


class Connections:
    """Connections that are kept open between calls, those of one event loop apart from those of another."""

    def __init__(self) -> None:
        self._of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[aiohttp.ClientSession]] = (
            WeakKeyDictionary()
        )

    async def send(self, request: Request) -> Answer:
        """Send a request.

        Raises:
            ProviderUnavailable: there was no answer.
        """
        loop = asyncio.get_running_loop()
        if loop not in self._of_loop:
            self._of_loop[loop] = _session()
        session = await anext(self._of_loop[loop])
        try:
            async with session.request(
                request.method,
                request.url,
                headers=request.headers,
                params=request.query,
                json=request.body,
                proxy=_proxy_for(request.url),
                allow_redirects=False,
            ) as response:
                return Answer(response.status, await response.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            logger.warning("Xsolla: %s %s: %s", request.method, request.url, type(error).__name__)
            raise ProviderUnavailable from None


async def _session() -> AsyncGenerator[aiohttp.ClientSession]:
    """Give the same session again and again. The event loop closes it at its end, as it closes all generators."""
    async with aiohttp.ClientSession(timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()) as session:
        while True:
            yield session


# aiohttp's `trust_env` does the same, with two threads for each call, and would add credentials of a netrc file.
@lru_cache(maxsize=32)
def _proxy(scheme: str, host: str) -> str | None:
    return None if proxy_bypass(host) else getproxies().get(scheme)


def _proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for an address."""
    parts = urlsplit(url)
    return _proxy(parts.scheme, parts.netloc)
