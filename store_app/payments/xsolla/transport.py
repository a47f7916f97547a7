"""HTTP to the payment provider: time-outs, bounded retries, errors as refusals. The key is never logged."""

import asyncio
import logging
import random
from typing import Any

import httpx

from store_app.errors import ProviderRefused, ProviderUnavailable

logger = logging.getLogger(__name__)

TIMEOUT = httpx.Timeout(10, connect=3)
TRIES = 3
_MAX_PAUSE = 2.0
# Retryable: the provider's fault, or temporary.
RETRYABLE = {408, 425, 429, 500, 502, 503, 504}


class Transport:
    """Makes calls on the provider."""

    def __init__(self, http: httpx.AsyncClient | None = None) -> None:
        """Use `http`, or a client of our own."""
        self._http = http or httpx.AsyncClient(timeout=TIMEOUT)

    async def call(self, method: str, url: str, *, idempotent: bool, **request: Any) -> Any:
        """Return the JSON of an answer, None when it has no body.

        An idempotent call (RFC 9110, 9.2.2: a repeat changes nothing more) is tried up to three times, with
        growing pauses of random length (jitter).

        Raises:
            ProviderUnavailable: no answer, or a fault of theirs; a later try may work.
            ProviderRefused: they refuse this request; a setting or the catalogue is wrong.
        """
        for tries_left in reversed(range(TRIES if idempotent else 1)):
            try:
                return self._read(await self._http.request(method, url, **request), method, url)
            except (httpx.HTTPError, ProviderUnavailable) as error:
                logger.warning("the payment provider: %s %s: %s", method, url, type(error).__name__)
                if not tries_left:
                    raise ProviderUnavailable from None
            await asyncio.sleep(random.uniform(0, _MAX_PAUSE / (tries_left + 1)))  # noqa: S311 - no secret
        raise ProviderUnavailable

    @staticmethod
    def _read(answer: httpx.Response, method: str, url: str) -> Any:
        if answer.is_success:
            try:
                return answer.json() if answer.content else None
            except ValueError:
                return None
        logger.warning("the payment provider: %s %s: %s %s", method, url, answer.status_code, answer.text[:500])
        if answer.status_code in RETRYABLE:
            raise ProviderUnavailable
        raise ProviderRefused
