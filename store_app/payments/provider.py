"""What the store asks of a payment provider, and the types in which the two talk. Nothing here knows a provider.

A provider is one package beside this module and one entry in `registry.PROVIDERS`. Amounts in events are texts in
major units, as the provider wrote them; empty text means that the provider did not send the value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from store_app.models import AttemptKind, Item, PaymentAttempt, Verdict, external_id


class EventKind(StrEnum):
    """What can happen to a payment."""

    # The order was paid: it is granted.
    PAID = "paid"
    # Money was taken. The kind of the payment attempt says whether PAID follows, or whether this grants.
    PAYMENT_TAKEN = "payment_taken"
    # All the money of a payment went back, or the provider canceled an order that nobody paid.
    REFUNDED = "refunded"
    PARTIALLY_REFUNDED = "partially_refunded"
    # The user's bank took the money back.
    CHARGED_BACK = "charged_back"
    # One payment attempt was declined; another may follow.
    DECLINED = "declined"
    # The user's bank disputes the payment; no money has moved.
    DISPUTED = "disputed"


class RefusalReason(StrEnum):
    """Why a delivery is not processed. Each provider answers it with its own code."""

    FOREIGN_ADDRESS = "foreign_address"
    BAD_SIGNATURE = "bad_signature"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    OTHER_PROJECT = "other_project"
    UNKNOWN_USER = "unknown_user"
    OTHER_USER = "other_user"
    WRONG_AMOUNT = "wrong_amount"
    # Retryable: the provider is expected to send the delivery again.
    UNAVAILABLE = "unavailable"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True, slots=True)
class PaymentEvent:
    """One thing that happened to a payment, in the store's words, from a notification or from reconciliation."""

    kind: EventKind
    # The registered name of the provider that says so.
    provider: str
    # The provider's own ids of its order and its transaction.
    provider_order_id: str = ""
    transaction_id: str = ""
    # The store's ids, as they were sent when the payment page was opened.
    order_id: str = ""
    external_id: str = ""
    user_id: str = ""
    # The price, before the tax that the provider adds for some countries; and with that tax.
    amount: str = ""
    currency: str = ""
    charged: str = ""
    charged_currency: str = ""
    # A test payment while the store sells for real money, or the other way round.
    wrong_mode: bool = False
    # Tells several partial refunds of one transaction from each other.
    detail: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class UserQuestion:
    """A provider asks whether a user exists, by id, or which id a user name has."""

    user_id: str = ""
    username: str = ""


@dataclass(frozen=True, slots=True)
class Notification:
    """What one delivery says. `type` is the provider's name for it.

    Without events, a question or a refusal the store ignores it.
    """

    type: str = ""
    events: tuple[PaymentEvent, ...] = ()
    question: UserQuestion | None = None
    # Why it cannot be processed, and the sentence that says so.
    refusal: RefusalReason | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a delivery or an event. `refusal` is set when the reason must be reported to the provider."""

    verdict: Verdict
    reason: str = ""
    refusal: RefusalReason | None = None
    order_id: str | None = None
    # The answer to a question about a user.
    user_id: str = ""
    # The provider's name for the type of the notification.
    notification_type: str = ""


# Of several outcomes the first in this sequence counts.
_PRECEDENCE = [Verdict.REFUSED, Verdict.UNMATCHED, Verdict.DONE, Verdict.REPEAT, Verdict.IGNORED]


def combine(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the outcome of several events; a refusal that must be reported to the provider takes precedence."""
    return min(outcomes, key=lambda outcome: (outcome.refusal is None, _PRECEDENCE.index(outcome.verdict)))


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response in the provider's own format; without a body where that is None."""

    status: int
    body: Any = None


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """What a provider needs to open a payment page; `lines` are (SKU, quantity), `total` minor units."""

    order_id: str
    number: str
    attempt: int
    user_id: str
    username: str
    lines: tuple[tuple[str, int], ...]
    total: int
    currency: str
    # The buyer's country (two letters) and network address; empty when not known.
    country: str = ""
    address: str = ""

    @property
    def external_id(self) -> str:
        """Unique for each payment: a second attempt of the same order is another payment."""
        return external_id(self.order_id, self.attempt)


@dataclass(frozen=True, slots=True)
class PaymentPage:
    """Where the user pays, and the provider's own id of the order (None where it keeps none).

    `price` is what the provider will charge before tax, in major units; empty when it charges what was asked for.
    """

    provider_order_id: str | None
    url: str
    price: str = ""
    currency: str = ""


@dataclass(frozen=True, slots=True)
class CatalogueChanges:
    """How a provider's catalogue differs from the store's items; `same` counts those that do not differ."""

    new: list[Item] = field(default_factory=list)
    changed: list[Item] = field(default_factory=list)
    same: int = 0


class PaymentProvider(Protocol):
    """A payment provider.

    Every coroutine can raise `ProviderUnavailable` (retryable) and `ProviderRefused` (a setting is wrong).
    """

    @property
    def name(self) -> str:
        """The registered name, in rows and in the webhook's address."""

    @property
    def display_name(self) -> str:
        """The name that users read."""

    @property
    def attempt_kind(self) -> AttemptKind:
        """What the provider keeps of the payment attempts that are opened now."""

    def verify(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """Whether the provider signed these very bytes. Header names are in lower case.

        Compares in constant time, and never raises, whatever was sent.
        """

    def parse(self, body: bytes) -> Notification:
        """Read a delivery whose signature is valid. Never raises: see `Notification.refusal`."""

    def respond(self, outcome: Outcome) -> Response:
        """Return the response to a delivery in the provider's own format."""

    async def open_payment_page(self, request: PaymentRequest) -> PaymentPage:
        """Open a payment page for an order."""

    async def find_payments(self, attempt: PaymentAttempt) -> Sequence[PaymentEvent]:
        """Return what happened to a payment attempt; an empty sequence while nothing has."""

    async def find_refunds(self, attempt: PaymentAttempt, transaction_id: str) -> Sequence[PaymentEvent]:
        """Return what went back of a payment that is known.

        The events are of the kinds REFUNDED, PARTIALLY_REFUNDED and CHARGED_BACK only.
        """

    async def refund(self, transaction_id: str, reason: str, amount: Decimal | None = None) -> None:
        """Ask the provider to give a payment back, whole or (`amount`, in major units) in part.

        What the payment granted is revoked when the provider's notification arrives.
        """


@runtime_checkable
class CatalogueProvider(PaymentProvider, Protocol):
    """A payment provider that shows items and prices of a catalogue of its own."""

    async def compare_catalogue(self, items: Sequence[Item]) -> CatalogueChanges:
        """Compare the store's items with the provider's catalogue."""

    async def update_catalogue(self, changes: CatalogueChanges) -> None:
        """Write changes into the provider's catalogue."""
