"""What an order's ledger says: pure rules over its movements of money, in whatever order they arrived."""

from collections.abc import Sequence
from dataclasses import dataclass

from store_app.models import OrderStatus, PaymentKind

_WHOLE = {PaymentKind.REFUND, PaymentKind.CHARGEBACK}


@dataclass(frozen=True, slots=True)
class Movement:
    """A row of the ledger. `amount` is in minor units: positive in, negative out."""

    kind: str
    amount: int
    transaction_id: str


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
    if any(returned(ledger, row.transaction_id) == 0 for row in standing):
        return OrderStatus.PAID
    if standing:
        return OrderStatus.PARTIALLY_REFUNDED
    charged_back = any(row.kind == PaymentKind.CHARGEBACK for row in ledger)
    return OrderStatus.CHARGED_BACK if charged_back else OrderStatus.REFUNDED
