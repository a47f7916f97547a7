"""Column types and constraints that all tables share."""

import re
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Dialect, Integer, TypeDecorator, text
from sqlmodel.sql.sqltypes import AutoString

# SQLite generates keys only for a column that is declared INTEGER.
BigId = BigInteger().with_variant(Integer(), "sqlite")
# PostgreSQL rejects NUL and lone surrogates.
_REJECTED = re.compile("[\0\ud800-\udfff]")
_NOT_PLAIN = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff]")


class SafeText(AutoString):
    """Text of a column that is compared with what clients send: text that no row can hold matches none.

    Such text is bound as NULL, which equals nothing; a column that is not nullable refuses to store it.
    """

    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's
        """Return the text, or None where a database would reject it."""
        return None if value is None or _REJECTED.search(value) else value


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC, as `utc_now` returns it. SQLite, which has no time zones, stores it without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's
        """Return the time with its zone."""
        if value is None:
            return None
        time: datetime = value.replace(tzinfo=UTC) if value.tzinfo is None else value
        return time.astimezone(UTC)


def is_plain(text: str) -> bool:
    """Return whether a text has neither control characters nor lone surrogates: names of items have none.

    `str.isprintable` would also refuse joined emoji, the joiners of Persian and the space of Japanese.
    """
    return not _NOT_PLAIN.search(text)


# Return the current time in UTC.
utc_now = partial(datetime.now, UTC)


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    """Return a constraint that allows only `values` in `column`."""
    allowed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({allowed})", name=f"{column}_known")


def only_where(condition: str) -> dict[str, Any]:
    """Return the arguments that make an `Index` partial on both databases."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}
