"""The cart of a visitor who is not signed in: what it holds, and what of it a user's cart gets."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from store_app.accounts.service import CurrentUser
from store_app.checkout import cart
from store_app.checkout.service import MAX_ORDER_LINES
from store_app.db.unit_of_work import read_session
from store_app.errors import Invalid
from tests.integration.shop import Shop
from tests.integration.web import PASSWORD, Web


def _cart(user: CurrentUser) -> dict[str, int]:
    """Return all lines of a user's cart, also what cannot be bought."""
    with read_session() as session:
        return {line.item.sku: line.quantity for line in cart.read_cart(session, user.user_id).lines}


def _shown(kept: dict[str, int]) -> dict[str, int]:
    with read_session() as session:
        return cart.read_guest_cart(session, kept).wanted


def test_only_what_can_be_ordered_is_read(shop: Shop) -> None:
    sword, potion, gone = shop.item(), shop.item(consumable=True), shop.item(status="withdrawn")
    kept = {potion.sku: 100, gone.sku: 1, "no-such-item": 1, "\x00": 1, sword.sku: 1}
    assert list(_shown(kept).items()) == [(potion.sku, 100), (sword.sku, 1)]
    for bad in ({sword.sku: 2}, {potion.sku: 101}, {potion.sku: 0}, {potion.sku: -1}, {}):
        assert _shown(bad) == {}


def test_a_guest_cart_is_changed_by_the_rules_of_every_cart(shop: Shop) -> None:
    sword, potion = shop.item(), shop.item(consumable=True)
    kept = cart.add_to_guest_cart(cart.add_to_guest_cart({}, potion.sku), sword.sku)
    kept = cart.set_guest_quantity(kept, potion.sku, 3)
    assert list(cart.add_to_guest_cart(kept, potion.sku).items()) == [(potion.sku, 3), (sword.sku, 1)]
    for sku, quantity in ((sword.sku, 2), (potion.sku, 0), (potion.sku, 101), ("no-such-item", 1)):
        with pytest.raises(Invalid):
            cart.set_guest_quantity(kept, sku, quantity)
    with pytest.raises(Invalid):
        cart.add_to_guest_cart(kept, "no-such-item")
    assert cart.remove_from_guest_cart(kept, potion.sku) == {sword.sku: 1}


def test_a_guest_cart_is_full_when_it_has_as_many_items_as_an_order(shop: Shop) -> None:
    items = [shop.item() for _ in range(MAX_ORDER_LINES + 1)]
    kept = {item.sku: 1 for item in items[:MAX_ORDER_LINES]}
    with pytest.raises(Invalid):
        cart.add_to_guest_cart(kept, items[-1].sku)
    assert cart.add_to_guest_cart(kept, items[0].sku) == kept
    # What is no longer on sale takes no place.
    shop.change("UPDATE items SET status = 'withdrawn' WHERE id = :id", id=items[0].id)
    assert items[-1].sku in cart.add_to_guest_cart(kept, items[-1].sku)


def test_an_item_in_both_carts_keeps_the_larger_quantity(shop: Shop) -> None:
    user, sword = shop.user(), shop.item()
    fewer, more, new = (shop.item(consumable=True) for _ in range(3))
    cart.add(user.user_id, fewer.sku, 5)
    cart.add(user.user_id, more.sku, 2)
    cart.add(user.user_id, sword.sku)
    cart.merge_guest_cart(user.user_id, {new.sku: 4, fewer.sku: 3, more.sku: 7, sword.sku: 1})
    expected = {fewer.sku: 5, more.sku: 7, sword.sku: 1, new.sku: 4}
    assert list(_cart(user).items()) == list(expected.items())
    cart.merge_guest_cart(user.user_id, {new.sku: 4, more.sku: 7})
    assert _cart(user) == expected


def test_what_cannot_be_bought_is_not_merged(shop: Shop) -> None:
    user, owned, gone, sword = shop.user(), shop.item(), shop.item(status="withdrawn"), shop.item()
    potion = shop.item(consumable=True)
    shop.paid_order(user, owned, potion)
    cart.merge_guest_cart(user.user_id, {owned.sku: 1, gone.sku: 1, "\x00": 1, sword.sku: 9, potion.sku: 2})
    assert _cart(user) == {potion.sku: 2}


def test_a_merge_stops_at_the_limit_of_the_cart(shop: Shop) -> None:
    user, potion = shop.user(), shop.item(consumable=True)
    items = [shop.item() for _ in range(MAX_ORDER_LINES + 2)]
    for item in (potion, *items[: MAX_ORDER_LINES - 3]):
        cart.add(user.user_id, item.sku)
    # What is there already needs no room.
    cart.merge_guest_cart(user.user_id, {item.sku: 1 for item in items[-4:]} | {potion.sku: 8})
    assert list(_cart(user))[-2:] == [item.sku for item in items[-4:-2]]
    assert len(_cart(user)) == MAX_ORDER_LINES
    assert _cart(user)[potion.sku] == 8


def test_merges_at_the_same_time_do_not_exceed_the_limit_together(shop: Shop) -> None:
    user = shop.user()
    items = [shop.item(consumable=True) for _ in range(MAX_ORDER_LINES + 10)]
    halves = [{item.sku: 2 for item in items[:35]}, {item.sku: 3 for item in reversed(items[25:])}]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda kept: cart.merge_guest_cart(user.user_id, kept), halves))
    assert len(_cart(user)) == MAX_ORDER_LINES


# --- by forms


class _Visitor:
    """A browser: it keeps its cookies."""

    def __init__(self, web: Web) -> None:
        self.http = httpx.Client(base_url=web.http.base_url, headers=web.http.headers)

    def post(self, path: str, **form: Any) -> httpx.Response:
        return self.http.post(path, data=form)

    @property
    def cart(self) -> str:
        return self.http.cookies.get("cart") or ""


def _in_database(web: Web, name: str) -> list[tuple[Any, ...]]:
    query = """SELECT items.sku, cart_lines.quantity FROM cart_lines JOIN items ON items.id = item_id
        JOIN users ON users.id = user_id WHERE username = :name ORDER BY cart_lines.id"""
    return web.rows(query, name=name)


def test_forms_change_the_cookie_of_a_visitor_and_the_cart_of_a_user(web: Web) -> None:
    visitor, name = _Visitor(web), f"p-{uuid4().hex[:12]}"
    for path, form in (
        ("/cart/add", {"sku": "health-potion"}),
        ("/cart/add", {"sku": "dragon-sword"}),
        ("/cart/add", {"sku": "wizard-hat"}),
        ("/cart/quantity", {"sku": "health-potion", "quantity": "3"}),
        ("/cart/remove", {"sku": "wizard-hat"}),
    ):
        answer = visitor.post(path, **form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/cart")
    assert visitor.cart == "health-potion:3&dragon-sword:1"
    refused = visitor.post("/cart/quantity", sku="dragon-sword", quantity="2")
    assert refused.status_code == 422
    assert "The quantity must be 1 to 1." in refused.text
    assert "set-cookie" not in refused.headers

    answer = visitor.post("/auth/register", username=name, password=PASSWORD, next="/cart")
    assert (answer.status_code, answer.headers["location"]) == (303, "/cart")
    assert visitor.cart == ""
    assert _in_database(web, name) == [("health-potion", 3), ("dragon-sword", 1)]

    assert visitor.post("/cart/quantity", sku="health-potion", quantity="2").headers["location"] == "/cart"
    assert visitor.post("/cart/remove", sku="dragon-sword").headers["location"] == "/cart"
    assert _in_database(web, name) == [("health-potion", 2)]
    assert visitor.cart == ""

    visitor.post("/auth/logout")
    visitor.post("/cart/add", sku="health-potion")
    visitor.post("/de/cart/add", sku="dragon-sword")
    assert visitor.post("/auth/login", username=name, password="not my password").status_code == 303
    assert visitor.cart == "health-potion:1&dragon-sword:1"
    visitor.post("/auth/login", username=name, password=PASSWORD)
    assert visitor.cart == ""
    assert _in_database(web, name) == [("health-potion", 2), ("dragon-sword", 1)]


def test_scripts_and_other_sites_do_not_get_the_cookie_and_an_empty_cart_needs_none(web: Web) -> None:
    visitor = _Visitor(web)
    written = visitor.post("/cart/add", sku="dragon-sword").headers["set-cookie"].split("; ")
    assert written[0] == "cart=dragon-sword:1"
    assert {"HttpOnly", "SameSite=lax", "Path=/", "Max-Age=2592000"} <= set(written)
    visitor.post("/cart/remove", sku="dragon-sword")
    assert visitor.cart == ""


def test_the_api_leaves_the_guest_cart_alone(web: Web) -> None:
    visitor, name = _Visitor(web), f"p-{uuid4().hex[:12]}"
    visitor.post("/cart/add", sku="dragon-sword")
    account = {"username": name, "password": PASSWORD}
    for path in ("/api/users", "/api/sessions"):
        answer = visitor.http.post(path, json=account)
        assert answer.status_code == 201
        assert "cart" not in answer.headers.get("set-cookie", "")
    assert visitor.cart == "dragon-sword:1"
    assert _in_database(web, name) == []
