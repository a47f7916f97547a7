"""What demo players ordered and paid, and whether the store's library agrees."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

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
