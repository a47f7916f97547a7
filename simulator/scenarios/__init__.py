"""The scenarios: named sequences of events that can happen to an order."""

from enum import StrEnum

# How long the scenario `late` holds its notifications, unless they are released earlier.
HOLD_SECONDS = 30.0


class Scenario(StrEnum):
    """The names of the scenarios; `runner` says what each of them does."""

    HAPPY = "happy"
    DECLINE = "decline"
    CANCEL = "cancel"
    REFUND = "refund"
    DUPLICATE = "duplicate"
    BURST = "burst"
    OUT_OF_ORDER = "out-of-order"
    LATE = "late"
    REFUND_FIRST = "refund-first"
    PARTIAL_REFUND = "partial-refund"
    PARTIAL_REFUNDS = "partial-refunds"
    CHARGEBACK = "chargeback"
    DECLINED_THEN_PAID = "declined-then-paid"
    WRONG_AMOUNT = "wrong-amount"
    WRONG_CURRENCY = "wrong-currency"
    WRONG_USER = "wrong-user"
    UNKNOWN_ORDER = "unknown-order"
    BAD_SIGNATURE = "bad-signature"
    DROP_ALL = "drop-all"
    SLOW = "slow"
    NEVER_ACKNOWLEDGED = "never-acknowledged"
