"""What the store must know: plain Python over the facts it was told so far, and none of the store's own code.

Money is a set of facts per payment, so that no order of arrival matters: what was paid, what took it back, which
parts went back. Only while nothing was paid does an order's history decide: declined, canceled, expired.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

GRANTING = {"paid", "partially_refunded"}
OPEN = {"pending", "failed"}
UNPAID = OPEN | {"canceled", "expired"}
NEW_ORDER = "a new order"
# What players are told when their order comes to stand so.
TOLD = {
    "pending": "payment_started",
    "paid": "purchase_success",
    "partially_refunded": "purchase_partially_refunded",
    "refunded": "purchase_refunded",
    "charged_back": "purchase_refunded",
    "canceled": "order_canceled",
    "expired": "order_expired",
    "failed": "payment_declined",
}


@dataclass(frozen=True)
class Thing:
    """A thing on sale; `once`: nobody owns it twice."""

    sku: str
    price: int
    once: bool


@dataclass(eq=False)
class Attempt:
    """A payment page of an order: how it stands at the provider, and what the store has heard of it."""

    order: "PlacedOrder"
    number: int
    # The provider's own order; empty for a merchant token, which has none.
    provider_order: str
    # --- at the provider
    transaction: str = ""
    status: str = "new"
    charged: int = 0
    # --- heard by the store
    paid: bool = False
    # With tax, where it was told.
    whole: int = 0
    taxed: bool = False
    taken_back: set[str] = field(default_factory=set)
    # By the bytes of their notifications; None: how much is not known.
    parts: dict[bytes, int | None] = field(default_factory=dict)
    # Whether the store can tell the order by the transaction alone.
    known: bool = False
    # What named only the transaction, before the store knew it.
    waiting: list[Callable[[], None]] = field(default_factory=list)

    def unknown_parts(self) -> bool:
        """Whether only a part of a payment went back, and nobody can say how large it is."""
        unknown = any(part is None or not 0 < part < self.whole for part in self.parts.values())
        return unknown and self.paid and not self.taken_back

    def left(self) -> int:
        """Return what is left of the payment, in the price without tax."""
        if not self.paid or self.taken_back:
            return 0
        parts = [part for part in self.parts.values() if part and part < self.whole]
        # The provider rounds the tax of the whole and of each part: half a cent each may be missing.
        slack = Fraction(len(parts) + 1, 2) if len(parts) > 1 and self.whole != self.order.total else 0
        if self.whole - sum(parts) <= slack:
            return 0
        shares = [Fraction(part * self.order.total, self.whole) for part in parts]
        return max(0, self.order.total - sum(floor(share + Fraction(1, 2)) for share in shares))


@dataclass(eq=False)
class PlacedOrder:
    """An order and what must have become of it."""

    id: str
    player: str
    quantities: dict[Thing, int]
    merchant: bool = False
    # How it stands while nothing was paid.
    unpaid: str = "pending"
    attempts: list[Attempt] = field(default_factory=list)
    # Payment pages that the store knows by number, and those that can still be paid, for all it knows.
    noted: dict[int, Attempt] = field(default_factory=dict)
    live: set[int] = field(default_factory=set)
    purchases: dict[Thing, str] = field(default_factory=dict)
    # What its timeline must say.
    history: list[str] = field(default_factory=lambda: ["pending"])
    flagged: bool = False

    @property
    def total(self) -> int:
        """The price of everything in it."""
        return sum(thing.price * quantity for thing, quantity in self.quantities.items())

    @property
    def once(self) -> set[Thing]:
        """The things in it that nobody owns twice."""
        return {thing for thing in self.quantities if thing.once}

    @property
    def status(self) -> str:
        """How it must stand."""
        paid = [attempt for attempt in self.attempts if attempt.paid]
        if not paid:
            return self.unpaid
        standing = [attempt for attempt in paid if attempt.left() > 0]
        if any(not attempt.parts for attempt in standing):
            return "paid"
        if standing:
            return "partially_refunded"
        charged_back = any("chargeback" in attempt.taken_back for attempt in self.attempts)
        return "charged_back" if charged_back else "refunded"

    @property
    def money(self) -> int:
        """What its ledger must sum up to."""
        return sum(attempt.left() for attempt in self.attempts)

    @property
    def payments(self) -> int:
        """How many payments its ledger must hold."""
        return sum(attempt.paid for attempt in self.attempts)

    def unpaid_attempts(self) -> list[Attempt]:
        """Return the payment pages that can be paid at the provider."""
        return [attempt for attempt in self.attempts if attempt.status == "new"]

    def newest_page_is_live(self) -> bool:
        """Whether the newest payment page can still be paid, for all the store knows."""
        return bool(self.noted) and max(self.noted) in self.live


@dataclass
class World:
    """All orders, and what each fact does to them when the store hears of it."""

    orders: list[PlacedOrder] = field(default_factory=list)

    def owns(self, player: str, thing: Thing) -> bool:
        """Whether a player owns a thing through any order."""
        return any(o.player == player and o.purchases.get(thing) == "granted" for o in self.orders)

    def expects(self, player: str, quantities: dict[Thing, int]) -> "PlacedOrder | str":
        """Return what must come of it when a player buys things: an order that waits, a refusal, a new order."""
        once = {thing for thing in quantities if thing.once}
        if any(self.owns(player, thing) for thing in once):
            return "AlreadyOwned"
        for order in reversed(self.orders):
            if order.player == player and order.status in OPEN:
                if order.quantities == quantities:
                    return order
                if order.once & once:
                    return "InOpenOrder"
        return NEW_ORDER

    def open_page(self, attempt: Attempt) -> None:
        """The store noted a payment page."""
        order = attempt.order
        order.noted[attempt.number] = attempt
        order.live.add(attempt.number)
        self.close(order, "pending", {"failed"})

    def close(self, order: PlacedOrder, how: str, before: Collection[str] = OPEN) -> None:
        """An order that nobody paid goes from a status `before` to another one; what is over stays as it is."""
        if order.status in before:
            order.unpaid = how
            order.history.append(how)

    def decline(self, order: PlacedOrder, number: int | None) -> None:
        """A payment page was declined; None: it is not known which."""
        order.live -= {number} if number is not None else set(order.noted)
        if not order.live:
            self.close(order, "failed", {"pending"})

    def pay(self, attempt: Attempt, charged: int) -> bool:
        """A payment was heard of; False when it was before."""
        if attempt.paid:
            self.record_tax(attempt, charged)
            return False
        with _Change(self, attempt.order) as order:
            order.flagged |= order.status in GRANTING
            attempt.paid, attempt.known, attempt.taxed = True, True, charged > 0
            attempt.whole = charged or order.total
            order.flagged |= attempt.unknown_parts()
        return True

    def record_tax(self, attempt: Attempt, charged: int) -> None:
        """A payment is heard of again, and now with its tax."""
        if charged and not attempt.taxed:
            with _Change(self, attempt.order) as order:
                attempt.taxed, attempt.whole = True, charged
                order.flagged |= attempt.unknown_parts()

    def catch_up(self, attempt: Attempt) -> None:
        """Apply what waited for the payment."""
        waiting, attempt.waiting = attempt.waiting, []
        for fact in waiting:
            fact()

    def take_back(self, attempt: Attempt, kind: str, *, named: bool) -> None:
        """A whole payment went back; `named`: by its transaction, not only by the provider's order."""
        with _Change(self, attempt.order) as order:
            if not attempt.paid:
                self.close(order, "canceled")
            attempt.taken_back.add(kind)
            attempt.known |= named

    def part(self, attempt: Attempt, key: bytes, charged: int | None) -> None:
        """A part of a payment went back."""
        with _Change(self, attempt.order) as order:
            attempt.parts[key], attempt.known = charged, True
            order.flagged |= attempt.unknown_parts()

    def repair(self, order: PlacedOrder) -> None:
        """The provider was asked about an order's payment pages; it says nothing of tax, nor of parts."""
        asked = list(order.noted.values()) if order.status in UNPAID else []
        for attempt in asked:
            if attempt.status == "paid":
                self.pay(attempt, 0)
            elif attempt.status == "canceled":
                self.take_back(attempt, "refund", named=bool(attempt.transaction))

    def settle(self, order: PlacedOrder, before: str) -> None:
        """Grant what an order bought, or take it back, when its status went over that line."""
        after = order.status
        if after != before and after not in UNPAID:
            order.history.append(after)
        if after in GRANTING and before not in GRANTING:
            for thing in order.quantities:
                held = thing.once and self.owns(order.player, thing)
                order.purchases[thing] = "held" if held else "granted"
                order.flagged |= held
        elif after not in GRANTING | UNPAID:
            order.purchases = dict.fromkeys(order.quantities, "refunded")


class _Change:
    """Settles an order after facts of its money changed."""

    def __init__(self, world: World, order: PlacedOrder) -> None:
        self._world, self._order = world, order
        self._before = order.status

    def __enter__(self) -> PlacedOrder:
        return self._order

    def __exit__(self, *_: object) -> None:
        self._world.settle(self._order, self._before)
