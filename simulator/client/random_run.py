"""A reproducible random run of all scenarios against a running store.

The run has three parts: plan the orders, place them and run their scenarios, and compare the simulator's
orders with the store's. Planning and comparing are pure functions.
"""

import asyncio
import random
import secrets
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from simulator.client.simulator_client import SimulatorClient, SimulatorError
from simulator.client.store_client import Item, StoreClient, StoreError
from simulator.scenarios import Scenario
from simulator.scenarios.expectations import ExpectedPurchases
from simulator.settings import Mode

_MAX_QUANTITY = 3
_CONSUMABLES_SHARE = 0.85
_MODES: tuple[Mode, ...] = ("combined", "separate")

_MAX_DELIVERY_SECONDS = 3000.0
_HOLD_SECONDS = 86_000.0
_COMPARE_INTERVAL_SECONDS = 1.0
_COMPARE_TIMEOUT_SECONDS = 15.0
# The store reconciles an order for the first time after two minutes, and then at growing intervals.
_RECONCILIATION_TIMEOUT_SECONDS = 300.0
_NOT_PLACED = "not placed"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of a random run."""

    seed: int
    orders: int
    users: int
    speed: float = 3600
    concurrency: int = 8
    # Whether the store asks the provider about orders that no notification settled.
    with_reconciliation: bool = True


@dataclass(frozen=True, slots=True)
class PlannedOrder:
    """An order of the plan: who buys what, and which scenario is run on it."""

    number: int
    user: int
    sku: str
    quantity: int
    scenario: Scenario
    mode: Mode


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences between an order at the simulator and at the store; none, if all is well."""

    planned: PlannedOrder
    order_id: str
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _ExecutedOrder:
    """A planned order with the id that the store gave to it; `error` says why something failed."""

    planned: PlannedOrder
    order_id: str
    error: str = ""


def plan(seed: int, orders: int, users: int, items: Sequence[Item]) -> list[PlannedOrder]:
    """Plan the orders of a run; each scenario occurs if there are at least as many orders as scenarios.

    Raises ValueError if no item can be bought more than once.
    """
    generator = random.Random(seed)  # noqa: S311, the same seed must give the same run
    picker = _ItemPicker(generator, items)
    planned = []
    for number, scenario in enumerate(_random_scenarios(generator, orders), 1):
        user = generator.randrange(users)
        item = picker.pick(user)
        quantity = generator.randint(1, _MAX_QUANTITY) if item.is_consumable else 1
        planned.append(PlannedOrder(number, user, item.sku, quantity, scenario, generator.choice(_MODES)))
    return planned


def _random_scenarios(generator: random.Random, count: int) -> list[Scenario]:
    all_scenarios = list(Scenario)
    generator.shuffle(all_scenarios)
    repeated = generator.choices(all_scenarios, k=max(0, count - len(all_scenarios)))
    chosen = all_scenarios[:count] + repeated
    generator.shuffle(chosen)
    return chosen


class _ItemPicker:
    """Picks random items; a user gets an item that can be owned only once at most once."""

    def __init__(self, generator: random.Random, items: Sequence[Item]) -> None:
        self._random = generator
        # Sorted, because the store may list its items in any order.
        sold = sorted((item for item in items if not item.is_free), key=lambda item: item.sku)
        self._consumables = [item for item in sold if item.is_consumable]
        self._others = [item for item in sold if not item.is_consumable]
        self._picked: set[tuple[int, str]] = set()
        if not self._consumables:
            raise ValueError("the store sells nothing that can be bought more than once")

    def pick(self, user: int) -> Item:
        others = [item for item in self._others if (user, item.sku) not in self._picked]
        if not others or self._random.random() < _CONSUMABLES_SHARE:
            return self._random.choice(self._consumables)
        item = self._random.choice(others)
        self._picked.add((user, item.sku))
        return item


class RandomRun:
    """Places orders through the store's public API and runs their scenarios in the simulator."""

    def __init__(self, client: httpx.AsyncClient, store_url: str, simulator_url: str, options: RunOptions) -> None:
        self._store = StoreClient(client, store_url)
        self._simulator = SimulatorClient(simulator_url)
        self._options = options
        self._tokens: list[str] = []

    async def run(self) -> bool:
        """Run everything and print the comparison; return whether there are no differences."""
        options = self._options
        try:
            planned = plan(options.seed, options.orders, options.users, await self._store.items())
        except ValueError as error:
            raise StoreError(str(error)) from None
        self._tokens = [await self._register_user() for _ in range(options.users)]
        print(f"Run with seed {options.seed}: {options.orders} orders of {options.users} users", flush=True)
        try:
            comparisons = await self._compare(await self._execute_all(planned))
        finally:
            self._simulator.close()
        return _print_report(options.seed, comparisons)

    async def _register_user(self) -> str:
        name, password = f"random{secrets.token_hex(4)}", secrets.token_urlsafe(16)
        await self._store.register(name, password)
        return await self._store.sign_in(name, password)

    async def _execute_all(self, planned: Sequence[PlannedOrder]) -> list[_ExecutedOrder]:
        semaphore = asyncio.Semaphore(self._options.concurrency)

        async def execute(each: PlannedOrder) -> _ExecutedOrder:
            async with semaphore:
                return await self._execute(each)

        return await asyncio.gather(*map(execute, planned))

    async def _execute(self, planned: PlannedOrder) -> _ExecutedOrder:
        """Place an order and run its scenario, until all its notifications are finished."""
        token, order_id = self._tokens[planned.user], _NOT_PLACED
        try:
            idempotency_key = f"random-run-{planned.number}"
            placed = await self._store.place(token, {planned.sku: planned.quantity}, idempotency_key)
            order_id = placed.id
            await self._run_scenario(planned, token, order_id)
        except (StoreError, SimulatorError) as error:
            return _ExecutedOrder(planned, order_id, str(error))
        return _ExecutedOrder(planned, order_id)

    async def _run_scenario(self, planned: PlannedOrder, token: str, order_id: str) -> None:
        if planned.scenario is Scenario.LATE:
            await self._cancel_before_notification(planned, token, order_id)
            return
        if planned.scenario is Scenario.REFUND:
            await self._send(planned, order_id, Scenario.HAPPY)
        await self._send(planned, order_id, planned.scenario)

    async def _cancel_before_notification(self, planned: PlannedOrder, token: str, order_id: str) -> None:
        """Cancel a paid order at the store while the notification of the payment is held."""
        await self._send(planned, order_id, planned.scenario, wait=0)
        await self._store.cancel(token, order_id)
        await asyncio.to_thread(self._simulator.release, order_id, wait=_MAX_DELIVERY_SECONDS)

    async def _send(
        self,
        planned: PlannedOrder,
        order_id: str,
        scenario: Scenario,
        wait: float = _MAX_DELIVERY_SECONDS,
    ) -> None:
        await asyncio.to_thread(
            self._simulator.send,
            order_id,
            scenario,
            wait=wait,
            hold=_HOLD_SECONDS,
            mode=planned.mode,
            speed=self._options.speed,
        )

    async def _compare(self, executed: Sequence[_ExecutedOrder]) -> list[Comparison]:
        """Compare until there are no differences or the timeout is over; repeat only what differs."""
        comparisons = {each.planned.number: each for each in await self._compare_once(executed)}
        deadline = asyncio.get_running_loop().time() + self._compare_timeout(executed)
        while different := [each for each in executed if comparisons[each.planned.number].differences]:
            if asyncio.get_running_loop().time() >= deadline:
                break
            await asyncio.sleep(_COMPARE_INTERVAL_SECONDS)
            comparisons |= {each.planned.number: each for each in await self._compare_once(different)}
        return [comparisons[each.planned.number] for each in executed]

    def _compare_timeout(self, executed: Sequence[_ExecutedOrder]) -> float:
        needs_reconciliation = any(each.planned.scenario is Scenario.DROP_ALL for each in executed)
        if needs_reconciliation and self._options.with_reconciliation:
            return _RECONCILIATION_TIMEOUT_SECONDS
        return _COMPARE_TIMEOUT_SECONDS

    async def _compare_once(self, executed: Sequence[_ExecutedOrder]) -> list[Comparison]:
        users = sorted({each.planned.user for each in executed})
        try:
            libraries = {user: await self._store.purchases(self._tokens[user]) for user in users}
        except StoreError as error:
            return [Comparison(each.planned, each.order_id, (str(error),)) for each in executed]
        return [await self._compare_order(each, libraries[each.planned.user]) for each in executed]

    async def _compare_order(self, executed: _ExecutedOrder, library: list[Json]) -> Comparison:
        planned, order_id = executed.planned, executed.order_id
        if executed.error:
            return Comparison(planned, order_id, (executed.error,))
        try:
            at_simulator = await asyncio.to_thread(self._simulator.order, order_id)
            store_status = await self._store.order_status(self._tokens[planned.user], order_id)
        except (StoreError, SimulatorError) as error:
            return Comparison(planned, order_id, (str(error),))
        purchases = [row for row in library if str(row["order_id"]) == order_id]
        found = differences(
            planned,
            at_simulator,
            store_status,
            purchases,
            with_reconciliation=self._options.with_reconciliation,
        )
        return Comparison(planned, order_id, found)


def differences(
    planned: PlannedOrder,
    at_simulator: Json,
    store_status: str,
    purchases: Iterable[Json],
    *,
    with_reconciliation: bool = True,
) -> tuple[str, ...]:
    """Return a text for each difference between an order at the store and what the simulator expects.

    Args:
        planned: the order in the plan.
        at_simulator: the order as the simulator's control API shows it.
        store_status: the order's status at the store.
        purchases: the purchases of this order in the user's library.
        with_reconciliation: whether the store asks the provider about orders that no notification settled.
    """
    expected_status = at_simulator["expected"]["status"]
    expected_purchases = ExpectedPurchases(at_simulator["expected"]["purchases"])
    if not with_reconciliation and not at_simulator["store_notified"]:
        expected_status, expected_purchases = "pending", ExpectedPurchases.NONE
    found = []
    if store_status != expected_status:
        found.append(f"the status should be {expected_status}, but is {store_status}")
    found += _purchase_differences(planned, expected_purchases, purchases)
    return (*found, *_response_differences(at_simulator["notifications"]))


def _purchase_differences(
    planned: PlannedOrder, expected: ExpectedPurchases, purchases: Iterable[Json]
) -> list[str]:
    actual = Counter((row["item"]["sku"], row["quantity"], row["status"]) for row in purchases)
    line = planned.sku, planned.quantity
    accepted: list[Counter[tuple[str, int, str]]] = [Counter()]
    if expected is ExpectedPurchases.GRANTED:
        accepted = [Counter([(*line, "granted")])]
    elif expected is ExpectedPurchases.REFUNDED:
        # If the refund arrived before the payment, the store may have no purchase at all.
        accepted = [Counter(), Counter([(*line, "refunded")])]
    if actual in accepted:
        return []
    return [f"the purchases should be {expected}, but the library has {_describe(actual)}"]


def _describe(purchases: Counter[tuple[str, int, str]]) -> str:
    texts = [f"{count} x ({quantity} {sku}, {status})" for (sku, quantity, status), count in purchases.items()]
    return ", ".join(texts) or "none"


def _response_differences(notifications: Sequence[Json]) -> list[str]:
    texts = Counter(_response_difference(each) for each in notifications if not each["as_expected"])
    return [text if count == 1 else f"{count} x {text}" for text, count in texts.items()]


def _response_difference(notification: Json) -> str:
    actual = f"{notification['type']} is {notification['status']!r} with {notification['last_response_status']}"
    return f"{actual}, expected {notification['expected_response']}"


def table(comparisons: Sequence[Comparison]) -> str:
    """Return a table with the number of orders of each scenario, and of all."""
    counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for comparison in comparisons:
        counts[comparison.planned.scenario][bool(comparison.differences)] += 1
    rows = [_table_row(scenario, *numbers) for scenario, numbers in sorted(counts.items())]
    totals = [sum(column) for column in zip(*counts.values(), strict=True)] or [0, 0]
    head = f"{'scenario':<20}{'orders':>8}{'as expected':>13}{'different':>11}"
    return "\n".join([head, *rows, _table_row("all", *totals)])


def _table_row(name: str, as_expected: int, different: int) -> str:
    return f"{name:<20}{as_expected + different:>8}{as_expected:>13}{different:>11}"


def difference_lines(comparisons: Sequence[Comparison]) -> list[str]:
    """Return a line for each difference."""
    return [
        f"DIFFERENCE {each.planned.scenario} ({each.planned.mode}), order {each.order_id}: {difference}"
        for each in comparisons
        for difference in each.differences
    ]


def _print_report(seed: int, comparisons: Sequence[Comparison]) -> bool:
    lines = difference_lines(comparisons)
    print("\n".join([table(comparisons), *lines]))
    print(f"Seed {seed}: {len(comparisons)} orders, {len(lines)} differences between simulator and store")
    return not lines
