"""What an order's ledger says: pure rules over its movements of money, in whatever order they arrived."""

from collections.abc import Sequence
from dataclasses import dataclass

from store_app.models import OrderStatus, PaymentKind

_WHOLE = {PaymentKind.REFUND, PaymentKind.CHARGEBACK}


@dataclass(frozen=True, slots=True)
class Movement:
    """A row of the ledger, in minor units: positive in, negative out. `charged` is with tax; 0: not known."""

    kind: str
    amount: int
    transaction_id: str
    charged: int = 0


def returned(ledger: Sequence[Movement], transaction_id: str) -> int:
    """Return how much of a transaction went back, in minor units, positive."""
    return -sum(row.amount for row in ledger if row.transaction_id == transaction_id and row.amount < 0)


def undone_in_full(ledger: Sequence[Movement], transaction_id: str) -> bool:
    """Whether a refund or a chargeback took the whole transaction back, even before we knew of it."""
    return any(row.kind in _WHOLE and row.transaction_id == transaction_id for row in ledger)


def _stands(ledger: Sequence[Movement], payment: Movement) -> bool:
    if undone_in_full(ledger, payment.transaction_id):
        return False
    # A free order was paid with nothing, and stands although nothing is left of it.
    return payment.amount == 0 or returned(ledger, payment.transaction_id) < payment.amount


def money_status(ledger: Sequence[Movement]) -> OrderStatus | None:
    """Return the status that the money dictates, or None when nothing was paid.

    It depends on the set of rows alone, so every order of arrival ends the same.
    """
    payments = [row for row in ledger if row.kind == PaymentKind.PAYMENT]
    if not payments:
        return None
    standing = [row for row in payments if _stands(ledger, row)]
    # A part whose amount is not known is a row of 0: it counts, though it sums to nothing.
    touched = {row.transaction_id for row in ledger if row.kind == PaymentKind.PARTIAL_REFUND}
    if any(row.transaction_id not in touched for row in standing):
        return OrderStatus.PAID
    if standing:
        return OrderStatus.PARTIALLY_REFUNDED
    charged_back = any(row.kind == PaymentKind.CHARGEBACK for row in ledger)
    return OrderStatus.CHARGED_BACK if charged_back else OrderStatus.REFUNDED


def part_in_price(ledger: Sequence[Movement], transaction_id: str, charged_back: int, total: int) -> int:
    """Return what a partial refund of `charged_back` (with tax) means in the price, both in minor units.

    The provider gives back tax with the price: the part is the same share of both. The last part is what is
    left, so that parts add up to the whole. 0 when the part is not known: nothing was said, or as much as the
    whole payment, which some readings of the provider's documents put there.
    """
    taken = next((row for row in ledger if _pays(row, transaction_id)), None)
    whole = (taken.charged if taken else 0) or total
    before = -sum(row.charged for row in ledger if row.transaction_id == transaction_id and row.charged < 0)
    left = total - returned(ledger, transaction_id)
    if charged_back <= 0 or (charged_back >= whole and before == 0):
        return 0
    return left if before + charged_back >= whole else min(left, round(charged_back * total / whole))


def _pays(row: Movement, transaction_id: str) -> bool:
    return row.kind == PaymentKind.PAYMENT and row.transaction_id == transaction_id
