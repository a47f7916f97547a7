"""What an order's ledger means: one pure function of its facts, in whatever sequence they arrived.

A fact names its payment by the provider's transaction. One that does not, or whose transaction is no payment's, is
matched by the provider's own order; what that leaves open is a doubt, which staff look at.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from store_app.models import OrderStatus, PaymentKind

PAID_TWICE = "paid twice: one payment must be refunded"
PART_UNKNOWN = "partly refunded, but it is not known how much"
PAYMENT_UNKNOWN = "money went back, but it is not known of which payment"
REFUND_UNNAMED = "the provider canceled its order: it is not known whether the payment went back"
REFUNDED_TOO_MUCH = "more was refunded than was paid"
TAX_DIFFERS = "one payment was reported with different amounts"

_WHOLE = {PaymentKind.REFUND, PaymentKind.CHARGEBACK}


@dataclass(frozen=True, slots=True)
class Fact:
    """A row of the ledger. Amounts are minor units, and None where they were not said: see `models.Payment`."""

    kind: str
    key: str
    provider: str = ""
    transaction_id: str = ""
    provider_order_id: str = ""
    amount: int | None = None
    charged: int | None = None


@dataclass(slots=True)
class PaymentStanding:
    """What became of one payment. Amounts are minor units: `amount` is the price, `charged` includes tax."""

    provider: str
    transaction_id: str
    provider_order_id: str
    amount: int
    charged: int | None
    # The facts that took all of it back.
    reversed_by: list[Fact] = field(default_factory=list)
    parts: list[Fact] = field(default_factory=list)

    @property
    def left(self) -> int:
        """How much of the price did not go back; parts of unknown amount are not counted."""
        return 0 if self.reversed_by else max(0, self.amount - self._parts_in_price()[0])

    @property
    def paid(self) -> int:
        """What the user paid, with tax where it was said."""
        return self.amount if self.charged is None else self.charged

    @property
    def refunded(self) -> int | None:
        """What went back to the user, with tax where it was said; None if that is not known."""
        if self.reversed_by:
            return self.paid
        if any(self._is_unknown(part) for part in self.parts):
            return None
        return sum((part.amount if part.charged is None else part.charged) or 0 for part in self.parts)

    @property
    def stands(self) -> bool:
        """Whether it was not taken back as a whole. Of a free order's payment nothing can go back."""
        return not self.reversed_by and (self.left > 0 or self.amount == 0)

    def doubts(self) -> Iterable[str]:
        """Say what is doubtful about its refunds."""
        # A provider's order that was canceled before it was paid looks the same.
        if self.transaction_id and self.reversed_by and not any(fact.transaction_id for fact in self.reversed_by):
            yield REFUND_UNNAMED
        if self.left and any(self._is_unknown(part) for part in self.parts):
            yield PART_UNKNOWN
        if self._parts_in_price()[1]:
            yield REFUNDED_TOO_MUCH

    def _is_unknown(self, part: Fact) -> bool:
        if part.amount is not None:
            return False
        # A part as large as the payment is unknown: by some readings of the providers' documentation the field
        # holds the whole payment.
        return self.charged is None or part.charged is None or not 0 < part.charged < self.charged

    def _parts_in_price(self) -> tuple[int, bool]:
        """Return how much of the price its parts give back, and whether that is more than was paid.

        A provider gives back tax along with the price: a part is the same share of both.
        """
        known = [part for part in self.parts if not self._is_unknown(part)]
        shares = [part.amount for part in known if part.amount is not None]
        charged = [part.charged for part in known if part.amount is None and part.charged]
        whole = self.charged or 0
        # The provider rounds the tax of the payment and of each part separately: each may be off by half a cent.
        rounding = len(charged) + 1 if len(charged) > 1 and whole != self.amount else 0
        missing = whole - sum(charged)
        if charged and not shares and 2 * missing <= rounding:
            return self.amount, -2 * missing > rounding
        back = sum(shares) + sum((2 * part * self.amount + whole) // (2 * whole) for part in charged)
        return min(back, self.amount), back > self.amount


@dataclass(frozen=True, slots=True)
class Standing:
    """What the facts of one order mean. `status` is None while nothing was paid."""

    status: OrderStatus | None = None
    payments: tuple[PaymentStanding, ...] = ()
    doubts: frozenset[str] = frozenset()
    # Transactions that took the price, and neither paid the order nor went back.
    charges: frozenset[str] = frozenset()

    @property
    def left(self) -> int:
        """The price that was paid and did not go back, in minor units."""
        return sum(payment.left for payment in self.payments)

    @property
    def paid(self) -> int:
        """What the user paid in all, with tax where it was said."""
        return sum(payment.paid for payment in self.payments)

    @property
    def tax(self) -> int:
        """The tax in what the user paid, as far as it was said."""
        return sum(payment.paid - payment.amount for payment in self.payments)

    @property
    def refunded(self) -> int | None:
        """What went back to the user, with tax where it was said; None if that is not known."""
        parts = [payment.refunded for payment in self.payments]
        return None if None in parts else sum(part or 0 for part in parts)

    @property
    def transactions(self) -> list[str]:
        """The provider's transactions that paid, as the user's statement may name them."""
        return [payment.transaction_id for payment in self.payments if payment.transaction_id]


def standing(facts: Sequence[Fact]) -> Standing:
    """Return what an order's facts mean, whatever their sequence."""
    payments: list[PaymentStanding] = []
    doubts: set[str] = set()
    # Ids are unique for one provider only.
    for provider in sorted({fact.provider for fact in facts}):
        of_provider = sorted(
            (fact for fact in facts if fact.provider == provider), key=lambda fact: (fact.kind, fact.key)
        )
        found = _payments(of_provider)
        unmatched = _match(of_provider, found)
        differs = any(len(amounts) > 1 for amounts in _reported(of_provider)[0].values())
        doubts.update({PAYMENT_UNKNOWN} if unmatched else (), {TAX_DIFFERS} if differs else ())
        payments += found
    charges = _unpaid_charges(facts, payments)
    if not payments:
        return Standing(charges=charges)
    doubts.update(doubt for payment in payments for doubt in payment.doubts())
    standing_ = [payment for payment in payments if payment.stands]
    if len(standing_) > 1:
        doubts.add(PAID_TWICE)
    return Standing(_status(payments, standing_), tuple(payments), frozenset(doubts), charges)


def _unpaid_charges(facts: Sequence[Fact], payments: Sequence[PaymentStanding]) -> frozenset[str]:
    settled = {payment.transaction_id for payment in payments}
    settled |= {fact.transaction_id for fact in facts if fact.kind in _WHOLE}
    taken = {fact.transaction_id for fact in facts if fact.kind == PaymentKind.CHARGE and fact.amount is not None}
    # A payment that was reported without its transaction is one of them.
    unnamed = sum(not payment.transaction_id for payment in payments)
    return frozenset(sorted(taken - settled)[unnamed:])


def _is_summary(fact: Fact) -> bool:
    """Whether a partial refund has no detail of its own: reconciliation learns only that there was some refund."""
    return fact.kind == PaymentKind.PARTIAL_REFUND and fact.key.endswith(":")


def _status(payments: Sequence[PaymentStanding], standing_: Sequence[PaymentStanding]) -> OrderStatus:
    if any(not payment.parts for payment in standing_):
        return OrderStatus.PAID
    if standing_:
        return OrderStatus.PARTIALLY_REFUNDED
    reversals = {fact.kind for payment in payments for fact in payment.reversed_by}
    return OrderStatus.CHARGED_BACK if PaymentKind.CHARGEBACK in reversals else OrderStatus.REFUNDED


def _payments(facts: Sequence[Fact]) -> list[PaymentStanding]:
    """Return one provider's payments, by transaction; one without a transaction may be reported with it, too."""
    paid = [fact for fact in facts if fact.kind == PaymentKind.PAYMENT]
    charged, provider_orders = _reported(facts)
    named = {provider_orders.get(fact.transaction_id, "") for fact in paid if fact.transaction_id}
    each = [fact for fact in paid if fact.transaction_id or fact.provider_order_id not in named - {""}]
    found = [
        PaymentStanding(
            fact.provider,
            fact.transaction_id,
            provider_orders.get(fact.transaction_id) or fact.provider_order_id,
            fact.amount or 0,
            # When the reports differ, the smallest: no part may seem to give back less than it does.
            min(charged[fact.transaction_id], default=fact.charged),
        )
        for fact in each
    ]
    return sorted(found, key=lambda payment: (payment.transaction_id, payment.provider_order_id))


def _reported(facts: Sequence[Fact]) -> tuple[dict[str, set[int]], dict[str, str]]:
    """Return what was said of each transaction: its amounts with tax, and the provider's order."""
    charged, provider_orders = defaultdict(set), {}
    for fact in facts:
        if fact.kind in {PaymentKind.PAYMENT, PaymentKind.CHARGE} and fact.transaction_id:
            if fact.charged is not None:
                charged[fact.transaction_id].add(fact.charged)
            if fact.provider_order_id:
                provider_orders[fact.transaction_id] = fact.provider_order_id
    return charged, provider_orders


def _match(facts: Sequence[Fact], payments: Sequence[PaymentStanding]) -> bool:
    """Give each refund to its payment; return whether one is left whose payment is doubtful."""
    by_transaction = {payment.transaction_id: payment for payment in payments if payment.transaction_id}
    # Other money of the same order, which paid nothing, and is not the money of a payment.
    charged = {fact.transaction_id for fact in facts if fact.kind == PaymentKind.CHARGE} - {"", *by_transaction}
    loose: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        if fact.kind in _WHOLE or fact.kind == PaymentKind.PARTIAL_REFUND:
            if payment := by_transaction.get(fact.transaction_id):
                _take_back(payment, fact)
            elif fact.transaction_id not in charged:
                loose[fact.provider_order_id].append(fact)
    doubtful = False
    for provider_order_id, found in loose.items():
        same = [payment for payment in payments if payment.provider_order_id == provider_order_id != ""]
        refunds = [fact for fact in found if fact.kind in _WHOLE]
        # The provider closed another of its orders, which nobody paid.
        closed = provider_order_id != "" and all(
            payment.provider_order_id not in {"", provider_order_id} for payment in payments
        )
        doubtful |= _match_loose(refunds, same) and not closed
        parts = [fact for fact in found if fact.kind not in _WHOLE]
        for part in parts if len(same) == 1 else ():
            _take_back(same[0], part)
        doubtful |= bool(parts) and len(same) != 1
    for payment in payments:
        # A summary adds nothing to parts that are known.
        payment.parts = [part for part in payment.parts if not _is_summary(part)] or payment.parts[:1]
    return doubtful


def _match_loose(refunds: Sequence[Fact], payments: Sequence[PaymentStanding]) -> bool:
    """Match refunds of whole payments of one provider's order, none of which names a transaction that paid.

    Where a refund of that order names its payment, these report the same one again. Return whether it is doubtful
    which payment they are about.
    """
    if len(payments) == 1:
        payments[0].reversed_by += refunds
        return False
    of_transaction: dict[str, list[Fact]] = defaultdict(list)
    for fact in refunds:
        of_transaction[fact.transaction_id].append(fact)
    if len(of_transaction) > 1:
        # The refund without a transaction reports one of the others again.
        unnamed = of_transaction.pop("", [])
        of_transaction[min(of_transaction)] += unnamed
    reversed_ = [payment for payment in payments if payment.reversed_by]
    for payment in reversed_:
        payment.reversed_by += refunds
    if not reversed_:
        for payment, transaction in zip(payments, sorted(of_transaction), strict=False):
            payment.reversed_by += of_transaction[transaction]
    return bool(of_transaction)


def _take_back(payment: PaymentStanding, fact: Fact) -> None:
    if fact.kind in _WHOLE:
        payment.reversed_by.append(fact)
    else:
        payment.parts.append(fact)
