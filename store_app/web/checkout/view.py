"""View models of the cart, and the pure functions that make them."""

from dataclasses import dataclass

from store_app import money, routes
from store_app.checkout.cart import Cart
from store_app.models import ItemKind
from store_app.web.catalogue.view import ItemLink, item_link


@dataclass
class CartRow(ItemLink):
    """A line of the cart."""

    price: str = ""
    quantity: int = 1
    # Whether the quantity can be changed: only that of consumables.
    countable: bool = False
    # Why the item cannot be bought now, and the address of the open order that prevents it; each empty if none.
    problem: str = ""
    order: str = ""


def cart_rows(cart: Cart) -> list[CartRow]:
    """Return the lines of a cart."""
    return [
        CartRow(
            **item_link(line.item),
            price=money.display(line.item.price * line.quantity, line.item.currency),
            quantity=line.quantity,
            countable=line.item.kind == ItemKind.CONSUMABLE,
            problem=line.obstacle,
            order=routes.order(line.order_id) if line.order_id else "",
        )
        for line in cart.lines
    ]


def cart_total(cart: Cart) -> str:
    """Return the total of the lines that can be bought now, as users read it; empty if there are none."""
    return money.display(cart.total, cart.payable[0].item.currency) if cart.payable else ""
