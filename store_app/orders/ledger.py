"""What an order's ledger means: pure functions of its rows, in whatever sequence they arrived."""

from collections.abc import Sequence
from dataclasses import dataclass

from store_app.models import OrderStatus, PaymentKind

WHOLE = {PaymentKind.REFUND, PaymentKind.CHARGEBACK}


@dataclass(frozen=True, slots=True)
class Movement:
    """A row of the ledger, in minor units: positive for money in, negative for money out.

    `charged` is the amount with tax, or 0 when unknown; `id` is 0 until the row is written. A refund that arrived
    before its payment has an amount of 0 until the payment arrives: `lifecycle.receive_payment`.
    """

    kind: str
    amount: int
    transaction_id: str
    charged: int = 0
    # The registered name of the payment provider, for which alone the ids are unique. Empty: a free order.
    provider: str = ""
    # The provider's own order, where the payment event named it.
    provider_order_id: str = ""
    id: int = 0


def of_provider(ledger: Sequence[Movement], provider: str) -> list[Movement]:
    """Return the rows of one provider: another provider may use the same ids.

    The functions below expect the rows of one provider, except `money_status`.
    """
    return [row for row in ledger if row.provider == provider]


def is_about(row: Movement, transaction_id: str, provider_order_id: str) -> bool:
    """Whether a row is about the payment with this transaction, or with this order of the provider."""
    same_order = bool(provider_order_id) and row.provider_order_id == provider_order_id
    return row.transaction_id == transaction_id or same_order


def payment_of(ledger: Sequence[Movement], transaction_id: str, provider_order_id: str) -> Movement | None:
    """Return the payment with this transaction or, if there is none, with this order of the provider."""
    payments = [row for row in ledger if row.kind == PaymentKind.PAYMENT]
    exact = (row for row in payments if row.transaction_id == transaction_id)
    return next(exact, None) or next((row for row in payments if is_about(row, "", provider_order_id)), None)


def refunds_of(ledger: Sequence[Movement], payment: Movement) -> list[Movement]:
    """Return the refunds and chargebacks of a payment, in whole or in part."""
    key = payment.transaction_id, payment.provider_order_id
    return [row for row in ledger if row.kind != PaymentKind.PAYMENT and is_about(row, *key)]


def returned(ledger: Sequence[Movement], transaction_id: str) -> int:
    """Return how much of a transaction went back, as a positive number of minor units."""
    return -sum(row.amount for row in ledger if row.transaction_id == transaction_id and row.amount < 0)


def undone_in_full(ledger: Sequence[Movement], transaction_id: str) -> bool:
    """Whether a refund or a chargeback took back the whole transaction, even before its payment arrived."""
    return any(row.kind in WHOLE and row.transaction_id == transaction_id for row in ledger)


def _is_kept(ledger: Sequence[Movement], payment: Movement) -> bool:
    if undone_in_full(ledger, payment.transaction_id):
        return False
    # A free order was paid with 0: nothing of it can go back, so its payment counts.
    return payment.amount == 0 or returned(ledger, payment.transaction_id) < payment.amount


def money_status(ledger: Sequence[Movement]) -> OrderStatus | None:
    """Return the status that follows from the ledger, or None when nothing was paid.

    It depends only on the set of rows, so notifications can arrive in any sequence.
    """
    payments = [row for row in ledger if row.kind == PaymentKind.PAYMENT]
    if not payments:
        return None
    kept = [row for row in payments if _is_kept(of_provider(ledger, row.provider), row)]
    # A partial refund of unknown amount is a row of 0; it counts all the same.
    parts = {(row.provider, row.transaction_id) for row in ledger if row.kind == PaymentKind.PARTIAL_REFUND}
    if any((row.provider, row.transaction_id) not in parts for row in kept):
        return OrderStatus.PAID
    if kept:
        return OrderStatus.PARTIALLY_REFUNDED
    charged_back = any(row.kind == PaymentKind.CHARGEBACK for row in ledger)
    return OrderStatus.CHARGED_BACK if charged_back else OrderStatus.REFUNDED


def part_in_price(payment: Movement, parts: Sequence[int], part: int) -> int | None:
    """Return how much of a payment's price a partial refund gives back, or None when that is unknown.

    The provider gives back tax along with the price: a partial refund is the same share of both.

    Args:
        payment: what was paid.
        parts: the earlier partial refunds, with tax, in minor units.
        part: this partial refund, likewise. When it is as large as the payment, its amount is unknown: by some
            readings of the provider's documentation the field holds the whole payment.
    """
    whole = payment.charged or payment.amount
    if not 0 < part < whole:
        return None
    before = [earlier for earlier in parts if 0 < earlier < whole]
    return _in_price(payment, whole, [*before, part]) - _in_price(payment, whole, before)


def _in_price(payment: Movement, whole: int, parts: Sequence[int]) -> int:
    """Return how much of the price several parts give back, in any sequence: all of it, once they add up."""
    taxed, missing = whole != payment.amount, whole - sum(parts)
    # The provider rounds the tax of the payment and of each part separately: each may be off by half a cent.
    rounding = len(parts) + 1 if taxed and len(parts) > 1 else 0
    if 2 * missing <= rounding:
        return payment.amount
    return min(payment.amount, sum((2 * part * payment.amount + whole) // (2 * whole) for part in parts))
