"""`make torture`: kill the store at random while notifications come, then send thousands in random order.

First workers are killed (SIGKILL), and now and then the whole store, while notifications of payments and of
what undoes them arrive many times and in any order; then more arrive without kills. Whatever was not
answered with success is sent again, as the provider does. At the end the database is compared with what was
sent, order by order: nothing may be lost, nothing doubled. Exits non-zero otherwise.
"""

import argparse
import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from queue import Empty, Queue
from typing import Any

import httpx
from sqlalchemy import Connection, Engine, text

from benchmarks.deliveries import PlacedOrder, place_orders
from scripts import servers
from store_app.db.engine import make_engine
from store_app.models import Order, utc_now
from tests.integration.shop import PROJECT, SECRET, declined, order_paid, refund, sign
from tests.support.invariants import violations
from tests.support.postgres import fresh_database, postgres_server
from tests.support.processes import ChildFailed
from tests.support.redis import redis_server
from tests.support.store import StoreProcess

WORKERS = 3
SENDERS = 12
REPEATS = 0.3
# How often the main process is killed with all its workers.
WHOLE_STORE_EVERY = 25
PLAYERS_AT_ONCE, ORDERS_EACH = 10, 50
PATIENCE = 60.0

# What happens to an order, how often, and how it must stand in the end, in whatever order that arrives.
COURSES: dict[tuple[str, ...], tuple[int, str]] = {
    ("paid",): (40, "paid"),
    ("paid", "refund"): (25, "refunded"),
    ("paid", "chargeback"): (8, "charged_back"),
    ("paid", "refund", "chargeback"): (4, "charged_back"),
    ("paid", "part"): (8, "partially_refunded"),
    ("declined", "paid"): (7, "paid"),
    ("declined",): (4, "failed"),
    ("refund",): (4, "canceled"),
}
PURCHASES = {
    "paid": ["granted"],
    "partially_refunded": ["granted"],
    "refunded": ["refunded"],
    "charged_back": ["refunded"],
}


def _body(kind: str, placed: PlacedOrder) -> bytes:
    cents = round(float(placed.total) * 100)
    order = Order(
        id=placed.order_id, user_id=placed.user_id, total=cents, currency="USD", number="", expires_at=utc_now()
    )
    transaction = f"T-{placed.order_id[:24]}"
    match kind:
        case "paid":
            notification = order_paid(order, transaction)
        case "declined":
            notification = declined(order)
        case "part":
            part = {"currency": "USD", "amount": f"{cents // 2 / 100:.2f}"}
            notification = refund(order, transaction)
            notification |= {"notification_type": "partial_refund", "payment_details": {"payment": part}}
        case _:
            notification = refund(order, transaction, code=2 if kind == "chargeback" else 1)
    return json.dumps(notification).encode()


@dataclass
class Books:
    """What was sent and how it was answered: the other side of the comparison."""

    expected: dict[str, str] = field(default_factory=dict)
    accepted: Counter[bytes] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def plan(self, orders: Sequence[PlacedOrder], dice: random.Random, enough: int = sys.maxsize) -> list[bytes]:
        """Choose what happens to each order; return the notifications of all, none of them repeated.

        Orders that are left when there are `enough` notifications stay as they are.
        """
        weights = [weight for weight, _ in COURSES.values()]
        bodies: list[bytes] = []
        for order in orders:
            if len(bodies) >= enough:
                break
            (course,) = dice.choices(list(COURSES), weights)
            self.expected[order.order_id] = COURSES[course][1]
            bodies += [_body(kind, order) for kind in course]
        return bodies

    def note(self, answer: str, body: bytes) -> None:
        """Count an answer to a delivery."""
        with self.lock:
            self.answers[answer] += 1
            if answer == "2xx":
                self.accepted[body] += 1


def with_repeats(bodies: list[bytes], total: int, dice: random.Random) -> list[bytes]:
    """Return the notifications in random order, some of them several times, so that they are `total`."""
    mixed = [*bodies, *dice.choices(bodies, k=max(0, total - len(bodies)))]
    dice.shuffle(mixed)
    return mixed


@dataclass
class Provider:
    """Sends notifications from several threads, each until it is answered with success."""

    store: StoreProcess
    books: Books
    waiting: Queue[bytes] = field(default_factory=Queue)
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Send what is put into `waiting` meanwhile; at the end wait until all of it is answered."""
        self._ended.clear()
        threads = [threading.Thread(target=self._send_all, daemon=True) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        yield
        self._ended.set()
        for thread in threads:
            thread.join()

    def _send_all(self) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{self.store.port}", trust_env=False, timeout=20) as client:
            while True:
                try:
                    body = self.waiting.get(timeout=0.1)
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
            self.books.note("cut off", body)
            return False
        self.books.note(f"{status // 100}xx", body)
        return status // 100 == 2


@dataclass
class Killer:
    """Kills workers of a store, never before the last one is replaced."""

    store: StoreProcess
    workers: int
    dice: random.Random
    whole: int = 0
    ended: int = 0

    def kill(self, number: int) -> None:
        """Kill a worker or, now and then and where there is only one, the whole store."""
        if self.workers == 1 or number % WHOLE_STORE_EVERY == 0:
            self.whole += 1
            self.store.kill()
            self.store.start_store()
            return
        # Not the newest: the server takes a worker that dies at once for hopeless and ends.
        victim = self.dice.choice(self.store.worker_pids()[:-1])
        os.kill(victim, signal.SIGKILL)
        _wait_until(lambda: victim not in self._running() and len(self._running()) == self.workers)

    def _running(self) -> list[int]:
        if self.store.store.exit_code() is not None:
            self.ended += 1
            self.store.start_store()
        return self.store.worker_pids()


def _wait_until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ChildFailed(f"the store did not recover in {seconds:.0f} s")
        time.sleep(0.02)


@dataclass
class Torture:
    """A store, what it is told, and who kills it."""

    store: StoreProcess
    workers: int
    seed: int
    books: Books = field(default_factory=Books)

    def __post_init__(self) -> None:
        """Throw dice of their own for what is sent and for the kills, which depend on time too."""
        self.dice, self.kill_dice = random.Random(self.seed), random.Random(self.seed)

    def kill_under_load(self, kills: int) -> Killer:
        """Kill so many times, while notifications come all the time."""
        provider, killer = Provider(self.store, self.books), Killer(self.store, self.workers, self.kill_dice)
        with provider.sending():
            for number in range(1, kills + 1):
                self._keep_busy(provider)
                self._let_work()
                killer.kill(number)
                _tell(f"{number} of {kills} kills, {self.books.answers['2xx']} deliveries answered with success")
        return killer

    def _let_work(self) -> None:
        """Wait for a moment somewhere in the work: some deliveries later, and then at random."""
        enough = self.books.answers["2xx"] + self.kill_dice.randrange(1, 20)
        _wait_until(lambda: self.books.answers["2xx"] >= enough)
        time.sleep(self.kill_dice.uniform(0, 0.05))

    def _keep_busy(self, provider: Provider) -> None:
        if provider.waiting.qsize() < 20 * SENDERS:
            orders = place_orders(self.store, PLAYERS_AT_ONCE, ORDERS_EACH)
            bodies = self.books.plan(orders, self.dice)
            for body in with_repeats(bodies, round(len(bodies) / (1 - REPEATS)), self.dice):
                provider.waiting.put(body)

    def send_in_random_order(self, deliveries: int) -> None:
        """Send so many notifications, among them repeats, all mixed."""
        bodies: list[bytes] = []
        while (missing := round(deliveries * (1 - REPEATS)) - len(bodies)) > 0:
            orders = place_orders(self.store, PLAYERS_AT_ONCE, ORDERS_EACH)
            bodies += self.books.plan(orders, self.dice, missing)
        provider = Provider(self.store, self.books)
        for body in with_repeats(bodies, deliveries, self.dice):
            provider.waiting.put(body)
        begin = self.books.answers["2xx"]
        total = provider.waiting.qsize()
        with provider.sending():
            while not provider.waiting.empty():
                time.sleep(1)
                _tell(f"{self.books.answers['2xx'] - begin} of {total} deliveries answered with success")


def _rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(query))]


def _missing_deliveries(connection: Connection, books: Books) -> list[str]:
    kept = Counter(bytes(body) for (body,) in _rows(connection, "SELECT body FROM webhook_deliveries"))
    return [f"a delivery: {body[:80]!r}" for body, times in books.accepted.items() if kept[body] < times]


def _doubled(connection: Connection) -> list[str]:
    """Return movements of money and transitions of which an order has two; no course has any twice."""
    query = "SELECT order_id, kind, COUNT(*) FROM {} GROUP BY order_id, kind HAVING COUNT(*) > 1"
    tables = ("payments", "order_events")
    return [
        f"order {order_id} has {times} {table} of {kind}"
        for table in tables
        for order_id, kind, times in _rows(connection, query.format(table))
    ]


@dataclass(frozen=True)
class Findings:
    """What is wrong in the end; all empty when nothing is."""

    lost: list[str]
    double: list[str]
    invariants: list[str]
    unsent: int = 0

    @classmethod
    def of(cls, engine: Engine, books: Books) -> "Findings":
        """Compare the database with the books."""
        with engine.connect() as connection:
            found = cls(_missing_deliveries(connection, books), _doubled(connection), violations(engine))
            statuses = dict(_rows(connection, "SELECT id, status FROM orders"))
            purchases: dict[str, list[str]] = {}
            for order_id, status in _rows(connection, "SELECT order_id, status FROM purchases"):
                purchases.setdefault(order_id, []).append(status)
            unsent = len(_rows(connection, "SELECT id FROM outbox"))
        for order_id, status in books.expected.items():
            bought, right = purchases.get(order_id, []), PURCHASES.get(status, [])
            words = f"order {order_id} is {statuses.get(order_id)}, not {status}; bought {bought}, not {right}"
            if len(bought) > len(right):
                found.double.append(words)
            elif bought != right or statuses.get(order_id) != status:
                found.lost.append(words)
        return replace(found, unsent=unsent)

    def all(self) -> list[str]:
        """Return everything that is wrong."""
        unsent = [f"{self.unsent} messages are in the outbox still"] if self.unsent else []
        return [*self.lost, *self.double, *self.invariants, *unsent]


def _tell(words: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{words} ", end="", file=sys.stderr, flush=True)


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


def _check(store: StoreProcess, books: Books) -> Findings:
    engine = make_engine(store.database_url.replace("postgresql://", "postgresql+psycopg2://"))
    deadline = time.monotonic() + PATIENCE
    try:
        # What a killed worker left in the outbox is sent when its lease is over.
        while _is_sending(engine) and time.monotonic() < deadline:
            time.sleep(0.5)
        return Findings.of(engine, books)
    finally:
        engine.dispose()


def _is_sending(engine: Engine) -> bool:
    with engine.connect() as connection:
        return bool(_rows(connection, "SELECT id FROM outbox LIMIT 1"))


def _print(title: str, figures: dict[str, int]) -> None:
    print(f"\n{title}")
    for name, figure in figures.items():
        print(f"  {name:<40} {figure:>9,}")


def torture(kills: int, deliveries: int, seed: int, *, sqlite: bool) -> int:
    """Do it and print the table; return the exit code."""
    begin = time.monotonic()
    workers = 1 if sqlite else WORKERS
    with _store(sqlite=sqlite) as store:
        run = Torture(store, workers, seed)
        killer = run.kill_under_load(kills)
        first, orders = run.books.answers.copy(), len(run.books.expected)
        killed = time.monotonic()
        run.send_in_random_order(deliveries)
        sent = time.monotonic()
        found = _check(store, run.books)
    then = run.books.answers - first
    print(f"\nseed {seed}, {'SQLite, 1 worker' if sqlite else f'PostgreSQL, Redis, {workers} workers'}")
    _print(
        "killed at random under load",
        {
            "kills (SIGKILL)": kills,
            "... of the whole store at once": killer.whole,
            "... after which the store ended": killer.ended,
            "orders": orders,
            "deliveries answered with success": first["2xx"],
            "... cut off, and sent again": first["cut off"],
            "... answered 5xx, and sent again": first["5xx"],
            "seconds": round(killed - begin),
        },
    )
    _print(
        "in random order",
        {
            "orders": len(run.books.expected) - orders,
            f"deliveries, {REPEATS:.0%} of them repeats": then["2xx"],
            "... cut off or answered 5xx": then["cut off"] + then["5xx"],
            "seconds": round(sent - killed),
        },
    )
    _print(
        "in the end",
        {
            "answered 3xx or 4xx": run.books.answers["3xx"] + run.books.answers["4xx"],
            "lost": len(found.lost),
            "double": len(found.double),
            "invariants broken": len(found.invariants),
            "messages never sent": found.unsent,
        },
    )
    for words in found.all()[:20]:
        print(f"  {words}", file=sys.stderr)
    return int(bool(found.all()))


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=500, help="how often to kill (500)")
    parser.add_argument("--deliveries", type=int, default=10_000, help="how many to send afterwards (10000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same notifications")
    parser.add_argument("--sqlite", action="store_true", help="the default shape: SQLite and one worker")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Run; return the exit code."""
    chosen = _arguments(words)
    try:
        servers.provide()
        return torture(chosen.kills, chosen.deliveries, chosen.seed, sqlite=chosen.sqlite)
    except (servers.Missing, ChildFailed) as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
