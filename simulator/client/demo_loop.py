"""Demo players that buy something every few seconds, through the public doors only."""

import asyncio
import random
import secrets
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any

import httpx

from simulator.client.store_client import Item, PlacedOrder, StoreClient, StoreTrouble
from simulator.settings import at_base

_SHARE_OF_CONSUMABLES = 0.8
_MOST_OF_ONE = 3
_CONFLICT = 409
# Notifications of the last orders may still be on their way when the loop ends.
_SETTLE_SECONDS = 15.0
_LOOK_AGAIN_SECONDS = 0.25

_chance = random.Random()  # noqa: S311, whims of demo players are no secret


Lines = dict[str, int]


class Fate(Enum):
    """What became of an order at the payment page."""

    PAID = auto()
    NOT_PAID = auto()
    # The answer to Pay was lost: it may be paid or not, and both are right.
    UNKNOWN = auto()


@dataclass(slots=True)
class Ledger:
    """Orders of one player: what was in them and what became of them."""

    orders: dict[str, tuple[Lines, Fate]] = field(default_factory=dict)

    @property
    def paid(self) -> int:
        """How many orders were paid."""
        return sum(fate is Fate.PAID for _, fate in self.orders.values())

    def differences(self, library: Iterable[dict[str, Any]]) -> list[str]:
        """Say in words where a library is not what was paid; an empty list means it is."""
        granted = _by_order(library)
        complaints = [
            f"order {order_id}: {complaint}"
            for order_id, (lines, fate) in self.orders.items()
            if (complaint := _complaint(lines, fate, granted.get(order_id)))
        ]
        strangers = granted.keys() - self.orders.keys()
        return complaints + [f"order {order_id}: in the library, never placed" for order_id in strangers]


def _by_order(library: Iterable[dict[str, Any]]) -> dict[str, Counter[tuple[str, int]]]:
    granted: defaultdict[str, Counter[tuple[str, int]]] = defaultdict(Counter)
    for row in library:
        granted[str(row["order_id"])][row["item"]["sku"], row["quantity"]] += 1
    return granted


def _complaint(lines: Lines, fate: Fate, granted: Counter[tuple[str, int]] | None) -> str | None:
    if granted is None:
        return "paid, not in the library" if fate is Fate.PAID else None
    if fate is Fate.NOT_PAID:
        return "not paid, in the library"
    if granted != Counter(lines.items()):
        return f"paid for {lines}, the library has {dict(granted)}"
    return None


@dataclass(slots=True)
class Player:
    """A demo account, with what it owns as far as this process knows."""

    name: str
    token: str
    owned: set[str] = field(default_factory=set)
    ledger: Ledger = field(default_factory=Ledger)


class DemoLoop:
    """Places and pays random orders until told to stop, then compares with the store's library."""

    def __init__(self, client: httpx.AsyncClient, store_url: str, simulator_url: str) -> None:
        self._client = client
        self._store = StoreClient(client, store_url)
        self._simulator_url = simulator_url
        self._players: list[Player] = []

    async def run(self, *, players: int, every: float, stop: asyncio.Event) -> bool:
        """Buy until stopped; true when every paid order is in its owner's library exactly once."""
        self._players = [await self._new_player() for _ in range(players)]
        items = await self._store.items()
        if not items:
            raise StoreTrouble("the store has no items for sale")
        while not stop.is_set():
            await self._buy_something(_chance.choice(self._players), items)
            await _sleep(every, stop)
        return await self._compare()

    async def _new_player(self) -> Player:
        name, password = f"demo{secrets.token_hex(4)}", secrets.token_urlsafe(16)
        await self._store.register(name, password)
        return Player(name, await self._store.sign_in(name, password))

    async def _buy_something(self, player: Player, items: list[Item]) -> None:
        item = _choose(items, player.owned)
        if item is None:
            _say(player, "owns all there is to own")
            return
        wanted = {item.sku: _chance.randint(1, _MOST_OF_ONE) if item.is_consumable else 1}
        try:
            order = await self._store.place(player.token, wanted)
        except StoreTrouble as trouble:
            if trouble.status == _CONFLICT:
                player.owned.add(item.sku)
            _say(player, f"could not order {item.name}: {trouble}")
            return
        fate, argv = await self._pay(order)
        player.ledger.orders[order.id] = (wanted, fate)
        if fate is Fate.PAID and not item.is_consumable:
            player.owned.add(item.sku)
        _say(player, f"{wanted[item.sku]} x {item.name}, {order.total}, order {order.id}: {argv}")

    async def _pay(self, order: PlacedOrder) -> tuple[Fate, str]:
        """Press Pay on the payment page, as the buyer's browser does."""
        if order.payment_url is None:
            return (Fate.PAID, "free") if order.status == "paid" else (Fate.NOT_PAID, order.status)
        page = at_base(self._simulator_url, order.payment_url)
        try:
            opened = await self._client.get(page)
            if not opened.is_success:
                return Fate.NOT_PAID, f"the payment page answered {opened.status_code}"
            answer = await self._client.post(str(httpx.URL(page).join(f"pay?{opened.url.query.decode()}")))
        except httpx.HTTPError as error:
            return Fate.UNKNOWN, f"the payment page cannot be reached: {str(error) or type(error).__name__}"
        if answer.is_redirect and "status=done" in answer.headers["Location"]:
            return Fate.PAID, "paid"
        return Fate.NOT_PAID, f"Pay was refused with {answer.status_code}"

    async def _compare(self) -> bool:
        give_up_at = asyncio.get_running_loop().time() + _SETTLE_SECONDS
        complaints = await self._differences()
        while complaints and asyncio.get_running_loop().time() < give_up_at:
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            complaints = await self._differences()
        placed = sum(len(player.ledger.orders) for player in self._players)
        paid = sum(player.ledger.paid for player in self._players)
        for complaint in complaints:
            print(f"DIFFERENT {complaint}")
        print(f"{placed} orders placed, {paid} paid, {len(complaints)} differences with the libraries")
        return not complaints

    async def _differences(self) -> list[str]:
        found: list[str] = []
        for player in self._players:
            try:
                library = await self._store.purchases(player.token)
            except StoreTrouble as trouble:
                found.append(f"library of {player.name}: {trouble}")
            else:
                found += [f"{player.name}, {each}" for each in player.ledger.differences(library)]
        return found


def _choose(items: list[Item], owned: set[str]) -> Item | None:
    """Choose mostly consumables, and of the rest only what is not owned."""
    consumables = [item for item in items if item.is_consumable]
    others = [item for item in items if not item.is_consumable and item.sku not in owned]
    first, second = consumables, others
    if _chance.random() >= _SHARE_OF_CONSUMABLES:
        first, second = others, consumables
    pool = first or second
    return _chance.choice(pool) if pool else None


async def _sleep(seconds: float, stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


def _say(player: Player, argv: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {player.name}: {argv}", flush=True)
