"""A reproducible random mix of all scenarios against a running store, compared with its books at the end."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from simulator.laboratory import Laboratory, SimulatorTrouble
from simulator.mix_plan import Step, plan
from simulator.mix_report import Finding, Row, complaints, differences, table
from simulator.scenarios import Scenario
from simulator.store_client import StoreClient, StoreTrouble

# The store asks about what it was never told after two minutes, and then at growing intervals.
_REPAIR_SECONDS = 300.0
_SETTLE_SECONDS = 15.0
_LOOK_AGAIN_SECONDS = 1.0
_LONGEST_DELIVERY = 3000.0
_HELD_UNTIL_RELEASED = 86_000.0
_UNPLACED = "never placed"


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
