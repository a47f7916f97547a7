"""The SQL statements of the order rules, built once: building a statement costs more than running it.

Bind parameters whose names end in `_` are conditions; the others are values.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import String, and_, bindparam, case, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import aliased
from sqlmodel import col

from store_app.db.engine import insert_or_ignore
from store_app.models import (
    OPEN,
    AttentionFlag,
    CartLine,
    Item,
    Order,
    OrderEvent,
    Payment,
    PaymentAttempt,
    PendingPurchase,
    Purchase,
    PurchaseStatus,
    User,
)
from store_app.models.base import UtcDateTime

_ORDER: Any = bindparam("order_id_", type_=String())
# Plain text: `SafeText` would check each id, of which some come from clients; `Orders.lock_all` does.
_ORDERS: Any = bindparam("order_ids_", type_=String(), expanding=True)
_USER: Any = bindparam("user_id_")
_REASONS: Any = bindparam("reasons_", expanding=True)
# The type matters: Python's own SQLite adapter would write the time in another form, and is deprecated.
_AT: Any = bindparam("at_", type_=UtcDateTime())
_NOW: Any = bindparam("now_", type_=UtcDateTime())


def _columns(model: Any, names: Sequence[str]) -> list[Any]:
    return [col(getattr(model, name)) for name in names]


# --- locking and reading orders

# Payments of one user wait for each other: what can be owned once is granted to one order, and held for others.
# All transactions lock a user before its orders, and these by id, to avoid deadlocks.
LOCK = (
    select(
        *_columns(Order, ("id", "number", "user_id", "status", "total", "currency")),
        col(User.closed_at).is_not(None).label("buyer_is_closed"),
    )
    .join(User, col(User.id) == col(Order.user_id))
    .where(col(Order.id).in_(_ORDERS))
    .order_by(col(User.id), col(Order.id))
    # FOR NO KEY UPDATE: rows that only refer to these can still be written.
    .with_for_update(key_share=True, of=[User, Order])
)
DUE = (
    select(col(Order.id))
    .where(col(Order.status).in_(OPEN), col(Order.expires_at) < _NOW)
    .order_by(col(Order.id))
    .limit(bindparam("limit_"))
)
OPEN_ORDERS_OF_USER = select(col(Order.id)).where(col(Order.user_id) == _USER, col(Order.status).in_(OPEN))
# After the order's id the fields of `ledger.Fact`.
FACTS = select(
    *_columns(
        Payment,
        ("order_id", "kind", "key", "provider", "transaction_id", "provider_order_id", "amount", "charged"),
    )
).where(col(Payment.order_id).in_(_ORDERS))
_ATTEMPT_COLUMNS = ("number", "provider", "kind", "state", "provider_order_id", "payment_url", "created_at")
ATTEMPTS = (
    select(*_columns(PaymentAttempt, _ATTEMPT_COLUMNS))
    .where(col(PaymentAttempt.order_id) == _ORDER)
    .order_by(col(PaymentAttempt.number))
)
# Rows of other providers with the same ids are left out afterwards.
BY_PROVIDER_ORDER = select(*_columns(PaymentAttempt, ("provider", "provider_order_id", "order_id"))).where(
    col(PaymentAttempt.provider_order_id).in_(bindparam("ids_", expanding=True))
)
BY_TRANSACTION = (
    select(*_columns(Payment, ("provider", "transaction_id", "order_id")))
    .where(col(Payment.transaction_id).in_(bindparam("ids_", expanding=True)))
    # Payments last: of several orders with a transaction, the one that it paid counts.
    .order_by(case((col(Payment.kind) == "payment", 1), else_=0))
)


def _lines_of(table: type[PendingPurchase] | type[Purchase]) -> Any:
    return (
        select(
            col(table.order_id),
            col(table.item_id),
            col(Item.sku),
            col(Item.name),
            col(table.quantity),
            col(table.unit_price),
        )
        .join(Item, col(Item.id) == table.item_id)
        .where(col(table.order_id).in_(_ORDERS))
        .order_by(col(table.id))
    )


PENDING_LINES, PURCHASED_LINES = _lines_of(PendingPurchase), _lines_of(Purchase)

# --- writing orders

ADD_ORDER, ADD_LINES, ADD_EVENT = (
    insert(Order).inline(),
    insert(PendingPurchase).inline(),
    insert(OrderEvent).inline(),
)
CHANGE_STATUS = (
    update(Order)
    .where(col(Order.id) == _ORDER)
    .values(status=bindparam("status"), updated_at=bindparam("updated_at"))
)
# The status that the ledger says; when reconciliation asks next changes with it.
SETTLE_STATUS = CHANGE_STATUS.values(next_check_at=bindparam("next_check_at"), checks=0)
START_CHECKS = (
    update(Order).where(col(Order.id) == _ORDER).values(next_check_at=bindparam("next_check_at"), checks=0)
)
ADD_ATTEMPT = insert(PaymentAttempt).inline()
CHANGE_ATTEMPT = (
    update(PaymentAttempt)
    .where(col(PaymentAttempt.order_id) == _ORDER, col(PaymentAttempt.number) == bindparam("number_"))
    .values({name: bindparam(name) for name in ("state", "provider_order_id", "payment_url")})
)


@lru_cache
def add_fact(dialect: str) -> Any:
    """Return an INSERT of a row of the ledger that does nothing when it is there, or paid another order."""
    return insert_or_ignore(dialect, Payment)


# --- purchases

_COPIED = ("order_id", "user_id", "item_id", "quantity", "unit_price", "currency", "owned_once")
_OTHER = aliased(Purchase)


def _granted_or_held(line: Any) -> Any:
    """Return the rule of granting: what can be owned only once, and is owned, is held."""
    owned = (
        select(col(_OTHER.id))
        .where(
            col(_OTHER.user_id) == line.user_id,
            col(_OTHER.item_id) == line.item_id,
            col(_OTHER.order_id) != line.order_id,
            col(_OTHER.owned_once),
            col(_OTHER.status) == PurchaseStatus.GRANTED,
        )
        .correlate(line)
        .exists()
    )
    return case((and_(line.owned_once, owned), PurchaseStatus.HELD.value), else_=PurchaseStatus.GRANTED.value)


@lru_cache
def move_lines(*, granting: bool) -> Any:
    """Return an INSERT that copies an order's pending lines to purchases, granted or held, or refunded."""
    status = _granted_or_held(PendingPurchase) if granting else bindparam("status_", PurchaseStatus.REFUNDED)
    lines = (
        select(*_columns(PendingPurchase, _COPIED), _AT, status)
        .where(col(PendingPurchase.order_id) == _ORDER)
        .order_by(col(PendingPurchase.item_id))
    )
    moved = insert(Purchase).from_select([*_COPIED, "timestamp", "status"], lines)
    return moved.returning(col(Purchase.status))


FORGET_PENDING = delete(PendingPurchase).where(col(PendingPurchase.order_id) == _ORDER)
GRANT_AGAIN = (
    update(Purchase)
    .where(col(Purchase.order_id) == _ORDER)
    .values(status=_granted_or_held(Purchase))
    .returning(col(Purchase.status))
)
REVOKE = update(Purchase).where(col(Purchase.order_id) == _ORDER).values(status=PurchaseStatus.REFUNDED)
HELD_LINES = select(func.count()).where(
    col(Purchase.order_id) == _ORDER, col(Purchase.status) == PurchaseStatus.HELD
)
_REVOKED = aliased(Purchase)
_WAITING = aliased(Purchase)
# Of each item that an order no longer grants, the oldest line that was held because of it.
GRANT_HELD = (
    update(Purchase)
    .where(
        # Again, because another transaction may refund the line meanwhile.
        col(Purchase.status) == PurchaseStatus.HELD,
        col(Purchase.id).in_(
            select(func.min(_WAITING.id))
            .join(_REVOKED, and_(col(_REVOKED.item_id) == col(_WAITING.item_id), col(_REVOKED.order_id) == _ORDER))
            .where(
                col(_WAITING.user_id) == _USER,
                col(_WAITING.status) == PurchaseStatus.HELD,
                _granted_or_held(_WAITING) == PurchaseStatus.GRANTED.value,
            )
            .group_by(col(_WAITING.item_id))
        ),
    )
    .values(status=PurchaseStatus.GRANTED)
    .returning(col(Purchase.order_id), col(Purchase.item_id))
)
# The cart keeps its items until they are paid, so that a user who cancels a payment still has them.
EMPTY_CART = delete(CartLine).where(
    col(CartLine.user_id) == _USER,
    col(CartLine.item_id).in_(select(col(Purchase.item_id)).where(col(Purchase.order_id) == _ORDER)),
)

# --- flags

SETTLE_FLAGS = (
    update(AttentionFlag)
    .where(
        col(AttentionFlag.order_id) == _ORDER,
        col(AttentionFlag.reason).in_(_REASONS),
        col(AttentionFlag.settled_at).is_(None),
    )
    .values(settled_at=_AT, settled_by="store", note="no longer applies")
)


@lru_cache
def raise_flag(dialect: str) -> Any:
    """Return an INSERT of a flag; one that was settled is opened again."""
    module = postgresql if dialect == "postgresql" else sqlite
    new = module.insert(AttentionFlag.metadata.tables["attention_flags"])
    return new.on_conflict_do_update(
        index_elements=["order_id", "reason"],
        set_={"settled_at": None, "settled_by": "", "note": "", "at": new.excluded.at},
        where=col(AttentionFlag.settled_at).is_not(None),
    )
