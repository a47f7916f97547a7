"""Campaigns against a running store: draws requests, sends them from several threads, and keeps what was wrong."""

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

from tests.chaos.fuzzing.transport import Answer, Request, Wire

BATCH = 500
THREADS = 3
_FAILURES_KEPT = 50


@dataclass(frozen=True, slots=True)
class Try:
    """A request, and what judges its answer: it returns in words what is wrong, or nothing."""

    request: Request
    apply: Callable[[Answer], str]


@dataclass(frozen=True, slots=True)
class Campaign:
    """Requests of one sort."""

    name: str
    tries: st.SearchStrategy[Try]


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that was answered wrongly."""

    words: str
    request: Request

    def __str__(self) -> str:
        return self.words


@dataclass
class Records:
    """What was sent, how it was answered, and what was wrong with that."""

    answers: dict[str, Counter[str]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    failed: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, campaign: str, one: Try, answer: Answer) -> None:
        """Count an answer, and keep the request where it was wrong."""
        wrong = one.apply(answer)
        with self._lock:
            self.answers.setdefault(campaign, Counter())[answer.kind] += 1
            self.failed += bool(wrong)
            if wrong and len(self.failures) < _FAILURES_KEPT:
                said = f"answered {answer.status} {answer.content_type} {answer.body[:300]!r}"
                self.failures.append(Failure(f"{campaign}: {wrong}\n  {_cut(one.request)}\n  {said}", one.request))

    def sent(self, campaign: str) -> int:
        """Return how many requests of a campaign were answered."""
        return self.answers.get(campaign, Counter()).total()


def _cut(request: Request, longest: int = 600) -> str:
    text = repr(request)
    return text if len(text) <= longest else f"{text[:longest]} ... ({len(text)} characters)"


class Senders:
    """Threads that send requests, each over its own connection; a context manager that waits for the answers."""

    def __init__(self, port: int, campaign: str, records: Records) -> None:
        """Send to this port, and note the answers under the campaign's name."""
        self._port, self._campaign, self._records = port, campaign, records
        self._own = threading.local()
        self._wires: list[Wire] = []
        self._threads = ThreadPoolExecutor(THREADS, initializer=self._connect)
        self._turns = threading.BoundedSemaphore(4 * THREADS)
        self._sent: list[Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(cancel_futures=error is not None)
        for wire in self._wires:
            wire.close()
        if error is None:
            for sent in self._sent:
                sent.result()

    def send(self, one: Try) -> None:
        """Send a request as soon as a thread is free; wait while too many wait for one."""
        self._turns.acquire()
        self._sent.append(self._threads.submit(self._send, one))

    def _connect(self) -> None:
        self._own.wire = Wire(self._port)
        self._wires.append(self._own.wire)

    def _send(self, one: Try) -> None:
        try:
            self._records.note(self._campaign, one, self._own.wire.ask(one.request))
        finally:
            self._turns.release()


def run(campaign: Campaign, port: int, count: int, seed: int, records: Records) -> None:
    """Send `count` requests of a campaign; the same seed draws the same ones.

    All are drawn in this thread: Hypothesis parses sources now and then, which CPython 3.11 cannot in several.
    """
    batches = itertools.count()
    # A batch ends early where Hypothesis finds nothing new to draw; then others, with other seeds, follow.
    while (missing := count - records.sent(campaign.name)) > 0:
        with Senders(port, campaign.name, records) as senders:
            for done in range(0, missing, BATCH):
                batch = zlib.crc32(f"{seed} {campaign.name} {next(batches)}".encode())
                for_each(campaign.tries, min(BATCH, missing - done), batch, senders.send)


def for_each(tries: st.SearchStrategy[Try], size: int, seed: int, act: Callable[[Try], None]) -> None:
    """Draw so many and do something with each."""

    @seeded(seed)
    @settings(
        max_examples=size,
        deadline=None,
        database=None,
        # What is wrong is kept and not raised: so nothing is sent again to find a smaller example.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(tries)
    def draw(one: Try) -> None:
        act(one)

    draw()
