"""Time, passed as an argument so that tests may move it."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Give the present moment with its zone."""
    return datetime.now(UTC)
