"""View models of the cart, and the pure functions that make them."""

from dataclasses import dataclass

from store_app import money
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
    # Why the item cannot be bought; empty if it can.
    problem: str = ""


def cart_rows(cart: Cart, owned: set[str]) -> list[CartRow]:
    """Return the lines of a cart; `owned` are the SKUs that the user owns and cannot buy again."""
    return [
        CartRow(
            **item_link(item),
            price=money.display(item.price * line.quantity, item.currency),
            quantity=line.quantity,
            countable=item.kind == ItemKind.CONSUMABLE,
            problem="In your library already. Remove it to go on." if item.sku in owned else "",
        )
        for line, item in cart.lines
    ]


def cart_total(cart: Cart) -> str:
    """Return the cart's total as users read it."""
    return money.display(cart.total, cart.lines[0][1].currency) if cart.lines else ""
