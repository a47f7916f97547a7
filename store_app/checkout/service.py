"""Buying: check the items, place the order, and open a payment page at the provider."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from sqlalchemy import bindparam
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from store_app import limits, money, routes
from store_app.accounts.service import CurrentUser
from store_app.checkout import catalogue_sync
from store_app.db.threads import in_database_thread
from store_app.db.unit_of_work import UnitOfWork, unit_of_work
from store_app.errors import (
    AlreadyOwned,
    InOpenOrder,
    Invalid,
    NotFound,
    NotSignedIn,
    OrderClosed,
    OrderNotPayable,
    ProviderPriceDiffers,
    ProviderUnavailable,
    TooManyOpenOrders,
)
from store_app.failpoints import failpoint
from store_app.languages import gettext as _
from store_app.library.queries import owned_skus
from store_app.limits import Limit
from store_app.models import OPEN, IdempotencyKey, Item, ItemKind, ItemStatus, PaymentKind, User
from store_app.orders import queries
from store_app.orders.ledger import Fact
from store_app.orders.order import PRICE_DIFFERS, LockedOrder, NewLine, Orders
from store_app.payments.provider import PaymentPage, PaymentProvider, PaymentRequest
from store_app.payments.registry import default_provider
from store_app.settings import get_settings

MAX_QUANTITY, MAX_ORDER_LINES = 100, 50
_USER = select(User.closed_at).where(User.id == bindparam("user_id_")).with_for_update(key_share=True)
_ITEMS = select(Item).where(col(Item.sku).in_(bindparam("skus_", expanding=True)))


def max_quantity(item: Item) -> int:
    """Return how many of an item one line may have."""
    return MAX_QUANTITY if item.kind == ItemKind.CONSUMABLE else 1


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
    def of(cls, order: LockedOrder, payment_url: str = "") -> Self:
        """Return an order with its payment page; where it has none, with the order's own page."""
        address = payment_url or get_settings().public_url + routes.order(order.id)
        return cls(order.id, order.status, order.total, order.currency, address)


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who buys, through which provider. `address` is the network address, empty where it is not known."""

    user: CurrentUser
    provider: PaymentProvider
    address: str = ""


async def buy(
    current_user: CurrentUser,
    wanted: Mapping[str, int],
    idempotency_key: str | None = None,
    provider: PaymentProvider | None = None,
    address: str = "",
) -> Checkout:
    """Place an order for `wanted` (SKU -> quantity) and open its payment page.

    The order is committed before the provider is called: a payment can never arrive for an order that does not
    exist. An open order for exactly the same items is returned again; so is the order of a repeated
    `idempotency_key`. When the provider fails, the order stays open and the next call uses it.

    Raises:
        Invalid: an unknown item, a bad quantity, no items, or an idempotency key that was used for other items.
        TooManyTries: the user placed too many orders in the last minute.
        TooManyOpenOrders: the user has too many unpaid orders.
        AlreadyOwned, InOpenOrder: a non-consumable item is owned, or is part of another open order.
        OrderNotPayable, ProviderUnavailable, ProviderRefused: see `open_payment_page`.
    """
    await limits.count(Limit.ORDERS, current_user.user_id)
    buyer = Buyer(current_user, provider or default_provider(), address)
    try:
        prepared = await in_database_thread(_place, buyer, wanted, idempotency_key)
    except IntegrityError:
        # A race: a concurrent request with the same key placed the order.
        prepared = await in_database_thread(_place, buyer, wanted, idempotency_key)
    return await _open(buyer, prepared)


async def open_payment_page(
    current_user: CurrentUser, order_id: str, provider: PaymentProvider | None = None, address: str = ""
) -> Checkout:
    """Return the payment page of an open order of the current user; open a new page if there is none.

    Raises:
        NotFound: the current user has no such order.
        OrderClosed: the order is paid or closed.
        OrderNotPayable: it is out of date, or a payment for it is being checked.
        ProviderPriceDiffers: the provider would charge another price.
        ProviderUnavailable, ProviderRefused: see `PaymentProvider`.
    """
    buyer = Buyer(current_user, provider or default_provider(), address)
    return await _open(buyer, await in_database_thread(_find_and_prepare, buyer, order_id))


async def _open(buyer: Buyer, prepared: Checkout | PaymentRequest) -> Checkout:
    if isinstance(prepared, Checkout):
        return prepared
    failpoint("checkout: order placed")
    page = await buyer.provider.open_payment_page(prepared)
    failpoint("checkout: payment page opened")
    try:
        paying = await in_database_thread(_save_page, prepared, page)
    except IntegrityError:
        # The provider named the order of another attempt.
        raise ProviderUnavailable from None
    if paying is None:
        catalogue_sync.sync_soon(buyer.provider)
        raise ProviderPriceDiffers
    return paying


def _place(buyer: Buyer, wanted: Mapping[str, int], idempotency_key: str | None) -> Checkout | PaymentRequest:
    user_id = buyer.user.user_id
    with unit_of_work() as work:
        # Lock the user: two concurrent requests of one user must not place two orders.
        if work.connection().execute(_USER, {"user_id_": user_id}).scalar_one() is not None:
            raise NotSignedIn
        if idempotency_key and (order := _find_by_key(work, user_id, idempotency_key, wanted)):
            return _prepare(work, order, buyer)
        lines = _check_lines(work, wanted)
        _refuse_owned(work, user_id, lines)
        order = _find_open(work, user_id, lines, idempotency_key)
        is_new = order is None
        if order is None:
            expires_in = timedelta(minutes=get_settings().order_expires_minutes)
            order = Orders.of(work).place(user_id, lines, expires_in)
        if idempotency_key:
            work.add(IdempotencyKey(user_id=user_id, key=idempotency_key, order_id=order.id))
        if order.total == 0:
            order.record(Fact(PaymentKind.PAYMENT, f"free:{order.id}", amount=0))
        return _prepare(work, order, buyer, is_new=is_new)


def _check_lines(session: Session, wanted: Mapping[str, int]) -> list[NewLine]:
    if not wanted:
        raise Invalid("items", _("There is nothing to buy."))
    if len(wanted) > MAX_ORDER_LINES:
        raise Invalid("items", _("One order takes {number} different items at most.", number=MAX_ORDER_LINES))
    found = {item.sku: item for item in session.execute(_ITEMS, {"skus_": list(wanted)}).scalars()}
    lines = [_check_line(found.get(sku), sku, quantity) for sku, quantity in wanted.items()]
    if len({line.item.currency for line in lines}) > 1:
        raise Invalid("items", _("These items are sold in different currencies. Order them separately."))
    return lines


def _check_line(item: Item | None, sku: str, quantity: int) -> NewLine:
    if item is None or item.status != ItemStatus.ACTIVE:
        raise Invalid("sku", _("There is no item {sku} on sale.", sku=repr(sku[:64])))
    most = max_quantity(item)
    if not 1 <= quantity <= most:
        if most == 1:
            raise Invalid("quantity", _("The quantity of {name} must be 1.", name=item.name))
        raise Invalid("quantity", _("The quantity of {name} must be 1 to {most}.", name=item.name, most=most))
    return NewLine(item, quantity)


def _find_by_key(work: UnitOfWork, user_id: str, key: str, wanted: Mapping[str, int]) -> LockedOrder | None:
    found = work.get(IdempotencyKey, (user_id, key))
    if found is None:
        return None
    # Checked whatever the order's status is: an order for other items must not be returned.
    if queries.find_order(work, user_id, found.order_id).wanted != wanted:
        raise Invalid("Idempotency-Key", _("This Idempotency-Key was used for other items. Use a new one."))
    return Orders.of(work).lock(found.order_id)


def _refuse_owned(session: Session, user_id: str, lines: Sequence[NewLine]) -> None:
    once = {line.item.sku: line.item for line in lines if line.item.kind == ItemKind.NON_CONSUMABLE}
    if once and (owned := owned_skus(session, user_id, list(once))):
        raise AlreadyOwned(once[min(owned)].name)


def _find_open(
    work: UnitOfWork, user_id: str, lines: Sequence[NewLine], idempotency_key: str | None
) -> LockedOrder | None:
    """Return the open order for exactly these lines at these prices, if any.

    Raises:
        InOpenOrder: a non-consumable item is part of another open order.
        TooManyOpenOrders: there is none, and the user may place no other.
    """
    most = get_settings().max_open_orders
    same = {line.item.id: (line.quantity, line.item.price, line.item.currency) for line in lines}
    once = {line.item.id: line.item.name for line in lines if line.item.kind == ItemKind.NON_CONSUMABLE}
    placed = queries.list_open_orders(work, user_id)
    for order_id, of_order in placed.items():
        if of_order == same and (once or not idempotency_key):
            return Orders.of(work).lock(order_id)
        if waiting := once.keys() & of_order.keys():
            raise InOpenOrder(once[min(waiting)], order_id)
    if len(placed) >= most:
        raise TooManyOpenOrders(most)
    return None


def _find_and_prepare(buyer: Buyer, order_id: str) -> Checkout | PaymentRequest:
    with unit_of_work() as work:
        order = Orders.of(work).lock(order_id)
        if order.user_id != buyer.user.user_id:
            raise NotFound(_("There is no such order."))
        if order.status not in OPEN:
            raise OrderClosed
        return _prepare(work, order, buyer)


def _prepare(
    work: UnitOfWork, order: LockedOrder, buyer: Buyer, *, is_new: bool = False
) -> Checkout | PaymentRequest:
    """Return the order with its payment page or, after writing a new attempt, what the provider is asked for."""
    if order.status not in OPEN:
        return Checkout.of(order)
    # The lines of a new order have just been checked.
    if not is_new and (obstacle := queries.find_payability(work, order.id).obstacle):
        raise OrderNotPayable(obstacle)
    if attempt := order.payable_attempt:
        return Checkout.of(order, attempt.payment_url)
    attempt = order.start_attempt(buyer.provider.name, buyer.provider.attempt_kind)
    return PaymentRequest(
        order_id=order.id,
        number=order.number,
        total=order.total,
        attempt=attempt.number,
        user_id=buyer.user.user_id,
        username=buyer.user.username,
        # What is free is granted with the order: providers refuse free items.
        lines=tuple((line.sku, line.quantity) for line in order.pending if line.unit_price),
        currency=order.currency,
        address=buyer.address,
    )


def _save_page(request: PaymentRequest, page: PaymentPage) -> Checkout | None:
    """Record the payment page of an attempt; None when the provider would charge another price."""
    with unit_of_work() as work:
        # Read again under the lock: the order may have changed while the provider was called.
        order = Orders.of(work).lock(request.order_id)
        if order.status not in OPEN:
            return Checkout.of(order)
        if page.price and not _charges(page, order):
            order.flag(PRICE_DIFFERS, announce=False)
            return None
        if obstacle := queries.find_payability(work, order.id).obstacle:
            raise OrderNotPayable(obstacle)
        if attempt := order.payable_attempt:
            return Checkout.of(order, attempt.payment_url)
        order.open_attempt(request.attempt, page.provider_order_id, page.url)
        return Checkout.of(order, page.url)


def _charges(page: PaymentPage, order: LockedOrder) -> bool:
    """Whether a payment page charges an order's total."""
    try:
        return page.currency == order.currency and money.to_minor(page.price, order.currency) == order.total
    except ValueError:
        return False
