"""Load during an outage: a provider that delivers and retries, and a monitor that watches the store's health."""

import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from types import TracebackType
from typing import Any, Self

import httpx

from tests.integration.web import Web

THREADS = 6
# The real provider waits for minutes, which would only make the test longer.
SECONDS_BETWEEN_RETRIES = 0.05
SECONDS_BETWEEN_CHECKS = 0.05
# /livez waits for nothing: it responds within some milliseconds, when it gets a core.
MAX_LIVEZ_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Response:
    """A response, and how long it took."""

    status: int
    seconds: float
    text: str


def timed(send: Callable[[], httpx.Response]) -> Response:
    """Send a request; return the response and its time."""
    begin = time.monotonic()
    response = send()
    return Response(response.status_code, time.monotonic() - begin, response.text)


class RetryingProvider:
    """Delivers notifications from several threads, and retries each until it is acknowledged."""

    def __init__(self, web: Web, notifications: Sequence[dict[str, Any]], threads: int = THREADS) -> None:
        """Deliver each of these twice, in random order."""
        bodies = [json.dumps(notification).encode() for notification in notifications] * 2
        random.shuffle(bodies)
        self.responses: list[Response] = []
        self.accepted: list[bytes] = []
        self._web = web
        self._bodies = bodies
        self._stopped = threading.Event()
        self._threads = ThreadPoolExecutor(threads)
        self._deliveries: list[Future[None]] = []

    def __enter__(self) -> Self:
        self._deliveries = [self._threads.submit(self._deliver, body) for body in self._bodies]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._threads.shutdown(cancel_futures=True)

    def wait(self, seconds: float) -> None:
        """Wait until every notification is acknowledged."""
        deadline = time.monotonic() + seconds
        for delivery in self._deliveries:
            delivery.result(max(0.0, deadline - time.monotonic()))

    def statuses(self) -> set[int]:
        """Return the statuses of all responses."""
        return {response.status for response in self.responses}

    def slowest(self) -> float:
        """Return the seconds that the slowest response took."""
        return max(response.seconds for response in self.responses)

    def _deliver(self, body: bytes) -> None:
        while not self._stopped.is_set():
            response = timed(lambda: self._web.deliver(body))
            self.responses.append(response)
            if 200 <= response.status < 300:
                self.accepted.append(body)
                return
            self._stopped.wait(SECONDS_BETWEEN_RETRIES)


class HealthMonitor:
    """Requests the store's health endpoints for some seconds."""

    def __init__(self, web: Web, seconds: float) -> None:
        """Request /livez all the time, and /health and the items once."""
        self._http = web.http
        deadline = time.monotonic() + seconds
        with ThreadPoolExecutor(2) as threads:
            others = [threads.submit(self._get, path) for path in ("/health", "/api/items")]
            self.livez = [self._get("/livez")]
            while time.monotonic() < deadline or not all(future.done() for future in others):
                time.sleep(SECONDS_BETWEEN_CHECKS)
                self.livez.append(self._get("/livez"))
        self.health, self.items = (future.result() for future in others)

    def check(self, problem: str = "") -> None:
        """Check that the process was alive all the time, and reported this problem, if any."""
        assert {response.status for response in self.livez} == {200}
        assert median(response.seconds for response in self.livez) < MAX_LIVEZ_SECONDS
        assert problem in self.health.text
        assert self.health.status == (503 if problem else 200)

    def _get(self, path: str) -> Response:
        return timed(lambda: self._http.get(path))
