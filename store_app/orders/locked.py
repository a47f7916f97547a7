"""An order whose row is locked: whoever holds it is the only one to move it until the transaction ends."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy import select as select_columns
from sqlmodel import Session, col

from store_app.errors import NotFound
from store_app.models import Order

_COLUMNS = ("id", "number", "user_id", "status", "total", "currency", "needs_attention")


@dataclass(slots=True)
class LockedOrder:
    """What moving an order asks of its row; `lifecycle` keeps it true to what it writes."""

    id: str
    number: str
    user_id: str
    status: str
    # Minor units of `currency`.
    total: int
    currency: str
    needs_attention: str


def select_locking(*, skip_locked: bool = False) -> Any:
    """Return a SELECT of the columns of `LockedOrder`, which locks the rows it finds."""
    columns = select_columns(*(col(getattr(Order, name)) for name in _COLUMNS))
    # NO KEY: rows that only refer to the order may still be written.
    return columns.with_for_update(key_share=True, skip_locked=skip_locked)


BY_ID = select_locking().where(col(Order.id) == bindparam("order_id_"))


def lock(session: Session, order_id: str) -> LockedOrder:
    """Return the order with its row locked until the transaction ends.

    Raises:
        NotFound: there is no such order.
    """
    # PostgreSQL takes no NUL in a text, nor half a character.
    row = None
    if order_id.isprintable():
        row = session.connection().execute(BY_ID, {"order_id_": order_id}).first()
    if row is None:
        raise NotFound("order")
    return LockedOrder(*row)
