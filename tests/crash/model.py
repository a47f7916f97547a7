"""A model of the store: plain Python over the facts it was given so far, and none of the store's own code.

Money is a set of facts per payment, so that the order in which they arrive does not matter: what was paid, what
reversed it, which parts were refunded. Only while nothing was paid does the sequence decide an order's status:
declined, canceled, expired.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

GRANTING = {"paid", "partially_refunded"}
OPEN = {"pending", "failed"}
UNPAID = OPEN | {"canceled", "expired"}
NEW_ORDER = "a new order"
# The message that a user receives when an order gets a status.
MESSAGE_FOR_STATUS = {
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
class ModelItem:
    """An item on sale; `owned_once`: a user can own it only once."""

    sku: str
    price: int
    owned_once: bool


@dataclass(eq=False)
class Attempt:
    """A payment attempt of an order: its state at the provider, and what the store was notified of."""

    order: "ModelOrder"
    number: int
    # The provider's own order; empty for a merchant token, which has none.
    provider_order_id: str
    # --- at the provider
    transaction: str = ""
    status: str = "new"
    charged: int = 0
    # --- known to the store
    paid: bool = False
    # With tax, where a notification said it.
    charged_total: int = 0
    tax_known: bool = False
    reversals: set[str] = field(default_factory=set)
    # By the bytes of their notifications; None: the amount is not known.
    partial_refunds: dict[bytes, int | None] = field(default_factory=dict)
    # Whether the store can find the order by the transaction alone.
    transaction_known: bool = False
    # Notifications that named only the transaction, before the store knew it.
    deferred: list[Callable[[], None]] = field(default_factory=list)

    def has_unknown_refund(self) -> bool:
        """Whether there is a partial refund whose amount is unknown or impossible."""
        unknown = any(
            amount is None or not 0 < amount < self.charged_total for amount in self.partial_refunds.values()
        )
        return unknown and self.paid and not self.reversals

    def remaining(self) -> int:
        """Return what remains of the payment, in the price without tax."""
        if not self.paid or self.reversals:
            return 0
        refunds = [amount for amount in self.partial_refunds.values() if amount and amount < self.charged_total]
        # The provider rounds the tax of the total and of each refund: half a cent each may be missing.
        has_tax = self.charged_total != self.order.total
        tolerance = Fraction(len(refunds) + 1, 2) if len(refunds) > 1 and has_tax else 0
        if self.charged_total - sum(refunds) <= tolerance:
            return 0
        shares = [Fraction(amount * self.order.total, self.charged_total) for amount in refunds]
        return max(0, self.order.total - sum(floor(share + Fraction(1, 2)) for share in shares))


@dataclass(eq=False)
class ModelOrder:
    """An order, and the state that the store must have for it."""

    id: str
    user_id: str
    quantities: dict[ModelItem, int]
    by_merchant_token: bool = False
    status_before_payment: str = "pending"
    attempts: list[Attempt] = field(default_factory=list)
    # Attempts that the store has recorded, by number, and the numbers of those that it believes can be paid.
    recorded: dict[int, Attempt] = field(default_factory=dict)
    payable: set[int] = field(default_factory=set)
    purchases: dict[ModelItem, str] = field(default_factory=dict)
    timeline: list[str] = field(default_factory=lambda: ["pending"])
    flagged: bool = False

    @property
    def total(self) -> int:
        """The price of all its lines."""
        return sum(item.price * quantity for item, quantity in self.quantities.items())

    @property
    def items_owned_once(self) -> set[ModelItem]:
        """The items in it that a user can own only once."""
        return {item for item in self.quantities if item.owned_once}

    @property
    def status(self) -> str:
        """The status that it must have."""
        paid = [attempt for attempt in self.attempts if attempt.paid]
        if not paid:
            return self.status_before_payment
        with_money = [attempt for attempt in paid if attempt.remaining() > 0]
        if any(not attempt.partial_refunds for attempt in with_money):
            return "paid"
        if with_money:
            return "partially_refunded"
        charged_back = any("chargeback" in attempt.reversals for attempt in self.attempts)
        return "charged_back" if charged_back else "refunded"

    @property
    def money(self) -> int:
        """The sum that its ledger must have."""
        return sum(attempt.remaining() for attempt in self.attempts)

    @property
    def payments(self) -> int:
        """The number of payments that its ledger must hold."""
        return sum(attempt.paid for attempt in self.attempts)

    def unpaid_attempts(self) -> list[Attempt]:
        """Return the attempts that can be paid at the provider."""
        return [attempt for attempt in self.attempts if attempt.status == "new"]

    def newest_attempt_is_payable(self) -> bool:
        """Whether the newest recorded attempt can still be paid, as far as the store knows."""
        return bool(self.recorded) and max(self.recorded) in self.payable


@dataclass
class Model:
    """All orders, and what each fact changes in them when the store is notified of it."""

    orders: list[ModelOrder] = field(default_factory=list)

    def owns(self, user_id: str, item: ModelItem) -> bool:
        """Whether a user owns an item through any order."""
        return any(o.user_id == user_id and o.purchases.get(item) == "granted" for o in self.orders)

    def expected_checkout(self, user_id: str, quantities: dict[ModelItem, int]) -> "ModelOrder | str":
        """Return what the checkout must lead to: an open order, the name of a refusal, or `NEW_ORDER`."""
        owned_once = {item for item in quantities if item.owned_once}
        if any(self.owns(user_id, item) for item in owned_once):
            return "AlreadyOwned"
        for order in reversed(self.orders):
            if order.user_id == user_id and order.status in OPEN:
                if order.quantities == quantities:
                    return order
                if order.items_owned_once & owned_once:
                    return "InOpenOrder"
        return NEW_ORDER

    def record_attempt(self, attempt: Attempt) -> None:
        """Apply the recording of a payment attempt."""
        order = attempt.order
        order.recorded[attempt.number] = attempt
        order.payable.add(attempt.number)
        self.close(order, "pending", {"failed"})

    def close(self, order: ModelOrder, status: str, before: Collection[str] = OPEN) -> None:
        """Change the status of an unpaid order from one of `before` to `status`; leave it in any other status."""
        if order.status in before:
            order.status_before_payment = status
            order.timeline.append(status)

    def decline(self, order: ModelOrder, number: int | None) -> None:
        """Apply the decline of an attempt; None: the notification does not say which."""
        order.payable -= {number} if number is not None else set(order.recorded)
        if not order.payable:
            self.close(order, "failed", {"pending"})

    def pay(self, attempt: Attempt, charged: int) -> bool:
        """Apply a payment; return False for one that the store knew already."""
        if attempt.paid:
            self.record_tax(attempt, charged)
            return False
        with _Change(self, attempt.order) as order:
            order.flagged |= order.status in GRANTING
            attempt.paid, attempt.transaction_known, attempt.tax_known = True, True, charged > 0
            attempt.charged_total = charged or order.total
            order.flagged |= attempt.has_unknown_refund()
        return True

    def record_tax(self, attempt: Attempt, charged: int) -> None:
        """Apply the tax from another notification of a known payment."""
        if charged and not attempt.tax_known:
            with _Change(self, attempt.order) as order:
                attempt.tax_known, attempt.charged_total = True, charged
                order.flagged |= attempt.has_unknown_refund()

    def apply_deferred(self, attempt: Attempt) -> None:
        """Apply what waited for the payment."""
        deferred, attempt.deferred = attempt.deferred, []
        for apply in deferred:
            apply()

    def reverse(self, attempt: Attempt, kind: str, *, names_transaction: bool) -> None:
        """Apply a refund or chargeback of a whole payment, found by its transaction or by the provider's order."""
        with _Change(self, attempt.order) as order:
            if not attempt.paid:
                self.close(order, "canceled")
            attempt.reversals.add(kind)
            attempt.transaction_known |= names_transaction

    def refund_part(self, attempt: Attempt, key: bytes, charged: int | None) -> None:
        """Apply a partial refund."""
        with _Change(self, attempt.order) as order:
            attempt.partial_refunds[key], attempt.transaction_known = charged, True
            order.flagged |= attempt.has_unknown_refund()

    def reconcile(self, order: ModelOrder) -> None:
        """Apply the provider's answers about an order's attempts; they say neither tax nor partial refunds."""
        asked = list(order.recorded.values()) if order.status in UNPAID else []
        for attempt in asked:
            if attempt.status == "paid":
                self.pay(attempt, 0)
            elif attempt.status == "canceled":
                self.reverse(attempt, "refund", names_transaction=bool(attempt.transaction))

    def settle(self, order: ModelOrder, before: str) -> None:
        """Grant what an order bought, or revoke it, when its new status requires that."""
        after = order.status
        if after != before and after not in UNPAID:
            order.timeline.append(after)
        if after in GRANTING and before not in GRANTING:
            for item in order.quantities:
                held = item.owned_once and self.owns(order.user_id, item)
                order.purchases[item] = "held" if held else "granted"
                order.flagged |= held
        elif after not in GRANTING | UNPAID:
            order.purchases = dict.fromkeys(order.quantities, "refunded")


class _Change:
    """Settles an order after its payments changed."""

    def __init__(self, model: Model, order: ModelOrder) -> None:
        self._model, self._order = model, order
        self._before = order.status

    def __enter__(self) -> ModelOrder:
        return self._order

    def __exit__(self, *_: object) -> None:
        self._model.settle(self._order, self._before)
