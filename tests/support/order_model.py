"""What becomes of one order, as a function of the set of facts about it: a model, apart from the store's own code.

The facts are a set: neither their order nor repeats can matter.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import Literal

PAID_TWICE = "paid twice: one payment must be refunded"
UNKNOWN_PART = "partly refunded, but it is not known how much"
UNKNOWN_PAYMENT = "money went back, but it is not known of which payment"
UNNAMED_REFUND = "the provider canceled its order: it is not known whether the payment went back"
TOO_MUCH = "more was refunded than was paid"
DIFFERENT_AMOUNTS = "one payment was reported with different amounts"

HALF = Fraction(1, 2)
Kind = Literal["payment", "charge", "refund", "chargeback", "part"]
Closing = Literal["canceled", "declined"]


@dataclass(frozen=True, slots=True)
class Fact:
    """What a provider said about an order's money; an id that it did not name is empty."""

    kind: Kind
    transaction: str = ""
    provider_order: str = ""
    # With tax: what was taken, or the part that went back.
    charged: int | None = None
    # Tells the parts of one transaction from each other. Empty: it only says that there was one, at least.
    detail: str = ""
    provider: str = "xsolla"


@dataclass(frozen=True, slots=True)
class Money:
    """What the facts of an order mean. `status` is empty when nothing was paid."""

    status: str = ""
    doubts: frozenset[str] = frozenset()
    # The transactions of which something is left, and what is left of the price in all of them.
    standing: frozenset[str] = frozenset()
    left: int = 0
    # The transactions that took the price, and neither paid the order nor went back.
    charges: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Payment:
    transaction: str
    provider_orders: set[str] = field(default_factory=set)
    amounts: set[int] = field(default_factory=set)
    # "refund", "chargeback": what took the whole of it back.
    taken_back_by: set[str] = field(default_factory=set)
    # Whether one of those named a transaction.
    refund_is_named: bool = False
    parts: list[int | None] = field(default_factory=list)

    @property
    def charged(self) -> int | None:
        return min(self.amounts, default=None)

    @property
    def known_parts(self) -> list[int]:
        charged = self.charged or 0
        return [part for part in self.parts if part is not None and 0 < part < charged]

    @property
    def has_unknown_part(self) -> bool:
        return len(self.known_parts) < len(self.parts)

    @property
    def has_unnamed_refund(self) -> bool:
        return bool(self.transaction and self.taken_back_by) and not self.refund_is_named

    def tolerance(self, price: int) -> Fraction:
        """Return how far the sum of the parts may be from the whole: each tax is rounded by itself."""
        return (len(self.known_parts) + 1) * HALF if self.charged != price else Fraction(0)

    def is_overdrawn(self, price: int) -> bool:
        return bool(self.known_parts) and sum(self.known_parts) > (self.charged or 0) + self.tolerance(price)

    def left(self, price: int) -> int:
        """Return what is left of the price."""
        if self.taken_back_by:
            return 0
        parts, charged = self.known_parts, self.charged
        if not parts or not charged:
            return price
        if len(parts) > 1 and sum(parts) >= charged - self.tolerance(price):
            return 0
        return max(0, price - sum(floor(Fraction(part * price, charged) + HALF) for part in parts))


def money_of(price: int, facts: Iterable[Fact]) -> Money:
    """Return what the facts of an order mean for it."""
    by_provider: defaultdict[str, set[Fact]] = defaultdict(set)
    facts = set(facts)
    for fact in facts:
        by_provider[fact.provider].add(fact)
    payments: list[_Payment] = []
    unclear = False
    for of_provider in by_provider.values():
        found = _payments(of_provider)
        # The refund of other money, which paid nothing, is not about the money of a payment.
        paid = {payment.transaction for payment in found}
        other = {fact.transaction for fact in of_provider if fact.kind == "charge"} - paid - {""}
        refunds = {fact for fact in of_provider if fact.transaction not in other}
        unclear |= _take_back(found, refunds)
        unclear |= _take_parts(found, refunds)
        payments += found
    charges = _charges(facts, sum(not payment.transaction for payment in payments))
    if not payments:
        return Money(charges=charges)
    standing = [payment for payment in payments if payment.left(price)]
    conditions = {
        PAID_TWICE: len(standing) > 1,
        UNKNOWN_PART: any(payment.has_unknown_part for payment in standing),
        UNKNOWN_PAYMENT: unclear,
        UNNAMED_REFUND: any(payment.has_unnamed_refund for payment in payments),
        TOO_MUCH: any(payment.is_overdrawn(price) for payment in payments),
        DIFFERENT_AMOUNTS: any(len(payment.amounts) > 1 for payment in payments),
    }
    return Money(
        _status(payments, standing),
        frozenset(doubt for doubt, applies in conditions.items() if applies),
        frozenset(payment.transaction for payment in standing),
        sum(payment.left(price) for payment in standing),
        charges,
    )


def _charges(facts: Collection[Fact], unnamed_payments: int) -> frozenset[str]:
    accounted = {fact.transaction for fact in facts if fact.kind not in {"charge", "part"}}
    # Each payment without a transaction accounts for one more.
    open_charges = sorted({fact.transaction for fact in facts if fact.kind == "charge"} - accounted)
    return frozenset(open_charges[unnamed_payments:])


def _status(payments: Collection[_Payment], standing: Collection[_Payment]) -> str:
    if any(not payment.parts for payment in standing):
        return "paid"
    if standing:
        return "partially_refunded"
    return "charged_back" if any("chargeback" in payment.taken_back_by for payment in payments) else "refunded"


def _payments(facts: Collection[Fact]) -> list[_Payment]:
    reports = [fact for fact in facts if fact.kind == "payment"]
    with_transaction = {fact.provider_order for fact in reports if fact.transaction}
    found: dict[tuple[str, str], _Payment] = {}
    for report in reports:
        if not report.transaction and report.provider_order in with_transaction:
            continue
        name = (report.transaction, "" if report.transaction else report.provider_order)
        payment = found.setdefault(name, _Payment(report.transaction))
        payment.provider_orders |= {report.provider_order} - {""}
    for fact in facts:
        if fact.kind in {"payment", "charge"} and fact.charged and (fact.transaction, "") in found:
            found[fact.transaction, ""].amounts.add(fact.charged)
    return sorted(found.values(), key=lambda payment: payment.transaction)


def _named_by(fact: Fact, payments: Collection[_Payment]) -> list[_Payment]:
    """Return the payment whose transaction a fact names, or those on the provider's order that it names."""
    if named := [payment for payment in payments if fact.transaction and payment.transaction == fact.transaction]:
        return named
    return [payment for payment in payments if fact.provider_order in payment.provider_orders]


def _take_back(payments: Collection[_Payment], facts: Collection[Fact]) -> bool:
    """Take whole payments back; return whether it is unclear which."""
    loose: defaultdict[str, list[Fact]] = defaultdict(list)
    unclear = False
    for fact in facts:
        if fact.kind not in {"refund", "chargeback"}:
            continue
        match _named_by(fact, payments):
            case []:
                # The cancellation of a provider's order that nobody paid takes nothing back.
                elsewhere = all(payment.provider_orders - {""} for payment in payments)
                unclear |= not (fact.provider_order and elsewhere)
            case [payment]:
                payment.taken_back_by.add(fact.kind)
                payment.refund_is_named |= bool(fact.transaction)
            case _:
                loose[fact.provider_order].append(fact)
    for provider_order, of_order in loose.items():
        on_order = [payment for payment in payments if provider_order in payment.provider_orders]
        taken_back = [payment for payment in on_order if payment.taken_back_by]
        transactions = {fact.transaction for fact in of_order} - {""}
        for payment in taken_back or on_order[: max(1, len(transactions))]:
            payment.taken_back_by |= {fact.kind for fact in of_order}
            payment.refund_is_named |= bool(transactions)
    return unclear or bool(loose)


def _take_parts(payments: Collection[_Payment], facts: Collection[Fact]) -> bool:
    """Take parts of payments back; return whether it is unclear of which."""
    unclear = False
    # Those without details last: they count where there is no other.
    for fact in sorted(facts, key=lambda fact: not fact.detail):
        if fact.kind == "part":
            named = _named_by(fact, payments)
            if len(named) == 1 and (fact.detail or not named[0].parts):
                named[0].parts.append(fact.charged)
            unclear |= len(named) != 1
    return unclear


def attempts_after(numbers: Iterable[int], closings: Iterable[tuple[Closing, int]]) -> dict[int, str]:
    """Return the state of each payment attempt; a closing is (state, number of the attempt)."""
    closed = set(closings)
    return {
        number: next((state for state in ("canceled", "declined") if (state, number) in closed), "open")
        for number in numbers
    }


def status_before_payment(attempts: Mapping[int, str]) -> str:
    """Return the status of an order that nobody paid."""
    states = set(attempts.values())
    if not states or "open" in states:
        return "pending"
    return "canceled" if "canceled" in states else "failed"
