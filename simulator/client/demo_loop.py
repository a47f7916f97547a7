"""Demo users that buy something every few seconds, through the store's public API and the payment page."""

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

from simulator.client.store_client import Item, PlacedOrder, StoreClient, StoreError
from simulator.settings import with_base

_CONSUMABLES_SHARE = 0.8
_MAX_QUANTITY = 3
# When the loop ends, notifications of the last orders may not have been delivered yet.
_COMPARE_TIMEOUT_SECONDS = 15.0
_COMPARE_INTERVAL_SECONDS = 0.25

_random = random.Random()  # noqa: S311, what demo users buy needs no cryptography


class PaymentResult(Enum):
    """How the payment of an order ended at the payment page."""

    PAID = auto()
    NOT_PAID = auto()
    # The response to Pay was lost, so the order may be paid or not: both are accepted.
    UNKNOWN = auto()


@dataclass(slots=True)
class OrderHistory:
    """The orders of one user: the quantities by SKU, and how the payment ended."""

    orders: dict[str, tuple[dict[str, int], PaymentResult]] = field(default_factory=dict)

    @property
    def paid_count(self) -> int:
        """The number of paid orders."""
        return sum(result is PaymentResult.PAID for _, result in self.orders.values())

    def differences(self, library: Iterable[dict[str, Any]]) -> list[str]:
        """Return a text for each difference between a library and what was paid."""
        purchases = _by_order(library)
        differences = [
            f"order {order_id}: {difference}"
            for order_id, (quantities, result) in self.orders.items()
            if (difference := _difference(quantities, result, purchases.get(order_id)))
        ]
        unknown = purchases.keys() - self.orders.keys()
        return differences + [f"order {order_id}: in the library, but never placed" for order_id in unknown]


@dataclass(slots=True)
class DemoUser:
    """A demo account, with what it owns as far as this process knows."""

    name: str
    token: str
    owned_skus: set[str] = field(default_factory=set)
    history: OrderHistory = field(default_factory=OrderHistory)


class DemoLoop:
    """Places and pays random orders until it is stopped, and then compares them with the store's libraries."""

    def __init__(self, client: httpx.AsyncClient, store_url: str, simulator_url: str) -> None:
        self._client = client
        self._store = StoreClient(client, store_url)
        self._simulator_url = simulator_url
        self._users: list[DemoUser] = []

    async def run(self, *, users: int, interval_seconds: float, stop: asyncio.Event) -> bool:
        """Buy until stopped; return whether each paid order is in its user's library exactly once."""
        self._users = [await self._register_user() for _ in range(users)]
        items = await self._store.items()
        if not items:
            raise StoreError("the store has no items for sale")
        while not stop.is_set():
            await self._buy_random_item(_random.choice(self._users), items)
            await _wait_for_stop(stop, interval_seconds)
        return await self._compare()

    async def _register_user(self) -> DemoUser:
        name, password = f"demo{secrets.token_hex(4)}", secrets.token_urlsafe(16)
        await self._store.register(name, password)
        return DemoUser(name, await self._store.sign_in(name, password))

    async def _buy_random_item(self, user: DemoUser, items: list[Item]) -> None:
        item = _choose(items, user.owned_skus)
        if item is None:
            _print(user, "owns every item")
            return
        quantities = {item.sku: _random.randint(1, _MAX_QUANTITY) if item.is_consumable else 1}
        try:
            order = await self._store.place(user.token, quantities)
        except StoreError as error:
            if error.status == httpx.codes.CONFLICT:
                user.owned_skus.add(item.sku)
            _print(user, f"could not order {item.name}: {error}")
            return
        result, description = await self._pay(order)
        user.history.orders[order.id] = (quantities, result)
        if result is PaymentResult.PAID and not item.is_consumable:
            user.owned_skus.add(item.sku)
        _print(user, f"{quantities[item.sku]} x {item.name}, {order.total}, order {order.id}: {description}")

    async def _pay(self, order: PlacedOrder) -> tuple[PaymentResult, str]:
        """Click Pay on the payment page, as the user's browser does."""
        if order.payment_url is None:
            if order.status == "paid":
                return PaymentResult.PAID, "free"
            return PaymentResult.NOT_PAID, order.status
        address = with_base(self._simulator_url, order.payment_url)
        try:
            page = await self._client.get(address)
            if not page.is_success:
                return PaymentResult.NOT_PAID, f"the payment page answered {page.status_code}"
            response = await self._client.post(str(httpx.URL(address).join(f"pay?{page.url.query.decode()}")))
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            return PaymentResult.UNKNOWN, f"the payment page cannot be reached: {reason}"
        if response.is_redirect and "status=done" in response.headers["Location"]:
            return PaymentResult.PAID, "paid"
        return PaymentResult.NOT_PAID, f"Pay was refused with {response.status_code}"

    async def _compare(self) -> bool:
        deadline = asyncio.get_running_loop().time() + _COMPARE_TIMEOUT_SECONDS
        differences = await self._differences()
        while differences and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(_COMPARE_INTERVAL_SECONDS)
            differences = await self._differences()
        placed = sum(len(user.history.orders) for user in self._users)
        paid = sum(user.history.paid_count for user in self._users)
        for difference in differences:
            print(f"DIFFERENCE {difference}")
        print(f"{placed} orders placed, {paid} paid, {len(differences)} differences with the libraries")
        return not differences

    async def _differences(self) -> list[str]:
        differences: list[str] = []
        for user in self._users:
            try:
                library = await self._store.purchases(user.token)
            except StoreError as error:
                differences.append(f"library of {user.name}: {error}")
            else:
                differences += [f"{user.name}, {each}" for each in user.history.differences(library)]
        return differences


def _by_order(library: Iterable[dict[str, Any]]) -> dict[str, Counter[tuple[str, int]]]:
    purchases: defaultdict[str, Counter[tuple[str, int]]] = defaultdict(Counter)
    for row in library:
        purchases[str(row["order_id"])][row["item"]["sku"], row["quantity"]] += 1
    return purchases


def _difference(
    quantities: dict[str, int], result: PaymentResult, purchases: Counter[tuple[str, int]] | None
) -> str | None:
    if purchases is None:
        return "paid, but not in the library" if result is PaymentResult.PAID else None
    if result is PaymentResult.NOT_PAID:
        return "not paid, but in the library"
    if purchases != Counter(quantities.items()):
        return f"paid for {quantities}, but the library has {dict(purchases)}"
    return None


def _choose(items: list[Item], owned_skus: set[str]) -> Item | None:
    """Return a random item, usually a consumable, and never one that can be owned only once and is owned."""
    consumables = [item for item in items if item.is_consumable]
    others = [item for item in items if not item.is_consumable and item.sku not in owned_skus]
    preferred, second = consumables, others
    if _random.random() >= _CONSUMABLES_SHARE:
        preferred, second = others, consumables
    candidates = preferred or second
    return _random.choice(candidates) if candidates else None


async def _wait_for_stop(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


def _print(user: DemoUser, text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {user.name}: {text}", flush=True)
