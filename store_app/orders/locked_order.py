"""Orders whose rows are locked, so that no other database transaction changes them until this one ends.

What was read of such an order stays true, except for what this transaction itself writes: it is read only once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam
from sqlalchemy import select as select_columns
from sqlmodel import Session, col

from store_app.errors import NotFound
from store_app.models import Order
from store_app.orders import sql
from store_app.orders.ledger import Movement

_COLUMNS = ("id", "number", "user_id", "status", "total", "currency", "needs_attention")


@dataclass(slots=True)
class LockedOrder:
    """The columns that changing an order needs; `lifecycle` updates them along with the row."""

    id: str
    number: str
    user_id: str
    status: str
    # Minor units of `currency`.
    total: int
    currency: str
    needs_attention: str
    # Read on first use, by `ledger_of` and `pending_lines_of`.
    ledger: list[Movement] | None = None
    pending: Sequence[Row[Any]] | None = None


def select_locking(*, skip_locked: bool = False) -> Any:
    """Return a SELECT of the columns of `LockedOrder` that locks the rows it finds."""
    columns = select_columns(*(col(getattr(Order, name)) for name in _COLUMNS))
    # FOR NO KEY UPDATE: rows that only refer to the order can still be written.
    return columns.with_for_update(key_share=True, skip_locked=skip_locked)


BY_ID = select_locking().where(col(Order.id) == bindparam("order_id_"))
# Always lock in id order, to avoid deadlocks.
_BY_IDS = select_locking().where(col(Order.id).in_(bindparam("ids", expanding=True))).order_by(col(Order.id))


def lock(session: Session, order_id: str) -> LockedOrder:
    """Return the order with its row locked until the transaction ends.

    Raises:
        NotFound: there is no such order.
    """
    if locked := _locked(session).get(order_id):
        return locked
    row = session.connection().execute(BY_ID, {"order_id_": order_id}).first()
    if row is None:
        raise NotFound("order")
    return _locked(session).setdefault(order_id, LockedOrder(*row))


def lock_all(session: Session, order_ids: Sequence[str]) -> None:
    """Lock several orders with one query and prefetch what paying them reads; `lock` then returns them."""
    rows = session.connection().execute(_BY_IDS, {"ids": order_ids}).all()
    orders = {row.id: LockedOrder(*row) for row in rows}
    ledgers, pending = _ledgers(session, list(orders)), _by_order(session, sql.PENDING_LINES, list(orders))
    for order in orders.values():
        order.ledger, order.pending = ledgers[order.id], pending[order.id]
    _locked(session).update(orders)


def ledger_of(session: Session, order: LockedOrder) -> list[Movement]:
    """Return the ledger of an order, in the sequence in which it was booked."""
    if order.ledger is None:
        order.ledger = _ledgers(session, [order.id])[order.id]
    return order.ledger


def pending_lines_of(session: Session, order: LockedOrder) -> Sequence[Row[Any]]:
    """Return the lines of an order that are not paid: SKU, name, quantity."""
    if order.pending is None:
        order.pending = _by_order(session, sql.PENDING_LINES, [order.id])[order.id]
    return order.pending


def _locked(session: Session) -> dict[str, LockedOrder]:
    # A database session lasts for one transaction: `unit_of_work`.
    found: dict[str, LockedOrder] = session.info.setdefault("locked orders", {})
    return found


def _ledgers(session: Session, order_ids: list[str]) -> dict[str, list[Movement]]:
    found = _by_order(session, sql.LEDGERS, order_ids)
    return {order_id: [Movement(*row[1:]) for row in rows] for order_id, rows in found.items()}


def _by_order(session: Session, statement: Any, order_ids: list[str]) -> dict[str, list[Any]]:
    """Run a statement whose rows begin with an order's id; return the rows of each order."""
    found: dict[str, list[Any]] = {order_id: [] for order_id in order_ids}
    for row in session.connection().execute(statement, {"order_ids_": order_ids}):
        found[row.order_id].append(row)
    return found
