"""When a notification is sent again, and which answers end it."""

from datetime import timedelta

from simulator.records import Outcome

ANSWER_WITHIN = timedelta(seconds=10)

_ACKNOWLEDGED = frozenset({200, 201, 204})
_FINAL = frozenset({400, 401, 402, 403, 404, 409, 415, 422})


def _minutes(*pauses: int) -> tuple[timedelta, ...]:
    return tuple(timedelta(minutes=pause) for pause in pauses)


_ORDER_PAUSES = _minutes(*[5] * 2, *[15] * 7, *[60] * 10)
# Only "growing, at most 12, within 48 hours" is documented; the steps are ours.
_PAYMENT_PAUSES = _minutes(1, 2, 5, 10, 20, 30, 60, 120, 240, 480, 720, 960)


def pauses(notification_type: str) -> tuple[timedelta, ...]:
    """Give the pauses before each repeat of a notification that was not answered."""
    if notification_type == "user_validation":
        return ()
    if notification_type in {"order_paid", "order_canceled"}:
        return _ORDER_PAUSES
    return _PAYMENT_PAUSES


def verdict(status: int | None) -> Outcome:
    """Tell what an answer means; no answer and unlisted codes ask for a repeat."""
    if status in _ACKNOWLEDGED:
        return Outcome.ACKNOWLEDGED
    return Outcome.REFUSED if status in _FINAL else Outcome.WAITING
