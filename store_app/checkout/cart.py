"""The cart: the items that a user intends to buy.

A user's cart is in the database. A visitor has a guest cart, SKU -> quantity, which the browser keeps in a cookie:
the functions that change it return the new one.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import bindparam, delete, update
from sqlmodel import Session, col, func, select

from store_app.checkout.service import MAX_ORDER_LINES, max_quantity
from store_app.db.engine import insert_or_ignore
from store_app.db.unit_of_work import UnitOfWork, read_session, unit_of_work
from store_app.errors import AlreadyOwned, Invalid
from store_app.languages import gettext as _
from store_app.library.queries import owned_skus
from store_app.models import CartLine, Item, ItemKind, ItemStatus, User, utc_now
from store_app.orders.queries import OrderedItems, list_open_orders

# Built once: each page and each refresh counts, and building a statement costs more than running it.
_COUNT = select(func.count()).select_from(CartLine).where(CartLine.user_id == bindparam("user_id"))


@dataclass(frozen=True, slots=True)
class Line:
    """An item in a cart, with its quantity.

    `obstacle` says why it cannot be bought now, and is empty if it can. `order_id` is the open order that prevents
    it, empty if none does.
    """

    item: Item
    quantity: int
    obstacle: str = ""
    order_id: str = ""

    @property
    def is_owned_once(self) -> bool:
        """Whether a user can own the item only once."""
        return self.item.kind == ItemKind.NON_CONSUMABLE


@dataclass(frozen=True, slots=True)
class Cart:
    """The lines of a cart, oldest first."""

    lines: list[Line]

    @property
    def payable(self) -> list[Line]:
        """The lines that can be bought now."""
        return [line for line in self.lines if not line.obstacle]

    @property
    def total(self) -> int:
        """The total price of the payable lines, in minor units of the items' currency."""
        return sum(line.item.price * line.quantity for line in self.payable)

    @property
    def wanted(self) -> dict[str, int]:
        """The payable lines: SKU -> quantity."""
        return {line.item.sku: line.quantity for line in self.payable}


def with_obstacles(
    lines: Sequence[Line], owned: Collection[str], open_orders: Mapping[str, OrderedItems]
) -> list[Line]:
    """Return the lines of a user's cart, each with the reason why `service.buy` would refuse it now.

    Args:
        lines: the lines of the cart.
        owned: the SKUs in the cart that the user owns and cannot buy again.
        open_orders: the items of the user's open orders, by order id.
    """
    lines = [replace(line, obstacle=_obstacle(line, owned)) for line in lines]
    # `service.buy` returns an open order for exactly these lines. The items of every other one it refuses.
    same = _same_order([line for line in lines if not line.obstacle], open_orders)
    order_of = {
        item_id: order_id for order_id, ordered in open_orders.items() for item_id in ordered if order_id != same
    }
    return [_with_open_order(line, order_of) for line in lines]


def _obstacle(line: Line, owned: Collection[str]) -> str:
    if line.item.sku in owned:
        return _("In your library already.")
    if line.item.status != ItemStatus.ACTIVE:
        return _("No longer sold.")
    # It was a consumable when it was put into the cart.
    if line.quantity > max_quantity(line.item):
        return _("Can be bought only once now. Remove it and add it again.")
    return ""


def _same_order(lines: Sequence[Line], open_orders: Mapping[str, OrderedItems]) -> str:
    """Return the id of the open order that has exactly those lines that are in no other one; empty if none has."""
    orders_with = Counter(item_id for ordered in open_orders.values() for item_id in ordered)
    for order_id, ordered in open_orders.items():
        in_others = {item_id for item_id in orders_with if orders_with[item_id] > (item_id in ordered)}
        rest = [line for line in lines if not (line.is_owned_once and line.item.id in in_others)]
        if ordered == {line.item.id: (line.quantity, line.item.price, line.item.currency) for line in rest}:
            return order_id
    return ""


def _with_open_order(line: Line, order_of: Mapping[int, str]) -> Line:
    """Return a line, with the open order of its item as the obstacle if a user can own the item only once."""
    if line.obstacle or not line.is_owned_once or line.item.id not in order_of:
        return line
    return replace(line, obstacle=_("Part of an order you have not paid yet."), order_id=order_of[line.item.id])


def read_cart(session: Session, user_id: str) -> Cart:
    """Return a user's cart."""
    lines = _read_lines(session, user_id)
    owned = owned_skus(session, user_id, [line.item.sku for line in lines])
    return Cart(with_obstacles(lines, owned, list_open_orders(session, user_id)))


def _read_lines(session: Session, user_id: str) -> list[Line]:
    query = (
        select(Item, CartLine.quantity)
        .join(CartLine, col(Item.id) == CartLine.item_id)
        .where(CartLine.user_id == user_id)
        .order_by(col(CartLine.id))
    )
    return [Line(item, quantity) for item, quantity in session.exec(query)]


def read_guest_cart(session: Session, guest_cart: Mapping[str, int]) -> Cart:
    """Return a guest cart without the lines that cannot be ordered: any client can send anything."""
    if not guest_cart:
        return Cart([])
    query = select(Item).where(col(Item.sku).in_(list(guest_cart)), Item.status == ItemStatus.ACTIVE)
    on_sale = {item.sku: item for item in session.exec(query)}
    lines = [Line(on_sale[sku], quantity) for sku, quantity in guest_cart.items() if sku in on_sale]
    return Cart([line for line in lines if 1 <= line.quantity <= max_quantity(line.item)][:MAX_ORDER_LINES])


def quantity_of(session: Session, user_id: str, sku: str) -> int:
    """Return how many of an item are in a user's cart."""
    query = select(CartLine.quantity).join(Item, col(Item.id) == CartLine.item_id)
    return session.exec(query.where(CartLine.user_id == user_id, Item.sku == sku)).first() or 0


def count(session: Session, user_id: str) -> int:
    """Return how many different items are in a user's cart."""
    counted: int = session.connection().execute(_COUNT, {"user_id": user_id}).scalar_one()
    return counted


def add(user_id: str, sku: str, quantity: int = 1) -> int:
    """Put an item into the cart, if it is not there yet, and return how many different items it holds.

    Raises:
        Invalid: no such item on sale, the quantity is out of range, or the cart is full.
        AlreadyOwned: the item can be owned only once, and the user owns it.
    """
    with unit_of_work() as session:
        _lock(session, user_id)
        item = _on_sale(session, sku)
        if item.kind == ItemKind.NON_CONSUMABLE and owned_skus(session, user_id, [sku]):
            raise AlreadyOwned(item.name)
        _check_quantity(item, quantity)
        _refuse_full(count(session, user_id))
        _insert(session, user_id, Line(item, quantity))
        return count(session, user_id)


def add_to_guest_cart(guest_cart: Mapping[str, int], sku: str) -> dict[str, int]:
    """Return a guest cart with an item, if it is not there yet.

    Raises:
        Invalid: no such item on sale, or the cart is full.
    """
    with read_session() as session:
        _on_sale(session, sku)
        # An item that is no longer on sale must not count towards the limit.
        lines = read_guest_cart(session, guest_cart).wanted
    if sku not in lines:
        _refuse_full(len(lines))
    return lines | {sku: lines.get(sku, 1)}


def merge_guest_cart(user_id: str, guest_cart: Mapping[str, int]) -> None:
    """Put the lines of a guest cart into a user's cart. An item that is in both keeps the larger quantity.

    Items that the user owns, that are not on sale, or that exceed the limit of the cart are left out.
    """
    with unit_of_work() as session:
        _lock(session, user_id)
        owned = owned_skus(session, user_id, list(guest_cart))
        present = {line.item.sku for line in _read_lines(session, user_id)}
        for line in read_guest_cart(session, guest_cart).lines:
            sku = line.item.sku
            if sku in owned or (sku not in present and len(present) >= MAX_ORDER_LINES):
                continue
            present.add(sku)
            _insert(session, user_id, line)
            _raise_quantity(session, user_id, line)


def _lock(session: Session, user_id: str) -> None:
    """Lock the user, so that requests at the same time cannot exceed the limit together."""
    session.exec(select(User.id).where(User.id == user_id).with_for_update(key_share=True)).one()


def _refuse_full(number: int) -> None:
    if number >= MAX_ORDER_LINES:
        raise Invalid("cart", _("The cart takes {number} different items at most.", number=MAX_ORDER_LINES))


def _insert(session: UnitOfWork, user_id: str, line: Line) -> None:
    insert = insert_or_ignore(session.dialect, CartLine)
    values = {"item_id": line.item.id, "quantity": line.quantity}
    session.execute(insert.values(user_id=user_id, added_at=utc_now(), **values))


def _raise_quantity(session: Session, user_id: str, line: Line) -> None:
    of_line = (col(CartLine.user_id) == user_id, col(CartLine.item_id) == line.item.id)
    fewer = col(CartLine.quantity) < line.quantity
    session.execute(update(CartLine).where(*of_line, fewer).values(quantity=line.quantity))


def _on_sale(session: Session, sku: str) -> Item:
    item = session.exec(select(Item).where(Item.sku == sku, Item.status == ItemStatus.ACTIVE)).first()
    if item is None:
        raise Invalid("sku", _("There is no such item on sale."))
    return item


def set_quantity(user_id: str, sku: str, quantity: int) -> None:
    """Change how many of a consumable are in the cart.

    Raises:
        Invalid: the item is not in the cart, or the quantity is out of range.
    """
    with unit_of_work() as session:
        query = select(CartLine, Item).join(Item, col(Item.id) == CartLine.item_id)
        found = session.exec(query.where(CartLine.user_id == user_id, Item.sku == sku)).first()
        if found is None:
            raise Invalid("sku", _("That item is not in the cart."))
        line, item = found
        _check_quantity(item, quantity)
        line.quantity = quantity


def set_guest_quantity(guest_cart: Mapping[str, int], sku: str, quantity: int) -> dict[str, int]:
    """Return a guest cart with another quantity of a consumable.

    Raises:
        Invalid: the item is not in the cart, or the quantity is out of range.
    """
    with read_session() as session:
        lines = {line.item.sku: line for line in read_guest_cart(session, guest_cart).lines}
    if sku not in lines:
        raise Invalid("sku", _("That item is not in the cart."))
    _check_quantity(lines[sku].item, quantity)
    return {name: line.quantity for name, line in lines.items()} | {sku: quantity}


def _check_quantity(item: Item, quantity: int) -> None:
    most = max_quantity(item)
    # Any client can send any value as an argument of an event.
    if type(quantity) is not int or not 1 <= quantity <= most:
        raise Invalid("quantity", _("The quantity must be 1 to {most}.", most=most))


def remove(user_id: str, sku: str) -> None:
    """Remove an item from the cart, if it is there."""
    with unit_of_work() as session:
        item_id = select(Item.id).where(Item.sku == sku).scalar_subquery()
        session.execute(delete(CartLine).where(col(CartLine.user_id) == user_id, col(CartLine.item_id) == item_id))


def remove_from_guest_cart(guest_cart: Mapping[str, int], sku: str) -> dict[str, int]:
    """Return a guest cart without an item."""
    return {name: quantity for name, quantity in guest_cart.items() if name != sku}
