"""The payment provider under load, and somebody who looks at the store meanwhile."""

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
# The provider waits for minutes, which changes nothing but the time that a test takes.
PAUSE_BETWEEN_TRIES = 0.05
# Whatever it waits for; it answers in some milliseconds, when it has a core.
ALIVE_WITHIN = 0.2


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered, and how long it took."""

    status: int
    seconds: float
    text: str


def timed(ask: Callable[[], httpx.Response]) -> Answer:
    """Ask, and return the answer and its time."""
    begin = time.monotonic()
    answer = ask()
    return Answer(answer.status_code, time.monotonic() - begin, answer.text)


class Provider:
    """Delivers notifications from several threads, each again and again until it is taken."""

    def __init__(self, web: Web, notifications: Sequence[dict[str, Any]], threads: int = THREADS) -> None:
        """Deliver each of these twice, in any order."""
        bodies = [json.dumps(notification).encode() for notification in notifications] * 2
        random.shuffle(bodies)
        self.answers: list[Answer] = []
        self.accepted: list[bytes] = []
        self._web = web
        self._bodies = bodies
        self._gives_up = threading.Event()
        self._threads = ThreadPoolExecutor(threads)
        self._work: list[Future[None]] = []

    def __enter__(self) -> Self:
        self._work = [self._threads.submit(self._deliver, body) for body in self._bodies]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gives_up.set()
        self._threads.shutdown(cancel_futures=True)

    def wait(self, seconds: float) -> None:
        """Wait until every notification was taken."""
        deadline = time.monotonic() + seconds
        for work in self._work:
            work.result(max(0.0, deadline - time.monotonic()))

    def statuses(self) -> set[int]:
        """Return what was ever answered."""
        return {answer.status for answer in self.answers}

    def slowest(self) -> float:
        """Return the longest time that an answer took."""
        return max(answer.seconds for answer in self.answers)

    def _deliver(self, body: bytes) -> None:
        while not self._gives_up.is_set():
            answer = timed(lambda: self._web.deliver(body))
            self.answers.append(answer)
            if 200 <= answer.status < 300:
                self.accepted.append(body)
                return
            self._gives_up.wait(PAUSE_BETWEEN_TRIES)


class Watch:
    """Somebody who looks at the store for some seconds."""

    def __init__(self, web: Web, seconds: float) -> None:
        """Ask all the time whether the process is alive, and once for its health and for what it sells."""
        self._http = web.http
        deadline = time.monotonic() + seconds
        with ThreadPoolExecutor(2) as others:
            asked = [others.submit(self._ask, path) for path in ("/health", "/api/items")]
            self.livez = [self._ask("/livez")]
            while time.monotonic() < deadline or not all(one.done() for one in asked):
                time.sleep(0.05)  # how often it looks
                self.livez.append(self._ask("/livez"))
        self.health, self.items = (one.result() for one in asked)

    def check(self, problem: str = "") -> None:
        """Check that the process was alive all the time, and said what its problem was, if any."""
        assert {answer.status for answer in self.livez} == {200}
        assert median(answer.seconds for answer in self.livez) < ALIVE_WITHIN
        assert problem in self.health.text
        assert self.health.status == (503 if problem else 200)

    def _ask(self, path: str) -> Answer:
        return timed(lambda: self._http.get(path))
