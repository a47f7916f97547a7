"""Reading orders."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Integer, bindparam, exists, text
from sqlalchemy import select as select_columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from store_app.errors import NotFound
from store_app.languages import gettext as _
from store_app.languages import marked
from store_app.models import (
    OPEN,
    AttemptState,
    AttentionFlag,
    Item,
    ItemStatus,
    Order,
    OrderEvent,
    Payment,
    PaymentAttempt,
    PaymentKind,
    PendingPurchase,
    Purchase,
    PurchaseStatus,
    utc_now,
)
from store_app.orders.ledger import Fact, Standing, standing
from store_app.orders.order import PRICE_DIFFERS
from store_app.settings import get_settings

UNDER_REVIEW = marked("A payment for this order is being checked. You do not need to pay again.")
# Whether an open order has a payment that does not match it: its user must not pay again.
_UNDER_REVIEW = (
    exists()
    .where(
        col(AttentionFlag.order_id) == col(Order.id),
        col(AttentionFlag.settled_at).is_(None),
        col(AttentionFlag.reason) != PRICE_DIFFERS,
        col(Order.status).in_(OPEN),
    )
    .correlate(Order)
)
_GONE = aliased(Payment)
# Whether money was taken for an order, and did not go back: the notification that it is paid has yet to come.
_MONEY_TAKEN = (
    exists()
    .where(
        col(Payment.order_id) == col(Order.id),
        col(Payment.kind) == PaymentKind.CHARGE,
        col(Payment.amount).is_not(None),
        ~exists().where(
            col(_GONE.order_id) == col(Payment.order_id),
            col(_GONE.provider) == col(Payment.provider),
            col(_GONE.transaction_id) == col(Payment.transaction_id),
            col(_GONE.kind).in_([PaymentKind.REFUND, PaymentKind.CHARGEBACK]),
        ),
    )
    .correlate(Order)
)
_OWNED = exists().where(
    col(Purchase.user_id) == col(PendingPurchase.user_id),
    col(Purchase.item_id) == col(PendingPurchase.item_id),
    col(Purchase.owned_once),
    col(Purchase.status) == PurchaseStatus.GRANTED,
    col(PendingPurchase.owned_once),
)
# The lines of an unpaid order beside their items, as they are now, and what is known of its payment.
_PAYABILITY = (
    select_columns(
        col(PendingPurchase.order_id),
        col(Item.name),
        col(Item.status),
        ((col(Item.price) == PendingPurchase.unit_price) & (col(Item.currency) == PendingPurchase.currency)).label(
            "same_price"
        ),
        _OWNED.label("owned"),
        _UNDER_REVIEW.label("under_review"),
        _MONEY_TAKEN.label("money_taken"),
    )
    .select_from(PendingPurchase)
    .join(Item, col(Item.id) == PendingPurchase.item_id)
    .join(Order, col(Order.id) == PendingPurchase.order_id)
    .where(col(PendingPurchase.order_id).in_(bindparam("order_ids_", expanding=True)))
    .order_by(col(PendingPurchase.id))
)
_FACTS = ("kind", "key", "provider", "transaction_id", "provider_order_id", "amount", "charged")
_LEDGER = select_columns(*(col(getattr(Payment, name)) for name in _FACTS)).where(
    col(Payment.order_id) == bindparam("order_id_")
)
# A user's newest open orders. The statuses are written out, so that the index of the few open orders is used.
_OPEN_ORDERS = (
    select_columns(col(Order.id))
    .where(col(Order.user_id) == bindparam("user_id_"), text("orders.status IN ('pending', 'failed')"))
    .order_by(col(Order.created_at).desc())
    .limit(bindparam("most_", type_=Integer()))
)
# Their lines, newest order first.
_LINES_OF_OPEN_ORDERS = (
    select_columns(
        *(
            col(getattr(PendingPurchase, name))
            for name in ("order_id", "item_id", "quantity", "unit_price", "currency")
        )
    )
    .join(Order, col(Order.id) == col(PendingPurchase.order_id))
    .where(col(PendingPurchase.order_id).in_(_OPEN_ORDERS))
    .order_by(col(Order.created_at).desc())
)
# The items of an order: item id -> quantity, unit price and currency.
OrderedItems = dict[int, tuple[int, int, str]]


@dataclass(frozen=True, slots=True)
class OrderLine:
    """An item of an order, at the price of the moment when the order was placed.

    `status` is that of the purchase, or the order's own while it is not paid.
    """

    sku: str
    name: str
    image: str
    quantity: int
    unit_price: int
    status: str


@dataclass(frozen=True, slots=True)
class Payability:
    """Whether an open order can be paid. `outdated` says how its items have changed; empty if they have not."""

    under_review: bool = False
    money_taken: bool = False
    outdated: str = ""

    @property
    def obstacle(self) -> str:
        """Why it cannot be paid; empty if it can."""
        return _(UNDER_REVIEW) if self.under_review or self.money_taken else self.outdated


@dataclass(frozen=True, slots=True)
class OrderDetails:
    """An order with its lines, its timeline, its payments, and where it can be paid (empty when it cannot)."""

    order: Order
    lines: list[OrderLine]
    events: list[OrderEvent]
    payment_url: str
    payability: Payability = Payability()
    standing: Standing = field(default_factory=Standing)

    @property
    def wanted(self) -> dict[str, int]:
        """What was ordered: SKU -> quantity."""
        return {line.sku: line.quantity for line in self.lines}


def _lines(session: Session, order_id: str) -> list[OrderLine]:
    paid = session.execute(_lines_in(Purchase, col(Purchase.status), order_id)).all()
    rows = paid or session.execute(_lines_in(PendingPurchase, col(Order.status), order_id)).all()
    return [OrderLine(*row) for row in rows]


def _lines_in(table: type[Purchase] | type[PendingPurchase], status: Any, order_id: str) -> Any:
    item: Any = (col(Item.sku), col(Item.name), col(Item.image))
    return (
        select_columns(*item, col(table.quantity), col(table.unit_price), status)
        .select_from(table)
        .join(Item, col(Item.id) == table.item_id)
        .join(Order, col(Order.id) == table.order_id)
        .where(col(table.order_id) == order_id)
        .order_by(col(table.id))
    )


def find_order(session: Session, user_id: str, order_id: str) -> OrderDetails:
    """Return a user's own order.

    Raises:
        NotFound: there is none, or it is another user's: the caller is not told which.
    """
    order = session.get(Order, order_id)
    if order is None or order.user_id != user_id:
        raise NotFound(_("There is no such order."))
    events = select(OrderEvent).where(OrderEvent.order_id == order_id).order_by(col(OrderEvent.id))
    payability = find_payability(session, order_id) if order.status in OPEN else Payability()
    payable = order.status in OPEN and not payability.obstacle
    return OrderDetails(
        order,
        _lines(session, order_id),
        list(session.exec(events)),
        _payment_url(session, order_id) if payable else "",
        payability,
        find_standing(session, order_id),
    )


def find_standing(session: Session, order_id: str) -> Standing:
    """Return what the ledger of an order means."""
    rows = session.connection().execute(_LEDGER, {"order_id_": order_id})
    return standing([Fact(*row) for row in rows])


def find_payability(session: Session, order_id: str) -> Payability:
    """Compare the lines of an open order with their items, as they are now, and look at its payments."""
    return _find_payabilities(session, [order_id])[order_id]


def _find_payabilities(session: Session, order_ids: Sequence[str]) -> dict[str, Payability]:
    found: dict[str, list[Any]] = {order_id: [] for order_id in order_ids}
    for line in session.connection().execute(_PAYABILITY, {"order_ids_": list(order_ids)}) if order_ids else ():
        found[line.order_id].append(line)
    return {order_id: _payability(lines) for order_id, lines in found.items()}


def _payability(lines: Sequence[Any]) -> Payability:
    changes = (change for line in lines if (change := _change_of(line)))
    return Payability(
        under_review=any(line.under_review for line in lines),
        money_taken=any(line.money_taken for line in lines),
        outdated=next(changes, ""),
    )


def _change_of(line: Any) -> str:
    if line.owned:
        return _("{name} is in your library already.", name=line.name)
    if line.status != ItemStatus.ACTIVE:
        return _("{name} is no longer sold.", name=line.name)
    return "" if line.same_price else _("The price of {name} has changed.", name=line.name)


def _payment_url(session: Session, order_id: str) -> str:
    """Return the newest payment page on which a user can still pay; empty if there is none."""
    opened = select(PaymentAttempt).where(
        PaymentAttempt.order_id == order_id, PaymentAttempt.state == AttemptState.OPEN
    )
    attempt = session.exec(opened.order_by(col(PaymentAttempt.number).desc())).first()
    return attempt.payment_url if attempt and attempt.is_open(utc_now()) else ""


def list_orders(session: Session, user_id: str, limit: int = 50) -> list[tuple[Order, Payability]]:
    """Return a user's orders, newest first, each with whether it can be paid."""
    newest = select(Order).where(Order.user_id == user_id).order_by(col(Order.created_at).desc()).limit(limit)
    orders = list(session.exec(newest))
    payabilities = _find_payabilities(session, [order.id for order in orders if order.status in OPEN])
    return [(order, payabilities.get(order.id, Payability())) for order in orders]


def list_open_orders(session: Session, user_id: str) -> dict[str, OrderedItems]:
    """Return the items of a user's open orders, by order id, newest order first."""
    # Only the newest orders: a user with more of them can place none, and reading all would take long.
    wanted = {"user_id_": user_id, "most_": get_settings().max_open_orders}
    found: dict[str, OrderedItems] = defaultdict(dict)
    for line in session.connection().execute(_LINES_OF_OPEN_ORDERS, wanted):
        found[line.order_id][line.item_id] = line.quantity, line.unit_price, line.currency
    return found


def find_open_order_with(session: Session, user_id: str, item_id: int) -> str:
    """Return the id of a user's newest open order with an item; empty if there is none."""
    open_orders = list_open_orders(session, user_id)
    return next((order_id for order_id, ordered in open_orders.items() if item_id in ordered), "")
