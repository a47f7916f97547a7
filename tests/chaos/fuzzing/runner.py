"""Runs campaigns: draws requests, sends them from several threads, and records wrong responses."""

import itertools
import threading
import zlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from tests.chaos.fuzzing.checks import Check
from tests.chaos.fuzzing.transport import RawClient, Request, Response

BATCH_SIZE = 500
THREADS = 3
_MAX_FAILURES = 50


@dataclass(frozen=True, slots=True)
class Example:
    """A request, and the check of its response."""

    request: Request
    check: Check


@dataclass(frozen=True, slots=True)
class Campaign:
    """Malformed requests of one kind."""

    name: str
    examples: st.SearchStrategy[Example]


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that got a wrong response."""

    description: str
    request: Request

    def __str__(self) -> str:
        return self.description


@dataclass
class Results:
    """The responses of all campaigns, counted, and the first failures."""

    responses: dict[str, Counter[str]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    failed: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def record(self, campaign: str, example: Example, response: Response) -> None:
        """Count a response, and keep the request when the response was wrong."""
        wrong = example.check(response)
        with self._lock:
            self.responses.setdefault(campaign, Counter())[response.kind] += 1
            self.failed += bool(wrong)
            if wrong and len(self.failures) < _MAX_FAILURES:
                got = f"the response was {response.status} {response.content_type} {response.body[:300]!r}"
                description = f"{campaign}: {wrong}\n  {_shortened(example.request)}\n  {got}"
                self.failures.append(Failure(description, example.request))

    def sent(self, campaign: str) -> int:
        """Return how many requests of a campaign were sent."""
        return self.responses.get(campaign, Counter()).total()


def _shortened(request: Request, max_length: int = 600) -> str:
    text = repr(request)
    return text if len(text) <= max_length else f"{text[:max_length]} ... ({len(text)} characters)"


class Senders:
    """Threads that send requests, each over its own connection; a context manager that waits for the responses."""

    def __init__(self, port: int, campaign: str, results: Results) -> None:
        """Send to this port, and record the responses under the campaign's name."""
        self._port, self._campaign, self._results = port, campaign, results
        self._local = threading.local()
        self._clients: list[RawClient] = []
        self._threads = ThreadPoolExecutor(THREADS, initializer=self._connect)
        self._queue_slots = threading.BoundedSemaphore(4 * THREADS)
        self._sent: list[Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(cancel_futures=error is not None)
        for client in self._clients:
            client.close()
        if error is None:
            for future in self._sent:
                future.result()

    def send(self, example: Example) -> None:
        """Queue a request for the next free thread; block while the queue is full (backpressure)."""
        self._queue_slots.acquire()
        self._sent.append(self._threads.submit(self._send, example))

    def _connect(self) -> None:
        self._local.client = RawClient(self._port)
        self._clients.append(self._local.client)

    def _send(self, example: Example) -> None:
        try:
            self._results.record(self._campaign, example, self._local.client.send(example.request))
        finally:
            self._queue_slots.release()


def run(campaign: Campaign, port: int, count: int, seed: int, results: Results) -> None:
    """Send `count` requests of a campaign; the same seed draws the same ones.

    All are drawn in this thread: Hypothesis parses sources sometimes, which is not thread-safe in CPython 3.11.
    """
    batches = itertools.count()
    # A batch ends early when Hypothesis finds nothing new to draw; more batches with other seeds follow.
    while (missing := count - results.sent(campaign.name)) > 0:
        with Senders(port, campaign.name, results) as senders:
            for done in range(0, missing, BATCH_SIZE):
                batch_seed = zlib.crc32(f"{seed} {campaign.name} {next(batches)}".encode())
                for_each(campaign.examples, min(BATCH_SIZE, missing - done), batch_seed, senders.send)


def for_each(
    examples: st.SearchStrategy[Example], size: int, seed: int, action: Callable[[Example], None]
) -> None:
    """Draw `size` examples and call the action with each."""

    @seeded(seed)
    @settings(
        max_examples=size,
        deadline=None,
        database=None,
        # Failures are recorded and not raised, so there is nothing to shrink.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(examples)
    def draw(example: Example) -> None:
        action(example)

    draw()
