"""`python -m tests.chaos.storm`: many threads do everything at once with a few orders, on PostgreSQL.

Each thread delivers notifications, singly and in batches that name several orders, cancels, expires, buys, opens
payment pages, catches up and closes accounts, all drawn at random. A database error that reaches the caller, or an
invariant that is broken afterwards, is a failure.
"""

import argparse
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from alembic.config import Config

from alembic import command
from scripts import servers
from store_app.accounts.service import CurrentUser
from store_app.checkout import cart
from store_app.db.unit_of_work import unit_of_work
from store_app.errors import Refusal
from store_app.models import Item, Order
from store_app.orders import service
from store_app.orders.order import Orders
from tests.integration.shop import (
    Json,
    Shop,
    declined,
    order_canceled,
    order_paid,
    payment,
    refund,
    sign,
    use_database,
)
from tests.support.deliveries import delivery
from tests.support.invariants import violations
from tests.support.postgres import fresh_database, postgres_server
from tests.support.processes import ROOT
from webhook.inbox import Delivery
from webhook.intake import catch_up, receive_all

ORDERS_OF_USER = 3


@dataclass
class Storm:
    """What the threads do, and what came of it."""

    shop: Shop
    users: list[CurrentUser]
    items: list[Item]
    orders: list[Order]
    done: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def run(self, threads: int, seconds: float, seed: int) -> None:
        """Let the threads act until the time is over."""
        barrier, end = threading.Barrier(threads), time.monotonic() + seconds
        with ThreadPoolExecutor(threads) as pool:
            for done in pool.map(lambda number: self._act(barrier, end, f"{seed} {number}"), range(threads)):
                self.done += done

    def _act(self, barrier: threading.Barrier, end: float, seed: str) -> Counter[str]:
        drawn, done = random.Random(seed), Counter[str]()
        barrier.wait()
        while time.monotonic() < end:
            action = drawn.choices(ACTIONS, weights=(6, 6, 1, 1, 1, 1, 1))[0]
            try:
                with suppress(Refusal):
                    action(self, drawn)
                done[action.__name__.strip("_")] += 1
            except Exception as error:  # noqa: BLE001 - all of them are listed at the end
                self.failures.append(f"{action.__name__}: {type(error).__name__}: {error}")
        return done

    def _notification(self, drawn: random.Random) -> Delivery:
        order, number = drawn.choice(self.orders), drawn.randint(1, 2)
        body = json.dumps(drawn.choice(NOTIFICATIONS)(order, f"{drawn.choice('AB')}-{order.id}", number)).encode()
        return delivery(body, sign(body))

    def _deliver_one(self, drawn: random.Random) -> None:
        receive_all([self._notification(drawn)])

    def _deliver_batch(self, drawn: random.Random) -> None:
        batch = [self._notification(drawn) for _ in range(drawn.randint(2, 8))]
        try:
            receive_all(batch)
        except Exception:  # noqa: BLE001 - as the group commit does: each one is then processed by itself
            self.done["batches undone"] += 1
            for one in batch:
                receive_all([one])

    def _cancel(self, drawn: random.Random) -> None:
        order = drawn.choice(self.orders)
        service.cancel(order.user_id, order.id)

    def _expire(self, drawn: random.Random) -> None:
        self.shop.age(drawn.choice(self.orders).id)
        with unit_of_work() as work:
            Orders.of(work).expire_due()

    def _buy(self, drawn: random.Random) -> None:
        user, item = drawn.choice(self.users), drawn.choice(self.items)
        cart.add(user.user_id, item.sku)
        self.shop.buy(user, {item.sku: 1})

    def _catch_up(self, _drawn: random.Random) -> None:
        catch_up()

    def _replace(self, drawn: random.Random) -> None:
        """Let new orders take the place of one user's, who may close the account."""
        number = drawn.randrange(len(self.users))
        if drawn.random() < 0.5:
            service.close_account(self.users[number], self.users[number].user_id)
            self.users[number] = self.shop.user()
        begin = number * ORDERS_OF_USER
        self.orders[begin : begin + ORDERS_OF_USER] = _orders(self.shop, self.users[number], self.items)


ACTIONS: Sequence[Callable[[Storm, random.Random], None]] = (
    Storm._deliver_one,
    Storm._deliver_batch,
    Storm._cancel,
    Storm._expire,
    Storm._buy,
    Storm._catch_up,
    Storm._replace,
)


def _refund_only(order: Order, transaction: str, _attempt: int) -> Json:
    """Return a refund that names nothing but its transaction."""
    full = refund(order, transaction)
    return {**full, "custom_parameters": {}, "transaction": {"id": transaction, "dry_run": 1}}


NOTIFICATIONS: Sequence[Callable[[Order, str, int], Json]] = (
    order_paid,
    order_paid,
    order_canceled,
    lambda order, transaction, _attempt: payment(order, transaction),
    refund,
    lambda order, _transaction, attempt: declined(order, attempt),
    _refund_only,
)


def _orders(shop: Shop, user: CurrentUser, items: Sequence[Item]) -> list[Order]:
    # Overlapping items: what one order grants, the next one holds.
    return [
        shop.order(user, items[number], items[(number + 1) % len(items)], attempts=2)
        for number in range(ORDERS_OF_USER)
    ]


def storm(url: str, threads: int, orders: int, seconds: float, seed: int) -> int:
    """Run, print what was done, and return the exit code."""
    with use_database(url.replace("postgresql://", "postgresql+psycopg2://")) as engine:
        config = Config(ROOT / "alembic.ini")
        config.attributes["engine"] = engine
        command.upgrade(config, "head")
        shop = Shop(engine, engine.dialect.name)
        items, users = [shop.item() for _ in range(3)], [shop.user() for _ in range(orders // ORDERS_OF_USER)]
        placed = [order for user in users for order in _orders(shop, user, items)]
        run = Storm(shop, users, items, placed)
        run.run(threads, seconds, seed)
        catch_up()
        broken = violations(engine)
        deadlocks = shop.rows("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")[0][0]
    print(f"seed {seed}, {threads} threads, {orders} orders at a time, {seconds:g} s:")
    for name, number in [*run.done.most_common(), ("deadlocks that were retried", deadlocks)]:
        print(f"  {name:<30} {number:>9,}")
    print(f"  {'errors that reached a caller':<30} {len(run.failures):>9,}")
    print(f"  {'invariants broken':<30} {len(broken):>9,}")
    for problem in [*run.failures[:10], *broken]:
        print(problem, file=sys.stderr)
    return int(bool(run.failures or broken))


def main(argv: Sequence[str] | None = None) -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.storm", description=__doc__)
    parser.add_argument("--seconds", type=float, default=45)
    parser.add_argument("--threads", type=int, default=6)
    parser.add_argument("--orders", type=int, default=12, help="how many orders they share at a time (12)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(argv)
    servers.provide()
    with postgres_server() as server:
        return storm(
            fresh_database(server), arguments.threads, arguments.orders, arguments.seconds, arguments.seed
        )


if __name__ == "__main__":
    sys.exit(main())
