"""What cannot be bought now of a cart, and why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store_app.checkout.cart import Cart, Line, with_obstacles
from store_app.models import Item, ItemKind, ItemStatus
from store_app.orders.queries import OrderedItems

SWORD, SHIELD, HAT, POTION = (
    Item(
        id=number,
        sku=name,
        name=name,
        price=100 * number,
        currency="USD",
        kind=ItemKind.CONSUMABLE if name == "potion" else ItemKind.NON_CONSUMABLE,
        status=ItemStatus.ACTIVE,
    )
    for number, name in enumerate(("sword", "shield", "hat", "potion"), 1)
)


def _ordered(*items: Item, quantity: int = 1) -> OrderedItems:
    return {item.id: (quantity if item is POTION else 1, item.price, item.currency) for item in items}


@pytest.mark.parametrize(
    ("cart", "open_orders", "in_the_way"),
    [
        ([SWORD], {}, [""]),
        ([SWORD], {"a": _ordered(SWORD)}, [""]),
        ([SWORD], {"a": _ordered(SWORD, HAT)}, ["a"]),
        ([SWORD, HAT], {"a": _ordered(SWORD)}, ["a", ""]),
        ([SWORD, HAT], {"a": _ordered(HAT, SWORD)}, ["", ""]),
        ([SWORD, SHIELD], {"a": _ordered(SWORD, HAT), "b": _ordered(SHIELD)}, ["a", ""]),
        ([SWORD, SHIELD, HAT], {"a": _ordered(SWORD), "b": _ordered(SHIELD)}, ["a", "b", ""]),
        # Consumables can be in any number of orders.
        ([POTION], {"a": _ordered(POTION, SWORD)}, [""]),
        ([SWORD, POTION], {"a": _ordered(SWORD, POTION)}, ["", ""]),
        ([SWORD, POTION], {"a": _ordered(SWORD, POTION, quantity=2)}, ["a", ""]),
        # Paid at the old price, it is not the same order.
        ([SWORD], {"a": {SWORD.id: (1, 99, "USD")}}, ["a"]),
    ],
)
def test_an_open_order_is_in_the_way_unless_it_is_for_exactly_the_same(
    cart: list[Item], open_orders: dict[str, OrderedItems], in_the_way: list[str]
) -> None:
    lines = with_obstacles([Line(item, 1) for item in cart], (), open_orders)
    assert [line.order_id for line in lines] == in_the_way
    assert [bool(line.obstacle) for line in lines] == [bool(order) for order in in_the_way]


def test_what_is_owned_or_withdrawn_is_no_part_of_the_comparison() -> None:
    gone = Item(id=9, sku="gone", name="gone", price=1, kind=ItemKind.CONSUMABLE, status=ItemStatus.WITHDRAWN)
    lines = [Line(SWORD, 1), Line(gone, 2), Line(HAT, 1)]
    sword, withdrawn, hat = with_obstacles(lines, {"sword"}, {"a": _ordered(HAT)})
    assert (sword.obstacle, withdrawn.obstacle) == ("In your library already.", "No longer sold.")
    assert (hat.obstacle, hat.order_id) == ("", "")


def test_a_quantity_that_is_no_longer_allowed_is_in_the_way() -> None:
    sword, potion = with_obstacles([Line(SWORD, 2), Line(POTION, 2)], (), {})
    assert sword.obstacle == "Can be bought only once now. Remove it and add it again."
    assert potion.obstacle == ""


ITEMS = st.sets(st.sampled_from(["sword", "shield", "hat", "potion"]))
BY_NAME = {item.sku: item for item in (SWORD, SHIELD, HAT, POTION)}


@given(ITEMS, st.lists(ITEMS.filter(bool), max_size=4), ITEMS)
def test_what_is_left_is_in_no_other_open_order(cart: set[str], orders: list[set[str]], owned: set[str]) -> None:
    open_orders = {f"{number}": _ordered(*(BY_NAME[sku] for sku in skus)) for number, skus in enumerate(orders)}
    lines = with_obstacles([Line(BY_NAME[sku], 1) for sku in sorted(cart)], owned, open_orders)
    left = _ordered(*(BY_NAME[sku] for sku in Cart(lines).wanted))
    assert not owned & Cart(lines).wanted.keys()
    for ordered in open_orders.values():
        assert ordered == left or not ordered.keys() & left.keys() - {POTION.id}
    assert all(line.order_id in {"", *open_orders} for line in lines)
