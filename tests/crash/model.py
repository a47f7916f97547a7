"""A model of the store: plain Python over the facts it was given so far, and none of the store's own code.

An order's money is `tests.support.order_model` over the set of its facts. Only while nothing was paid does the
sequence decide an order's status: declined, canceled, expired.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from tests.support.order_model import Closing, Fact, Money, money_of

GRANTING = {"paid", "partially_refunded"}
OPEN = {"pending", "failed"}
UNPAID = OPEN | {"canceled", "expired"}
NEW_ORDER = "a new order"
OWNED_ALREADY = "paid for something owned already"
BUYER_CLOSED = "paid after the buyer's account was closed"
NEVER_PAID = "money was taken, but the provider never said that the order was paid"
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
class Transaction:
    """A payment at the provider; `charged` is with tax, 0 where the notifications do not say it."""

    attempt: "Attempt"
    id: str
    charged: int = 0
    status: str = "done"


@dataclass(eq=False)
class Attempt:
    """A payment attempt of an order: what the provider knows of it, and the state that the store must have."""

    order: "ModelOrder"
    number: int
    # The provider's own order; empty for a merchant token, which has none.
    provider_order_id: str
    # In the sequence of the payments.
    transactions: list[Transaction] = field(default_factory=list)
    canceled_by_provider: bool = False
    # "opening" while the store does not know the provider's order.
    state: str = "opening"

    @property
    def is_new(self) -> bool:
        """Whether it is neither paid nor canceled at the provider."""
        return not self.transactions and not self.canceled_by_provider


@dataclass(eq=False)
class ModelOrder:
    """An order, and the state that the store must have for it."""

    id: str
    user_id: str
    quantities: dict[ModelItem, int]
    # The prices of the moment when it was placed.
    prices: dict[ModelItem, int]
    by_merchant_token: bool = False
    status_before_payment: str = "pending"
    attempts: list[Attempt] = field(default_factory=list)
    facts: set[Fact] = field(default_factory=set)
    purchases: dict[ModelItem, str] = field(default_factory=dict)
    timeline: list[str] = field(default_factory=lambda: ["pending"])
    messages: list[str] = field(default_factory=list)
    # Reasons that its facts do not give.
    flags: set[str] = field(default_factory=set)

    @property
    def total(self) -> int:
        """The price of all its lines."""
        return sum(self.prices[item] * quantity for item, quantity in self.quantities.items())

    @property
    def items_owned_once(self) -> set[ModelItem]:
        """The items in it that a user can own only once."""
        return {item for item in self.quantities if item.owned_once}

    @property
    def money(self) -> Money:
        """What its facts mean."""
        return money_of(self.total, self.facts)

    @property
    def status(self) -> str:
        """The status that it must have."""
        return self.money.status or self.status_before_payment

    @property
    def transactions(self) -> set[str]:
        """The transactions by which the store can find it."""
        return {fact.transaction for fact in self.facts} - {""}

    @property
    def charges(self) -> set[str]:
        """The transactions that took its price, and neither paid it nor went back."""
        return set(self.money.charges)

    @property
    def open_flags(self) -> set[str]:
        """The reasons why staff must look at it."""
        held = {OWNED_ALREADY} if "held" in self.purchases.values() else set()
        never_paid = {NEVER_PAID} if self.charges and self.status not in OPEN else set()
        return self.flags | self.money.doubts | held | never_paid

    def new_attempts(self) -> list[Attempt]:
        """Return the attempts that can be paid at the provider."""
        return [attempt for attempt in self.attempts if attempt.is_new]

    def has_payable_attempt(self) -> bool:
        """Whether a page is open, as far as the store knows."""
        return any(attempt.state == "open" for attempt in self.attempts)

    def attempt_numbers(self, number: int | None, provider_order_id: str = "") -> set[int]:
        """Return the numbers of the attempts that a notification is about, as far as the store knows."""
        if number is not None:
            return {number}
        if provider_order_id:
            return {
                attempt.number
                for attempt in self.attempts
                if attempt.provider_order_id == provider_order_id and attempt.state != "opening"
            }
        return {attempt.number for attempt in self.attempts}


@dataclass
class Model:
    """All orders, and what each fact changes in them when the store is notified of it."""

    orders: list[ModelOrder] = field(default_factory=list)
    # Those that were paid, in the sequence of their first payments.
    paid: list[ModelOrder] = field(default_factory=list)
    prices: dict[ModelItem, int] = field(default_factory=dict)
    closed_users: set[str] = field(default_factory=set)
    # Notifications that name only a transaction which the store does not know yet.
    deferred: list[tuple[str, Callable[[ModelOrder], None]]] = field(default_factory=list)

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
                if order.quantities == quantities and not self._has_other_prices(order):
                    return "OrderNotPayable" if self.obstructs(order) else order
                if order.items_owned_once & owned_once:
                    return "InOpenOrder"
        return NEW_ORDER

    def _has_other_prices(self, order: ModelOrder) -> bool:
        return any(self.prices[item] != price for item, price in order.prices.items())

    def obstructs(self, order: ModelOrder) -> bool:
        """Whether an open order must not be paid: it is out of date, or staff must look at it."""
        owned = any(self.owns(order.user_id, item) for item in order.items_owned_once)
        return bool(order.open_flags or order.charges) or owned or self._has_other_prices(order)

    def open_attempt(self, attempt: Attempt) -> None:
        """Apply that the payment page of an attempt was recorded."""
        attempt.state = "open"
        self.close(attempt.order, "pending", {"failed"})

    def close(self, order: ModelOrder, status: str, before: Collection[str] = OPEN) -> None:
        """Change the status of an unpaid order from one of `before` to `status`; leave it in any other status."""
        if order.status in before:
            order.status_before_payment = status
            _note(order, status)

    def receive(
        self,
        order: ModelOrder,
        facts: Iterable[Fact],
        closing: Closing | None = None,
        numbers: Collection[int] = (),
    ) -> None:
        """Apply what a notification says: facts, and how it closes attempts with these numbers."""
        before = order.status
        order.facts |= set(facts)
        if closing:
            self._close_attempts(order, closing, numbers)
        self._settle(order, before)

    def _close_attempts(self, order: ModelOrder, closing: Closing, numbers: Collection[int]) -> None:
        if order.attempts and not any(attempt.number in numbers for attempt in order.attempts):
            # The page that it is about may just be opened.
            return
        for attempt in order.attempts:
            if attempt.number in numbers and attempt.state != "canceled":
                attempt.state = closing
        if not order.has_payable_attempt() and order.status in OPEN:
            canceled = closing == "canceled" or any(attempt.state == "canceled" for attempt in order.attempts)
            status = "canceled" if canceled else "failed"
            if status != order.status:
                self.close(order, status)

    def name_only_transaction(self, transaction: str, apply: Callable[[ModelOrder], None]) -> None:
        """Apply what names only a transaction: now, if the store knows the transaction, else later."""
        self.deferred.append((transaction, apply))
        self.catch_up()

    def catch_up(self) -> None:
        """Apply what waited for its transaction to be known."""
        waiting, self.deferred = self.deferred, []
        for transaction, apply in waiting:
            found = [order for order in self.orders if transaction in order.transactions]
            if found:
                apply(found[0])
            else:
                self.deferred.append((transaction, apply))

    def expire(self, order: ModelOrder) -> None:
        """Apply that the time of an order is over."""
        self.close(order, "expired")

    def close_account(self, user_id: str) -> None:
        """Apply that a user closed the account."""
        for order in self.orders:
            if order.user_id == user_id:
                self.close(order, "canceled")
        self.closed_users.add(user_id)

    def _settle(self, order: ModelOrder, before: str) -> None:
        """Grant what an order bought, or revoke it, when its new status requires that."""
        after = order.status
        if after in UNPAID or after == before:
            return
        _note(order, after)
        if order not in self.paid:
            self.paid.append(order)
        if after in GRANTING and before not in GRANTING:
            if order.user_id in self.closed_users:
                order.flags.add(BUYER_CLOSED)
            for item in order.quantities:
                held = item.owned_once and self.owns(order.user_id, item)
                order.purchases[item] = "held" if held else "granted"
        elif after not in GRANTING:
            order.purchases = dict.fromkeys(order.quantities, "refunded")
            self._grant_held(order)

    def _grant_held(self, revoked: ModelOrder) -> None:
        """Grant the lines of other orders that were held for what has been revoked now, the oldest first."""
        for order in self.paid:
            if order.user_id == revoked.user_id:
                held = [item for item, status in order.purchases.items() if status == "held"]
                granted = [item for item in held if not self.owns(order.user_id, item)]
                order.purchases |= dict.fromkeys(granted, "granted")
                if granted:
                    order.messages.append("purchase_success")


def _note(order: ModelOrder, status: str) -> None:
    order.timeline.append(status)
    order.messages.append(MESSAGE_FOR_STATUS[status])
