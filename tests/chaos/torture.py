"""`make torture`: kill the store at random while notifications arrive, then send thousands in random order.

First workers are killed (SIGKILL), and sometimes the whole store, while notifications of payments, refunds and
chargebacks arrive repeatedly and in random order; then more arrive without kills. Every delivery that was not
acknowledged is sent again, as the provider does. At the end the database is compared with the log of what was
sent, order by order. The exit code is non-zero when anything was lost or duplicated.
"""

import argparse
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from queue import Empty, Queue

import httpx
from sqlalchemy import Engine

from benchmarks.deliveries import place_orders
from scripts import servers
from store_app.db.engine import make_engine
from tests.chaos.delivery_log import NO_RESPONSE, DeliveryLog, Findings, count_unsent_messages
from tests.integration.shop import PROJECT, SECRET, sign
from tests.support.postgres import fresh_database, postgres_server
from tests.support.processes import ChildFailed
from tests.support.redis import redis_server
from tests.support.store import StoreProcess

WORKERS = 3
SENDERS = 12
REPEATED_SHARE = 0.3
# Every so many kills the main process is killed with all its workers.
KILLS_PER_WHOLE_STORE = 25
USERS_PER_ROUND, ORDERS_PER_USER = 10, 50
TIMEOUT_SECONDS = 60.0
RESPONSE_TIMEOUT_SECONDS = 20
MAX_FINDINGS_SHOWN = 20


def with_repeats(bodies: list[bytes], total: int, generator: random.Random) -> list[bytes]:
    """Return the notifications in random order, some of them repeated, so that there are `total` of them."""
    mixed = [*bodies, *generator.choices(bodies, k=max(0, total - len(bodies)))]
    generator.shuffle(mixed)
    return mixed


@dataclass
class Provider:
    """Sends notifications from several threads, and retries each until it is acknowledged."""

    store: StoreProcess
    log: DeliveryLog
    queue: Queue[bytes] = field(default_factory=Queue)
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Send what is put into the queue meanwhile; at the end wait until all of it is acknowledged."""
        self._ended.clear()
        threads = [threading.Thread(target=self._send_all, daemon=True) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        yield
        self._ended.set()
        for thread in threads:
            thread.join()

    def _send_all(self) -> None:
        url = f"http://127.0.0.1:{self.store.port}"
        with httpx.Client(base_url=url, trust_env=False, timeout=RESPONSE_TIMEOUT_SECONDS) as client:
            while True:
                try:
                    body = self.queue.get(timeout=0.1)
                except Empty:
                    if self._ended.is_set():
                        return
                else:
                    while not self._send(client, body):
                        time.sleep(random.uniform(0.02, 0.2))

    def _send(self, client: httpx.Client, body: bytes) -> bool:
        headers = {"Authorization": sign(body).decode(), "Content-Type": "application/json"}
        try:
            status = client.post("/api/webhooks/payment", content=body, headers=headers).status_code
        except httpx.TransportError:
            self.log.record(NO_RESPONSE, body)
            return False
        self.log.record(f"{status // 100}xx", body)
        return status // 100 == 2


@dataclass
class Killer:
    """Kills workers of a store, each time after the last killed one was replaced."""

    store: StoreProcess
    workers: int
    generator: random.Random
    whole_store_kills: int = 0
    ended: int = 0

    def kill(self, number: int) -> None:
        """Kill a worker or, at some kills and when there is only one worker, the whole store."""
        if self.workers == 1 or number % KILLS_PER_WHOLE_STORE == 0:
            self.whole_store_kills += 1
            self.store.kill()
            self.store.start_store()
            return
        # Not the newest worker: the server gives up and ends when a worker dies right after its start.
        victim = self.generator.choice(self.store.worker_pids()[:-1])
        os.kill(victim, signal.SIGKILL)
        _wait_until(lambda: victim not in self._running() and len(self._running()) == self.workers)

    def _running(self) -> list[int]:
        if self.store.store.exit_code() is not None:
            self.ended += 1
            self.store.start_store()
        return self.store.worker_pids()


def _wait_until(condition: Callable[[], object], seconds: float = TIMEOUT_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ChildFailed(f"the store did not recover within {seconds:.0f} s")
        time.sleep(0.02)


@dataclass
class Torture:
    """A run against a store: the notifications to send, and the kills."""

    store: StoreProcess
    workers: int
    seed: int
    log: DeliveryLog = field(default_factory=DeliveryLog)

    def __post_init__(self) -> None:
        """Make two random generators, because the draws for the kills depend on time."""
        self.generator, self.kill_generator = random.Random(self.seed), random.Random(self.seed)

    def kill_under_load(self, kills: int) -> Killer:
        """Kill so many times, while notifications keep arriving."""
        provider, killer = Provider(self.store, self.log), Killer(self.store, self.workers, self.kill_generator)
        with provider.sending():
            for number in range(1, kills + 1):
                self._fill_queue(provider)
                self._wait_for_some_deliveries()
                killer.kill(number)
                _show_progress(f"{number} of {kills} kills, {self.log.responses['2xx']} deliveries acknowledged")
        return killer

    def _wait_for_some_deliveries(self) -> None:
        """Wait for some deliveries and then a random time, so that the kill comes at a random moment."""
        enough = self.log.responses["2xx"] + self.kill_generator.randrange(1, 20)
        _wait_until(lambda: self.log.responses["2xx"] >= enough)
        time.sleep(self.kill_generator.uniform(0, 0.05))

    def _fill_queue(self, provider: Provider) -> None:
        if provider.queue.qsize() < 20 * SENDERS:
            orders = place_orders(self.store, USERS_PER_ROUND, ORDERS_PER_USER)
            bodies = self.log.plan(orders, self.generator)
            for body in with_repeats(bodies, round(len(bodies) / (1 - REPEATED_SHARE)), self.generator):
                provider.queue.put(body)

    def send_in_random_order(self, deliveries: int) -> None:
        """Send so many notifications, repeats included, in random order."""
        bodies: list[bytes] = []
        while (missing := round(deliveries * (1 - REPEATED_SHARE)) - len(bodies)) > 0:
            orders = place_orders(self.store, USERS_PER_ROUND, ORDERS_PER_USER)
            bodies += self.log.plan(orders, self.generator, missing)
        provider = Provider(self.store, self.log)
        for body in with_repeats(bodies, deliveries, self.generator):
            provider.queue.put(body)
        begin = self.log.responses["2xx"]
        total = provider.queue.qsize()
        with provider.sending():
            while not provider.queue.empty():
                time.sleep(1)
                _show_progress(f"{self.log.responses['2xx'] - begin} of {total} deliveries acknowledged")


def _show_progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text} ", end="", file=sys.stderr, flush=True)


@contextmanager
def _store(*, sqlite: bool) -> Iterator[StoreProcess]:
    env = {"XSOLLA_PROJECT_ID": str(PROJECT), "XSOLLA_WEBHOOK_SECRET": SECRET, "LOG_LEVEL": "ERROR"}
    with ExitStack() as stack:
        if sqlite:
            yield stack.enter_context(StoreProcess(env=env))
            return
        database = fresh_database(stack.enter_context(postgres_server()))
        redis = stack.enter_context(redis_server())
        yield stack.enter_context(
            StoreProcess(env=env, database_url=database, redis_url=redis.url, workers=WORKERS)
        )


def _findings(store: StoreProcess, log: DeliveryLog) -> Findings:
    engine = make_engine(store.database_url.replace("postgresql://", "postgresql+psycopg2://"))
    deadline = time.monotonic() + TIMEOUT_SECONDS
    try:
        # The store sends what a killed worker left in the outbox when that worker's lease has expired.
        while _has_unsent_messages(engine) and time.monotonic() < deadline:
            time.sleep(0.5)
        return Findings.of(engine, log)
    finally:
        engine.dispose()


def _has_unsent_messages(engine: Engine) -> bool:
    with engine.connect() as connection:
        return count_unsent_messages(connection) > 0


def _print(title: str, figures: dict[str, int]) -> None:
    print(f"\n{title}")
    for name, figure in figures.items():
        print(f"  {name:<40} {figure:>9,}")


def torture(kills: int, deliveries: int, seed: int, *, sqlite: bool) -> int:
    """Run it and print a table of the results; return the exit code."""
    begin = time.monotonic()
    workers = 1 if sqlite else WORKERS
    with _store(sqlite=sqlite) as store:
        run = Torture(store, workers, seed)
        killer = run.kill_under_load(kills)
        first, orders = run.log.responses.copy(), len(run.log.expected)
        killed = time.monotonic()
        run.send_in_random_order(deliveries)
        sent = time.monotonic()
        found = _findings(store, run.log)
    second = run.log.responses - first
    print(f"\nseed {seed}, {'SQLite, 1 worker' if sqlite else f'PostgreSQL, Redis, {workers} workers'}")
    _print(
        "killed at random under load",
        {
            "kills (SIGKILL)": kills,
            "... of the whole store at once": killer.whole_store_kills,
            "... after which the server ended by itself": killer.ended,
            "orders": orders,
            "deliveries acknowledged": first["2xx"],
            "... without a response, and sent again": first[NO_RESPONSE],
            "... with a 5xx response, and sent again": first["5xx"],
            "seconds": round(killed - begin),
        },
    )
    _print(
        "in random order",
        {
            "orders": len(run.log.expected) - orders,
            f"deliveries, {REPEATED_SHARE:.0%} of them repeats": second["2xx"],
            "... without a response, or with a 5xx": second[NO_RESPONSE] + second["5xx"],
            "seconds": round(sent - killed),
        },
    )
    _print(
        "in the end",
        {
            "responses 3xx or 4xx": run.log.responses["3xx"] + run.log.responses["4xx"],
            "lost": len(found.lost),
            "duplicated": len(found.duplicates),
            "invariants broken": len(found.invariants),
            "messages never sent": found.unsent,
        },
    )
    for description in found.all()[:MAX_FINDINGS_SHOWN]:
        print(f"  {description}", file=sys.stderr)
    return int(bool(found.all()))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=500, help="how many times to kill (500)")
    parser.add_argument("--deliveries", type=int, default=10_000, help="how many to send afterwards (10000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed draws the same notifications")
    parser.add_argument("--sqlite", action="store_true", help="use SQLite and one worker, the default setup")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run; return the exit code."""
    arguments = _arguments(argv)
    try:
        servers.provide()
        return torture(arguments.kills, arguments.deliveries, arguments.seed, sqlite=arguments.sqlite)
    except (servers.Missing, ChildFailed) as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
