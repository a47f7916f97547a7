"""What an order's ledger says: pure rules over its movements of money, in whatever order they arrived."""

from collections.abc import Sequence
from dataclasses import dataclass

from store_app.models import OrderStatus, PaymentKind

WHOLE = {PaymentKind.REFUND, PaymentKind.CHARGEBACK}


@dataclass(frozen=True, slots=True)
class Movement:
    """A row of the ledger, in minor units: positive in, negative out. `charged` is with tax; 0: not known.

    What goes back before its payment was heard of has an amount of 0 until then: `lifecycle.receive_payment`.
    """

    kind: str
    amount: int
    transaction_id: str
    charged: int = 0
    # The payment provider: the ids are unique for it alone.
    provider: str = ""
    # The provider's own order, where the event named it.
    provider_order_id: str = ""
    id: int = 0


def of_provider(ledger: Sequence[Movement], provider: str) -> list[Movement]:
    """Return the rows of one provider: another's may have the same ids. What follows looks at one provider's."""
    return [row for row in ledger if row.provider == provider]


def belongs(row: Movement, transaction_id: str, provider_order_id: str) -> bool:
    """Whether a row is about this payment, which is known by its transaction or by the provider's order."""
    same_order = bool(provider_order_id) and row.provider_order_id == provider_order_id
    return row.transaction_id == transaction_id or same_order


def payment_of(ledger: Sequence[Movement], transaction_id: str, provider_order_id: str) -> Movement | None:
    """Return the payment that is known by this transaction or, if by none, by this order of the provider."""
    payments = [row for row in ledger if row.kind == PaymentKind.PAYMENT]
    exact = (row for row in payments if row.transaction_id == transaction_id)
    return next(exact, None) or next((row for row in payments if belongs(row, "", provider_order_id)), None)


def earlier_than(ledger: Sequence[Movement], payment: Movement) -> list[Movement]:
    """Return what the ledger holds of a payment that came only now: what took it back, before it came."""
    key = payment.transaction_id, payment.provider_order_id
    return [row for row in ledger if row.kind != PaymentKind.PAYMENT and belongs(row, *key)]


def returned(ledger: Sequence[Movement], transaction_id: str) -> int:
    """Return how much of a transaction went back, in minor units, positive."""
    return -sum(row.amount for row in ledger if row.transaction_id == transaction_id and row.amount < 0)


def undone_in_full(ledger: Sequence[Movement], transaction_id: str) -> bool:
    """Whether a refund or a chargeback took the whole transaction back, even before we knew of it."""
    return any(row.kind in WHOLE and row.transaction_id == transaction_id for row in ledger)


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
    standing = [row for row in payments if _stands(of_provider(ledger, row.provider), row)]
    # A part whose amount is not known is a row of 0: it counts, though it sums to nothing.
    touched = {(row.provider, row.transaction_id) for row in ledger if row.kind == PaymentKind.PARTIAL_REFUND}
    if any((row.provider, row.transaction_id) not in touched for row in standing):
        return OrderStatus.PAID
    if standing:
        return OrderStatus.PARTIALLY_REFUNDED
    charged_back = any(row.kind == PaymentKind.CHARGEBACK for row in ledger)
    return OrderStatus.CHARGED_BACK if charged_back else OrderStatus.REFUNDED


def part_in_price(payment: Movement, parts: Sequence[int], part: int) -> int | None:
    """Return what a partial refund means in the price of its payment; None when it is not known.

    The provider gives back tax with the price: a part is the same share of both.

    Args:
        payment: what was paid.
        parts: what went back before, with tax, in minor units.
        part: what goes back now, likewise. A part as large as the whole is not known: some readings of the
            provider's documents put the whole payment there.
    """
    whole = payment.charged or payment.amount
    if not 0 < part < whole:
        return None
    before = [one for one in parts if 0 < one < whole]
    return _in_price(payment, whole, [*before, part]) - _in_price(payment, whole, before)


def _in_price(payment: Movement, whole: int, parts: Sequence[int]) -> int:
    """Return what parts come to together, whatever their order: all of the price, once they are the whole."""
    taxed, missing = whole != payment.amount, whole - sum(parts)
    # The provider rounds the tax of the whole and of each part by itself: each may be half a cent off.
    rounding = len(parts) + 1 if taxed and len(parts) > 1 else 0
    if 2 * missing <= rounding:
        return payment.amount
    return min(payment.amount, sum((2 * part * payment.amount + whole) // (2 * whole) for part in parts))
