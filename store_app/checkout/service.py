"""Buying: check the items, place the order, and open a payment page at the provider."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from store_app import routes
from store_app.accounts.service import CurrentUser
from store_app.db.threads import in_database_thread
from store_app.db.unit_of_work import unit_of_work
from store_app.errors import AlreadyOwned, InOpenOrder, Invalid, OrderClosed
from store_app.failpoints import failpoint
from store_app.library.queries import owned_skus
from store_app.models import OPEN, Item, ItemKind, ItemStatus, Order, PaymentKind, PendingPurchase, User
from store_app.orders import lifecycle
from store_app.orders.ledger import Movement
from store_app.orders.locked_order import LockedOrder, lock
from store_app.orders.queries import find_order, open_orders_with, payable_attempt
from store_app.payments.provider import PaymentPage, PaymentProvider, PaymentRequest
from store_app.payments.registry import default_provider
from store_app.settings import get_settings

MAX_QUANTITY, MAX_ORDER_LINES = 100, 50


@dataclass(frozen=True, slots=True)
class Checkout:
    """An order and the address of its payment page.

    For a free order, which is paid at once, `payment_url` is the order's own page.
    """

    order_id: str
    status: str
    # Minor units of `currency`.
    total: int
    currency: str
    payment_url: str

    @classmethod
    def of(cls, order: Order | LockedOrder, payment_url: str = "") -> Self:
        """Return an order with its payment page; where it has none, with the order's own page."""
        address = payment_url or get_settings().public_url + routes.order(order.id)
        return cls(order.id, order.status, order.total, order.currency, address)


async def buy(
    current_user: CurrentUser,
    wanted: Mapping[str, int],
    idempotency_key: str | None = None,
    provider: PaymentProvider | None = None,
) -> Checkout:
    """Place an order for `wanted` (SKU -> quantity) and open its payment page.

    The order is committed before the provider is called: a payment can never arrive for an order that does not
    exist. An open order for exactly the same items is returned again; so is the order of a repeated
    `idempotency_key`. When the provider fails, the order stays open and the next call uses it.

    Raises:
        Invalid: an unknown item, a bad quantity, no items, or an idempotency key that was used for other items.
        AlreadyOwned, InOpenOrder: a non-consumable item is owned, or is part of another open order.
        ProviderUnavailable, ProviderRefused: see `PaymentProvider`.
    """
    try:
        order = await in_database_thread(_place, current_user.user_id, wanted, idempotency_key)
    except IntegrityError:
        # A race: a concurrent request with the same key placed the order.
        order = await in_database_thread(_place, current_user.user_id, wanted, idempotency_key)
    if order.status not in OPEN:
        return Checkout.of(order)
    return await open_payment_page(current_user, order.id, provider)


def _place(user_id: str, wanted: Mapping[str, int], idempotency_key: str | None) -> Order:
    with unit_of_work() as session:
        # Lock the user: two concurrent requests of one user must not place two orders.
        session.exec(select(User.id).where(User.id == user_id).with_for_update(key_share=True)).one()
        lines = _check_lines(session, wanted)
        if idempotency_key and (order := _find_by_key(session, user_id, idempotency_key, wanted)):
            return order
        _refuse_owned(session, user_id, lines)
        if order := _find_open(session, user_id, lines, idempotency_key):
            return order
        expires_in = timedelta(minutes=get_settings().order_expires_minutes)
        order = lifecycle.place(session, user_id, lines, expires_in, idempotency_key)
        if order.total == 0:
            free = Movement(PaymentKind.PAYMENT, 0, f"free:{order.id}")
            lifecycle.receive_payment(session, lock(session, order.id), free)
            session.refresh(order)
        return order


def _check_lines(session: Session, wanted: Mapping[str, int]) -> list[lifecycle.NewLine]:
    if not wanted:
        raise Invalid("items", "There is nothing to buy.")
    if len(wanted) > MAX_ORDER_LINES:
        raise Invalid("items", f"One order takes {MAX_ORDER_LINES} different items at most.")
    found = {item.sku: item for item in session.exec(select(Item).where(col(Item.sku).in_(wanted)))}
    lines = [_check_line(found.get(sku), sku, quantity) for sku, quantity in wanted.items()]
    if len({line.item.currency for line in lines}) > 1:
        raise Invalid("items", "These items are sold in different currencies. Order them separately.")
    return lines


def _check_line(item: Item | None, sku: str, quantity: int) -> lifecycle.NewLine:
    if item is None or item.status != ItemStatus.ACTIVE:
        raise Invalid("sku", f"There is no item {sku[:64]!r} on sale.")
    most = MAX_QUANTITY if item.kind == ItemKind.CONSUMABLE else 1
    if not 1 <= quantity <= most:
        raise Invalid(
            "quantity", f"The quantity of {item.name} must be " + (f"1 to {most}." if most > 1 else "1.")
        )
    return lifecycle.NewLine(item, quantity)


def _lines_of(session: Session, order: Order) -> dict[int, tuple[int, int]]:
    rows = session.exec(select(PendingPurchase).where(PendingPurchase.order_id == order.id))
    return {row.item_id: (row.quantity, row.unit_price) for row in rows}


def _find_by_key(session: Session, user_id: str, key: str, wanted: Mapping[str, int]) -> Order | None:
    order = session.exec(select(Order).where(Order.user_id == user_id, Order.idempotency_key == key)).first()
    # Checked whatever the order's status is: an order for other items must not be returned.
    if order and find_order(session, user_id, order.id).wanted != wanted:
        raise Invalid("Idempotency-Key", "This Idempotency-Key was used for other items. Use a new one.")
    return order


def _refuse_owned(session: Session, user_id: str, lines: Sequence[lifecycle.NewLine]) -> None:
    once = {line.item.sku: line.item for line in lines if line.item.kind == ItemKind.NON_CONSUMABLE}
    if owned := owned_skus(session, user_id, list(once)):
        raise AlreadyOwned(once[min(owned)].name)


def _find_open(
    session: Session, user_id: str, lines: Sequence[lifecycle.NewLine], idempotency_key: str | None
) -> Order | None:
    """Return the open order for exactly these lines at these prices, if any.

    Raises:
        InOpenOrder: a non-consumable item is part of another open order.
    """
    same = {line.item.id: (line.quantity, line.item.price) for line in lines}
    once = {line.item.id: line.item.name for line in lines if line.item.kind == ItemKind.NON_CONSUMABLE}
    for order in open_orders_with(session, user_id, list(same)):
        placed = _lines_of(session, order)
        if placed == same and (once or not idempotency_key):
            return order
        if waiting := once.keys() & placed.keys():
            raise InOpenOrder(once[min(waiting)], order.id)
    return None


async def open_payment_page(
    current_user: CurrentUser, order_id: str, provider: PaymentProvider | None = None
) -> Checkout:
    """Return the payment page of an open order of the current user; open a new page if there is none.

    Raises:
        NotFound: the current user has no such order.
        OrderClosed: the order is paid or closed.
        ProviderUnavailable, ProviderRefused: see `PaymentProvider`.
    """
    failpoint("checkout: order placed")
    prepared = await in_database_thread(_prepare_attempt, current_user, order_id)
    if isinstance(prepared, Checkout):
        return prepared
    provider = provider or default_provider()
    page = await provider.open_payment_page(prepared)
    failpoint("checkout: payment page opened")
    return await in_database_thread(_save_attempt, order_id, provider.name, page)


def _prepare_attempt(current_user: CurrentUser, order_id: str) -> Checkout | PaymentRequest:
    with unit_of_work() as session:
        details = find_order(session, current_user.user_id, order_id)
        order = details.order
        if order.status not in OPEN:
            raise OrderClosed(order.status)
        if details.payment_url:
            return Checkout.of(order, details.payment_url)
        return PaymentRequest(
            order_id=order.id,
            number=order.number,
            total=order.total,
            attempt=lifecycle.next_attempt(session, order.id),
            user_id=current_user.user_id,
            username=current_user.username,
            lines=tuple((line.sku, line.quantity) for line in details.lines),
            currency=order.currency,
        )


def _save_attempt(order_id: str, provider: str, page: PaymentPage) -> Checkout:
    with unit_of_work() as session:
        # Read again under the lock: the order may have changed while the provider was called.
        order = lock(session, order_id)
        if order.status not in OPEN:
            return Checkout.of(order)
        attempt = payable_attempt(session, order_id)
        if attempt is not None:
            return Checkout.of(order, attempt.payment_url)
        lifecycle.start_attempt(session, order, provider, page.provider_order_id, page.url)
        return Checkout.of(order, page.url)
