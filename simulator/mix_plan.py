"""Which orders a mix places and what happens to each: a pure function of the seed and what is for sale."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from simulator.scenarios import Scenario
from simulator.settings import Mode
from simulator.store_client import Item

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
