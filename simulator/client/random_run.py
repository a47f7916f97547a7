"""A reproducible random mix of all scenarios against a running store, compared with its books at the end."""

import asyncio
import random
import secrets
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from simulator.client.simulator_client import Laboratory, SimulatorTrouble
from simulator.client.store_client import Item, StoreClient, StoreTrouble
from simulator.scenarios import Scenario
from simulator.scenarios.expectations import Granted
from simulator.settings import Mode

_MOST_OF_ONE = 3
_SHARE_OF_CONSUMABLES = 0.85
_MODES: tuple[Mode, ...] = ("combined", "separate")


@dataclass(frozen=True, slots=True)
class Step:
    """One order: who buys what, and what happens to it."""

    number: int
    player: int
    sku: str
    quantity: int
    scenario: Scenario
    mode: Mode


def plan(seed: int, orders: int, players: int, items: Sequence[Item]) -> list[Step]:
    """Plan a mix; each scenario occurs as soon as there are as many orders as scenarios.

    Raises ValueError when nothing can be bought more than once.
    """
    chance = random.Random(seed)  # noqa: S311, the same seed has to give the same mix
    shelf = _Shelf(chance, items)
    scenarios = _scenarios(chance, orders)
    steps = []
    for number, scenario in enumerate(scenarios, 1):
        player = chance.randrange(players)
        item = shelf.choose(player)
        quantity = chance.randint(1, _MOST_OF_ONE) if item.is_consumable else 1
        steps.append(Step(number, player, item.sku, quantity, scenario, chance.choice(_MODES)))
    return steps


def _scenarios(chance: random.Random, orders: int) -> list[Scenario]:
    every = list(Scenario)
    chance.shuffle(every)
    drawn = every[:orders] + chance.choices(every, k=max(0, orders - len(every)))
    chance.shuffle(drawn)
    return drawn


class _Shelf:
    """What may be bought: things owned once only once by each player, whatever becomes of the order."""

    def __init__(self, chance: random.Random, items: Sequence[Item]) -> None:
        self._chance = chance
        # The store may list its items in any order.
        sold = sorted((item for item in items if not item.is_free), key=lambda item: item.sku)
        self._consumables = [item for item in sold if item.is_consumable]
        self._others = [item for item in sold if not item.is_consumable]
        self._bought: set[tuple[int, str]] = set()
        if not self._consumables:
            raise ValueError("the store sells nothing that can be bought more than once")

    def choose(self, player: int) -> Item:
        others = [item for item in self._others if (player, item.sku) not in self._bought]
        if not others or self._chance.random() < _SHARE_OF_CONSUMABLES:
            return self._chance.choice(self._consumables)
        item = self._chance.choice(others)
        self._bought.add((player, item.sku))
        return item


# The store asks about what it was never told after two minutes, and then at growing intervals.
_REPAIR_SECONDS = 300.0
_SETTLE_SECONDS = 15.0
_LOOK_AGAIN_SECONDS = 1.0
_LONGEST_DELIVERY = 3000.0
_HELD_UNTIL_RELEASED = 86_000.0
_UNPLACED = "never placed"


Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """How one order of a mix ended; an empty list of differences is what we want."""

    step: Step
    order_id: str
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Options:
    """What a mix may be told."""

    seed: int
    orders: int
    players: int
    speed: float = 3600
    at_once: int = 8
    with_repair: bool = True


@dataclass(frozen=True, slots=True)
class _Played:
    """A step and the store's order it became; `trouble` says why it did not."""

    step: Step
    order_id: str
    trouble: str = ""


class Mix:
    """Places orders over the store's public API and makes the simulator do what the plan says."""

    def __init__(self, client: httpx.AsyncClient, store_url: str, simulator_url: str, options: Options) -> None:
        self._store = StoreClient(client, store_url)
        self._laboratory = Laboratory(simulator_url)
        self._options = options
        self._tokens: list[str] = []

    async def run(self) -> bool:
        """Play the whole mix and print the comparison; true when the books agree."""
        options = self._options
        try:
            steps = plan(options.seed, options.orders, options.players, await self._store.items())
        except ValueError as error:
            raise StoreTrouble(str(error)) from None
        self._tokens = [await self._new_player() for _ in range(options.players)]
        print(f"Mix with seed {options.seed}: {options.orders} orders of {options.players} players", flush=True)
        try:
            played = await self._play_all(steps)
            findings = await self._compare(played)
        finally:
            self._laboratory.close()
        return _print_report(options.seed, findings)

    async def _new_player(self) -> str:
        name, password = f"mix{secrets.token_hex(4)}", secrets.token_urlsafe(16)
        await self._store.register(name, password)
        return await self._store.sign_in(name, password)

    async def _play_all(self, steps: Sequence[Step]) -> list[_Played]:
        free = asyncio.Semaphore(self._options.at_once)

        async def in_turn(step: Step) -> _Played:
            async with free:
                return await self._play(step)

        return await asyncio.gather(*map(in_turn, steps))

    async def _play(self, step: Step) -> _Played:
        """Place one order and let the scenario happen to it, until all its deliveries are settled."""
        token, order_id = self._tokens[step.player], _UNPLACED
        try:
            placed = await self._store.place(token, {step.sku: step.quantity}, f"mix-{step.number}")
            order_id = placed.id
            await self._happen(step, token, order_id)
        except (StoreTrouble, SimulatorTrouble) as trouble:
            return _Played(step, order_id, str(trouble))
        return _Played(step, order_id)

    async def _happen(self, step: Step, token: str, order_id: str) -> None:
        if step.scenario is Scenario.LATE:
            await self._come_late(step, token, order_id)
            return
        if step.scenario is Scenario.REFUND:
            await self._send(step, order_id, Scenario.HAPPY)
        await self._send(step, order_id, step.scenario)

    async def _come_late(self, step: Step, token: str, order_id: str) -> None:
        """Cancel the order at the store while the notification of its payment is on its way."""
        await self._send(step, order_id, step.scenario, wait=0)
        await self._store.cancel(token, order_id)
        await asyncio.to_thread(self._laboratory.release, order_id, wait=_LONGEST_DELIVERY)

    async def _send(self, step: Step, order_id: str, scenario: Scenario, wait: float = _LONGEST_DELIVERY) -> None:
        await asyncio.to_thread(
            self._laboratory.send,
            order_id,
            scenario,
            wait=wait,
            hold=_HELD_UNTIL_RELEASED,
            mode=step.mode,
            speed=self._options.speed,
        )

    async def _compare(self, played: Sequence[_Played]) -> list[Finding]:
        """Look until the books agree or the store had its time; only what differs is looked at again."""
        findings = {each.step.number: each for each in await self._look(played)}
        give_up_at = asyncio.get_running_loop().time() + await self._patience(played)
        while different := [each for each in played if findings[each.step.number].differences]:
            if asyncio.get_running_loop().time() >= give_up_at:
                break
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            findings |= {each.step.number: each for each in await self._look(different)}
        return [findings[each.step.number] for each in played]

    async def _patience(self, played: Sequence[_Played]) -> float:
        untold = any(each.step.scenario is Scenario.DROP_ALL for each in played)
        return _REPAIR_SECONDS if untold and self._options.with_repair else _SETTLE_SECONDS

    async def _look(self, played: Sequence[_Played]) -> list[Finding]:
        players = sorted({each.step.player for each in played})
        try:
            libraries = {each: await self._store.purchases(self._tokens[each]) for each in players}
        except StoreTrouble as trouble:
            return [Finding(each.step, each.order_id, (str(trouble),)) for each in played]
        return [await self._look_at(each, libraries[each.step.player]) for each in played]

    async def _look_at(self, played: _Played, library: list[Row]) -> Finding:
        step, order_id = played.step, played.order_id
        if played.trouble:
            return Finding(step, order_id, (played.trouble,))
        try:
            booked = await asyncio.to_thread(self._laboratory.order, order_id)
            status = await self._store.order_status(self._tokens[step.player], order_id)
        except (StoreTrouble, SimulatorTrouble) as trouble:
            return Finding(step, order_id, (str(trouble),))
        rows = [row for row in library if str(row["order_id"]) == order_id]
        found = differences(step, booked, status, rows, with_repair=self._options.with_repair)
        return Finding(step, order_id, found)


def _print_report(seed: int, findings: Sequence[Finding]) -> bool:
    print(table(findings))
    lines = complaints(findings)
    for line in lines:
        print(line)
    print(f"Seed {seed}: {len(findings)} orders, {len(lines)} differences between the books and the store")
    return not lines


def differences(
    step: Step, booked: Row, status: str, library: Iterable[Row], *, with_repair: bool = True
) -> tuple[str, ...]:
    """Say where the store differs from what the books imply.

    Args:
        step: what was planned for the order.
        booked: the order in the simulator's books.
        status: the order's status at the store.
        library: what the player's library holds of this order.
        with_repair: whether the store finds out by itself what it was never told.
    """
    should, granted = booked["implied"]["status"], Granted(booked["implied"]["granted"])
    if not with_repair and not booked["told"]:
        should, granted = "pending", Granted.NOTHING
    found = [] if status == should else [f"the books imply {should}, the store says {status}"]
    found += _in_library(step, granted, list(library))
    return (*found, *_answers(booked["deliveries"]))


def _in_library(step: Step, granted: Granted, rows: list[Row]) -> list[str]:
    seen = Counter((row["item"]["sku"], row["quantity"], row["status"]) for row in rows)
    line = step.sku, step.quantity
    right: list[Counter[tuple[str, int, str]]] = [Counter()]
    if granted is Granted.EVERYTHING:
        right = [Counter([(*line, "granted")])]
    elif granted is Granted.TAKEN_BACK:
        # One whose refund came first may be there as refunded, or not at all.
        right = [Counter(), Counter([(*line, "refunded")])]
    return [] if seen in right else [f"the order should have given {granted}, the library has {_in_words(seen)}"]


def _in_words(seen: Counter[tuple[str, int, str]]) -> str:
    rows = [f"{count} x ({quantity} {sku}, {status})" for (sku, quantity, status), count in seen.items()]
    return ", ".join(rows) or "nothing"


def _answers(deliveries: Sequence[Row]) -> list[str]:
    surprises = Counter(_surprise(told) for told in deliveries if not told["as_expected"])
    return [argv if count == 1 else f"{count} x {argv}" for argv, count in surprises.items()]


def _surprise(told: Row) -> str:
    seen = f"{told['type']} ended as {told['outcome']!r} with {told['last_status']}"
    return f"{seen}, expected {told['expected_answer']}"


def table(findings: Sequence[Finding]) -> str:
    """Give the numbers of each scenario, and of all."""
    numbers: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for finding in findings:
        numbers[finding.step.scenario][bool(finding.differences)] += 1
    lines = [_line(name, right, different) for name, (right, different) in sorted(numbers.items())]
    total = [sum(column) for column in zip(*numbers.values(), strict=True)] or [0, 0]
    head = f"{'scenario':<20}{'orders':>8}{'as expected':>13}{'different':>11}"
    return "\n".join([head, *lines, _line("all", *total)])


def _line(name: str, right: int, different: int) -> str:
    return f"{name:<20}{right + different:>8}{right:>13}{different:>11}"


def complaints(findings: Sequence[Finding]) -> list[str]:
    """Give a line for each difference."""
    return [
        f"DIFFERENT {finding.step.scenario} ({finding.step.mode}), order {finding.order_id}: {argv}"
        for finding in findings
        for argv in finding.differences
    ]
