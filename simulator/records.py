"""What the simulator remembers: orders, transactions and deliveries."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Give the present moment with its zone."""
    return datetime.now(UTC)


class Mint(StrEnum):
    """Which token call made the order; only a store token has a Store order with items."""

    STORE = "store"
    MERCHANT = "merchant"


class OrderStatus(StrEnum):
    """The provider's words for an order."""

    NEW = "new"
    PAID = "paid"
    DONE = "done"
    CANCELED = "canceled"
    EXPIRED = "expired"


class TransactionStatus(StrEnum):
    """The provider's words for a transaction, those that happen here."""

    DONE = "done"
    ERROR = "error"
    REFUNDED = "refunded"
    PARTIALLY_REFUNDED = "partiallyRefunded"
    # The bank took the money back; which word the provider has for that is not documented: here it is this one.
    CANCELED = "canceled"


class Outcome(StrEnum):
    """How a delivery stands."""

    WAITING = "waiting"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    GIVEN_UP = "given up"
    HELD_BACK = "not sent, an earlier one failed"
    NEVER_SENT = "never sent"


@dataclass(frozen=True, slots=True)
class Manner:
    """How a notification is carried and answered; the defaults are the ordinary way."""

    # Signed with a secret that nobody has.
    forged: bool = False
    # So many first tries are given up before the store can have answered.
    abandoned: int = 0
    # No answer reaches us, so that the whole schedule is gone through.
    deaf: bool = False
    # The code with which the store has to refuse it; empty when it has to say yes.
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One item of an order at the price it had when the token was made."""

    sku: str
    name: str
    quantity: int
    price: Decimal

    @property
    def amount(self) -> Decimal:
        """Price of the whole line."""
        return self.price * self.quantity


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who pays, as the store named them."""

    id: str
    email: str
    country: str
    ip: str
    name: str | None


@dataclass(frozen=True, slots=True)
class Sale:
    """What was sold to whom, as a token call asked for it."""

    mint: Mint
    buyer: Buyer
    lines: tuple[Line, ...]
    currency: str
    total: Decimal
    sandbox: bool
    external_id: str | None
    return_url: str | None
    custom_parameters: dict[str, Any] | None

    @property
    def store_order(self) -> str | None:
        """The store's own name for the order, wherever it put one."""
        named = (self.custom_parameters or {}).get("order_id", self.external_id)
        return None if named is None else str(named)


_UNDONE = frozenset({TransactionStatus.REFUNDED, TransactionStatus.CANCELED})


@dataclass(slots=True)
class Transaction:
    """One try to pay, successful or declined."""

    id: int
    date: datetime
    status: TransactionStatus
    returned: Decimal = Decimal(0)
    returned_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to deliver: the store's status, or none when there was no answer."""

    at: datetime
    status: int | None
    answer: str


@dataclass(slots=True)
class Delivery:
    """A notification on its way; the body is fixed, so that every repeat is the same bytes."""

    id: int
    order_id: int
    type: str
    body: bytes
    created_at: datetime
    manner: Manner = Manner()
    outcome: Outcome = Outcome.WAITING
    attempts: list[Attempt] = field(default_factory=list)
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def last_status(self) -> int | None:
        """Status of the newest answer."""
        return self.attempts[-1].status if self.attempts else None

    @property
    def acknowledged(self) -> bool:
        """Whether the store said yes."""
        return self.outcome is Outcome.ACKNOWLEDGED

    def settle(self, outcome: Outcome) -> None:
        """Fix how it ended and wake whoever waits for that."""
        self.outcome = outcome
        self.settled.set()


@dataclass(slots=True)
class Order:
    """A token and all that happened to it.

    A merchant token has no Store order: its id is for this process only and never told to the store.
    """

    id: int
    token: str
    sale: Sale
    created_at: datetime
    expires_at: datetime
    canceled: bool = False
    transactions: list[Transaction] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    # What was told of the newest fact, to be told again on request.
    newest_chain: list[Delivery] = field(default_factory=list)
    # Held from the question "already paid?" to the booking: two clicks on Pay would otherwise both hear "no".
    paying: asyncio.Lock = field(default_factory=asyncio.Lock)
    # Held while one chain of notifications is delivered: those of one order go out one after the other.
    outgoing: asyncio.Lock = field(default_factory=asyncio.Lock)
    # Lets notifications go that are held for later.
    released: asyncio.Event = field(default_factory=asyncio.Event)
    # What the token call asked for: `sale` differs from it when a scenario sold something else.
    asked: Sale = field(init=False)

    def __post_init__(self) -> None:
        self.asked = self.sale

    @property
    def payment(self) -> Transaction | None:
        """The transaction that took money, whatever became of it later."""
        return next((t for t in self.transactions if t.status is not TransactionStatus.ERROR), None)

    @property
    def just_declined(self) -> bool:
        """Whether the newest try was declined."""
        return bool(self.transactions) and self.transactions[-1].status is TransactionStatus.ERROR

    @property
    def is_refunded(self) -> bool:
        """Whether all the money went back, or the bank took it back."""
        return self.payment is not None and self.payment.status in _UNDONE

    def status_at(self, now: datetime) -> OrderStatus:
        """The provider's word for where the order stands."""
        if self.canceled or self.is_refunded:
            return OrderStatus.CANCELED
        if self.payment is not None:
            granted = any(d.type == "order_paid" and d.acknowledged for d in self.deliveries)
            return OrderStatus.DONE if granted else OrderStatus.PAID
        return OrderStatus.EXPIRED if now >= self.expires_at else OrderStatus.NEW
