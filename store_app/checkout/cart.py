"""The cart: the items that a user intends to buy."""

from dataclasses import dataclass

from sqlalchemy import bindparam, delete
from sqlmodel import Session, col, func, select

from store_app.checkout.service import MAX_ORDER_LINES, MAX_QUANTITY
from store_app.db.engine import insert_or_ignore
from store_app.db.unit_of_work import unit_of_work
from store_app.errors import AlreadyOwned, Invalid
from store_app.library.queries import owned_skus
from store_app.models import CartLine, Item, ItemKind, ItemStatus, User, utc_now

# Built once: each page and each refresh counts, and building a statement costs more than running it.
_COUNT = select(func.count()).select_from(CartLine).where(CartLine.user_id == bindparam("user_id"))


@dataclass(frozen=True, slots=True)
class Cart:
    """The lines of a cart with their items, oldest first."""

    lines: list[tuple[CartLine, Item]]

    @property
    def total(self) -> int:
        """The total price, in minor units of the items' currency."""
        return sum(item.price * line.quantity for line, item in self.lines)

    @property
    def wanted(self) -> dict[str, int]:
        """What to buy: SKU -> quantity."""
        return {item.sku: line.quantity for line, item in self.lines}


def read_cart(session: Session, user_id: str) -> Cart:
    """Return a user's cart."""
    query = (
        select(CartLine, Item)
        .join(Item, col(Item.id) == CartLine.item_id)
        .where(CartLine.user_id == user_id)
        .order_by(col(CartLine.id))
    )
    return Cart([(line, item) for line, item in session.exec(query)])


def count(session: Session, user_id: str) -> int:
    """Return how many different items are in a user's cart."""
    counted: int = session.connection().execute(_COUNT, {"user_id": user_id}).scalar_one()
    return counted


def add(user_id: str, sku: str) -> int:
    """Put an item into the cart, if it is not there yet, and return how many different items it holds.

    Raises:
        Invalid: no such item on sale, or the cart is full.
        AlreadyOwned: the item can be owned only once, and the user owns it.
    """
    with unit_of_work() as session:
        # Lock the user, so that requests at the same time cannot exceed the limit together.
        session.exec(select(User.id).where(User.id == user_id).with_for_update(key_share=True)).one()
        item = _on_sale(session, sku)
        if item.kind == ItemKind.NON_CONSUMABLE and owned_skus(session, user_id, [sku]):
            raise AlreadyOwned(item.name)
        if count(session, user_id) >= MAX_ORDER_LINES:
            raise Invalid("cart", f"The cart takes {MAX_ORDER_LINES} different items at most.")
        line = insert_or_ignore(session.dialect, CartLine)
        session.execute(line.values(user_id=user_id, item_id=item.id, quantity=1, added_at=utc_now()))
        return count(session, user_id)


def _on_sale(session: Session, sku: str) -> Item:
    item = session.exec(select(Item).where(Item.sku == sku, Item.status == ItemStatus.ACTIVE)).first()
    if item is None:
        raise Invalid("sku", "There is no such item on sale.")
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
            raise Invalid("sku", "That item is not in the cart.")
        line, item = found
        most = MAX_QUANTITY if item.kind == ItemKind.CONSUMABLE else 1
        # Any client can send any value as an argument of an event.
        if type(quantity) is not int or not 1 <= quantity <= most:
            raise Invalid("quantity", f"The quantity must be 1 to {most}.")
        line.quantity = quantity


def remove(user_id: str, sku: str) -> None:
    """Remove an item from the cart, if it is there."""
    with unit_of_work() as session:
        item_id = select(Item.id).where(Item.sku == sku).scalar_subquery()
        session.execute(delete(CartLine).where(col(CartLine.user_id) == user_id, col(CartLine.item_id) == item_id))
