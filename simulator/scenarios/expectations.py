"""What the store should have made of it: of one notification by its answer, of an order by where it stands."""

from dataclasses import dataclass
from enum import StrEnum

from simulator.delivery.sender import error_of, verdict
from simulator.records import Delivery, Order, Outcome, TransactionStatus

# The status of a transaction, and the store's own word for an order that was paid by it.
_AFTER = {
    TransactionStatus.DONE: "paid",
    TransactionStatus.PARTIALLY_REFUNDED: "partially_refunded",
    TransactionStatus.REFUNDED: "refunded",
    TransactionStatus.CANCELED: "charged_back",
}


class Granted(StrEnum):
    """What an order should have given to its player."""

    NOTHING = "nothing"
    EVERYTHING = "everything"
    # Given and taken back, or never given.
    TAKEN_BACK = "taken back"


@dataclass(frozen=True, slots=True)
class Implied:
    """Where an order should stand at the store, in the words of the store's public API."""

    status: str
    granted: Granted


def implied(order: Order) -> Implied:
    """Say what the books imply for the store, once it knows all that they hold."""
    if order.payment is not None and _is_as_asked(order):
        made = order.payment
        back = order.is_refunded
        return Implied(_AFTER[made.status], Granted.TAKEN_BACK if back else Granted.EVERYTHING)
    if order.canceled:
        return Implied("canceled", Granted.NOTHING)
    if order.just_declined:
        return Implied("failed", Granted.NOTHING)
    return Implied("pending", Granted.NOTHING)


def was_told(order: Order) -> bool:
    """Tell whether any notification about the order was meant to be sent; else only a look-up tells."""
    facts = [each for each in order.deliveries if each.type != "user_validation"]
    return not facts or any(each.outcome is not Outcome.NEVER_SENT for each in facts)


def is_as_expected(delivery: Delivery) -> bool:
    """Tell whether a delivery ended as its manner asks for."""
    manner = delivery.manner
    if delivery.outcome is Outcome.NEVER_SENT:
        return True
    if manner.deaf:
        # Nobody heard the answers, but they were yes.
        return delivery.outcome is Outcome.GIVEN_UP and verdict(delivery.last_status) is Outcome.ACKNOWLEDGED
    if not manner.refusal:
        return delivery.acknowledged
    return _is_refused(delivery) or (_may_be_noted(delivery) and delivery.acknowledged)


def expected_answer(delivery: Delivery) -> str:
    """Say which answer a delivery should have had."""
    return f"400 {delivery.manner.refusal}" if delivery.manner.refusal else "204"


def _is_as_asked(order: Order) -> bool:
    sold, asked = order.sale, order.asked
    return (sold.total, sold.currency, sold.buyer.id) == (asked.total, asked.currency, asked.buyer.id)


def _is_refused(delivery: Delivery) -> bool:
    if delivery.outcome is Outcome.HELD_BACK:
        return True
    return delivery.outcome is Outcome.REFUSED and error_of(delivery.attempts[-1])[0] == delivery.manner.refusal


def _may_be_noted(delivery: Delivery) -> bool:
    """Refusing a genuine `payment` does not give the buyer the money back, so a yes is right as well."""
    return delivery.type == "payment" and not delivery.manner.forged
