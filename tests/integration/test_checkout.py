"""Buying: what is refused, what is offered again, and that no failure of the provider leaves anything stuck."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from store_app.accounts.service import CurrentUser
from store_app.checkout import cart, service
from store_app.checkout.service import MAX_ORDER_LINES, MAX_QUANTITY, Checkout
from store_app.db.unit_of_work import read_session
from store_app.errors import (
    AlreadyOwned,
    InOpenOrder,
    Invalid,
    NotFound,
    OrderClosed,
    ProviderRefused,
    ProviderUnavailable,
    Refusal,
)
from store_app.models import Item
from store_app.orders import service as orders
from store_app.payments.registry import get_provider
from tests.integration.shop import Json, Shop, declined, order_paid, refund, use_database
from tests.support.invariants import check
from tests.support.ports import free_port


def _orders(shop: Shop) -> int:
    return int(shop.rows("SELECT COUNT(*) FROM orders")[0][0])


def test_buying_places_an_order_and_opens_its_payment_page(shop: Shop) -> None:
    player, sword, potion = shop.player(), shop.item(99_999), shop.item(499, consumable=True)
    placed = shop.buy(player, {sword.sku: 1, potion.sku: 3})
    assert (placed.order.status, placed.order.total) == ("pending", 101_496)
    assert placed.payment_url.startswith("http://provider.test/paystation4/?token=")
    (asked,) = shop.provider.asked
    assert asked["purchase"]["items"] == [{"sku": sword.sku, "quantity": 1}, {"sku": potion.sku, "quantity": 3}]
    assert asked["user"]["id"]["value"] == player.user_id
    assert asked["custom_parameters"] == {"order_id": placed.order.id}
    assert asked["settings"]["external_id"] == f"{placed.order.id}-1"
    assert asked["settings"]["return_url"].endswith(f"/orders/{placed.order.id}")
    assert asked["sandbox"] is True
    assert "price" not in str(asked)
    check(shop.engine)


def test_the_order_is_there_before_the_provider_is_asked(shop: Shop) -> None:
    seen: list[str] = []
    shop.provider.meanwhile = lambda body: seen.append(shop.read(body["custom_parameters"]["order_id"]).status)
    shop.buy(shop.player(), {shop.item().sku: 1})
    assert seen == ["pending"]


def test_the_same_things_are_offered_again_in_their_open_order(shop: Shop) -> None:
    player, sword, potion = shop.player(), shop.item(), shop.item(consumable=True)
    for wanted in ({sword.sku: 1}, {potion.sku: 2}):
        first, again = shop.buy(player, wanted), shop.buy(player, wanted)
        assert again.order.id == first.order.id
        assert again.payment_url == first.payment_url
    assert len(shop.provider.asked) == 2
    assert shop.buy(player, {potion.sku: 3}).order.id != first.order.id


def test_at_another_price_it_is_another_order(shop: Shop) -> None:
    player, potion, sword = shop.player(), shop.item(499, consumable=True), shop.item(99)
    first, held = shop.buy(player, {potion.sku: 1}), shop.buy(player, {sword.sku: 1})
    shop.change("UPDATE items SET price = price - 1")
    second = shop.buy(player, {potion.sku: 1})
    assert second.order.id != first.order.id
    assert second.order.total == 498
    with pytest.raises(InOpenOrder) as refusal:
        shop.buy(player, {sword.sku: 1})
    assert refusal.value.order_id == held.order.id


def test_another_players_open_order_is_not_offered(shop: Shop) -> None:
    sword = shop.item()
    assert shop.buy(shop.player(), {sword.sku: 1}).order.id != shop.buy(shop.player(), {sword.sku: 1}).order.id


def test_what_is_owned_once_is_not_sold_twice(shop: Shop) -> None:
    player, sword, boots = shop.player(), shop.item(), shop.item()
    shop.paid_order(player, sword)
    with pytest.raises(AlreadyOwned, match=sword.name):
        shop.buy(player, {boots.sku: 1, sword.sku: 1})
    assert _orders(shop) == 1


def test_what_was_refunded_can_be_bought_again(shop: Shop) -> None:
    player, sword = shop.player(), shop.item()
    order = shop.paid_order(player, sword)
    shop.tell(refund(order, "T" + order.id[:12]))
    assert shop.buy(player, {sword.sku: 1}).order.status == "pending"


def test_a_consumable_can_be_bought_again(shop: Shop) -> None:
    player, potion = shop.player(), shop.item(consumable=True)
    shop.paid_order(player, potion)
    assert shop.buy(player, {potion.sku: MAX_QUANTITY}).order.total == 199 * MAX_QUANTITY


def test_what_waits_in_another_open_order_is_not_ordered_again(shop: Shop) -> None:
    player, sword, boots = shop.player(), shop.item(), shop.item()
    first = shop.buy(player, {sword.sku: 1, boots.sku: 1})
    with pytest.raises(InOpenOrder) as refusal:
        shop.buy(player, {sword.sku: 1})
    assert refusal.value.order_id == first.order.id
    orders.cancel(player.user_id, first.order.id)
    assert shop.buy(player, {sword.sku: 1}).order.id != first.order.id


@pytest.mark.parametrize("quantity", [0, -1, 10**9, 10**30, MAX_QUANTITY + 1])
@pytest.mark.parametrize("consumable", [True, False])
def test_bad_quantities(shop: Shop, quantity: int, consumable: bool) -> None:
    with pytest.raises(Invalid) as refusal:
        shop.buy(shop.player(), {shop.item(consumable=consumable).sku: quantity})
    assert refusal.value.field == "quantity"
    assert _orders(shop) == 0


def _unknown(shop: Shop) -> Mapping[str, int]:
    return {shop.item().sku: 1, "no-such-thing": 1}


def _withdrawn(shop: Shop) -> Mapping[str, int]:
    return {shop.item(status="withdrawn").sku: 1}


def _currencies(shop: Shop) -> Mapping[str, int]:
    return {shop.item().sku: 1, shop.item(currency="EUR").sku: 1}


def _refused(shop: Shop, wanted: Mapping[str, int]) -> None:
    with pytest.raises(Invalid) as refusal:
        shop.buy(shop.player(), wanted)
    # It can be said to the caller: text with half a character could not.
    assert str(refusal.value).encode("utf-8")
    assert _orders(shop) == 0
    assert shop.provider.asked == []


@pytest.mark.parametrize("wanted", [_unknown, _withdrawn, _currencies])
def test_what_cannot_be_ordered(shop: Shop, wanted: Callable[[Shop], Mapping[str, int]]) -> None:
    _refused(shop, wanted(shop))


@pytest.mark.parametrize(
    "skus", [[], ["\x00"], ["\ud800"], [str(number) for number in range(MAX_ORDER_LINES + 1)]], ids=len
)
def test_what_makes_no_order(shop: Shop, skus: list[str]) -> None:
    _refused(shop, dict.fromkeys(skus, 1))


def test_what_is_free_needs_no_payment(shop: Shop) -> None:
    player, gift = shop.player(), shop.item(0)
    placed = shop.buy(player, {gift.sku: 1})
    assert placed.order.status == "paid"
    assert placed.payment_url.endswith(f"/orders/{placed.order.id}")
    assert shop.purchases(placed.order.id) == ["granted"]
    assert shop.provider.asked == []
    check(shop.engine)
    with pytest.raises(AlreadyOwned):
        shop.buy(player, {gift.sku: 1})


# --- Idempotency-Key


def test_a_key_makes_one_order(shop: Shop) -> None:
    player, potion = shop.player(), shop.item(consumable=True)
    first, again = (shop.buy(player, {potion.sku: 1}, "key") for _ in range(2))
    assert again.order.id == first.order.id
    assert shop.buy(player, {potion.sku: 1}, "another").order.id != first.order.id
    assert shop.buy(shop.player(), {potion.sku: 1}, "key").order.id != first.order.id
    shop.tell(order_paid(first.order))
    repeated = shop.buy(player, {potion.sku: 1}, "key")
    assert (repeated.order.id, repeated.order.status) == (first.order.id, "paid")
    assert repeated.payment_url.endswith(f"/orders/{first.order.id}")


@pytest.mark.parametrize("status", ["pending", "failed", "paid", "canceled", "refunded"])
def test_a_key_used_for_other_things_is_refused_whatever_became_of_them(shop: Shop, status: str) -> None:
    player, potion, sword = shop.player(), shop.item(consumable=True), shop.item()
    order = shop.buy(player, {potion.sku: 1}, "key").order
    told: dict[str, list[Json]] = {
        "failed": [declined(order)],
        "paid": [order_paid(order)],
        "canceled": [refund(order)],
        "refunded": [order_paid(order), refund(order)],
    }
    for notification in told.get(status, []):
        shop.tell(notification)
    assert shop.read(order.id).status == status
    for wanted in ({sword.sku: 1}, {potion.sku: 2}, {potion.sku: 1, sword.sku: 1}):
        with pytest.raises(Invalid, match="Idempotency-Key"):
            shop.buy(player, wanted, "key")
    assert _orders(shop) == 1


def _at_once(tries: list[Callable[[], Checkout]]) -> list[Checkout | Refusal]:
    barrier = threading.Barrier(len(tries))

    def run(one: Callable[[], Checkout]) -> Checkout | Refusal:
        barrier.wait()
        try:
            return one()
        except Refusal as refusal:
            return refusal

    with ThreadPoolExecutor(len(tries)) as threads:
        return list(threads.map(run, tries))


@pytest.mark.parametrize("key", ["key", None])
def test_two_clicks_at_once_are_one_order(shop: Shop, key: str | None) -> None:
    player, sword = shop.player(), shop.item()
    results = _at_once([lambda: shop.buy(player, {sword.sku: 1}, key)] * 4)
    placed = [result for result in results if isinstance(result, Checkout)]
    assert len(placed) == 4, results
    assert len({one.order.id for one in placed}) == 1
    assert len({one.payment_url for one in placed}) == 1
    assert _orders(shop) == 1
    check(shop.engine)


def test_one_key_for_two_things_at_once(shop: Shop) -> None:
    player, items = shop.player(), [shop.item(consumable=True) for _ in range(2)]
    results = _at_once([lambda sku=item.sku: shop.buy(player, {sku: 1}, "key") for item in items])  # type: ignore[misc]
    assert sorted(type(result).__name__ for result in results) == ["Checkout", "Invalid"]
    assert _orders(shop) == 1


# --- when the provider does not answer, or answers nonsense


def test_a_provider_that_is_down_leaves_an_order_that_the_next_try_uses(database_url: str, dialect: str) -> None:
    with use_database(database_url, XSOLLA_STORE_API_URL=f"http://127.0.0.1:{free_port()}") as engine:
        shop = Shop(engine, dialect)
        player, sword = shop.player(), shop.item()
        for _ in range(2):
            with pytest.raises(ProviderUnavailable):
                asyncio.run(_buy_for_real(player, sword))
    with use_database(database_url) as engine:
        shop = Shop(engine, dialect)
        ((waiting,),) = shop.rows("SELECT id FROM orders")
        placed = shop.buy(player, {sword.sku: 1})
        assert placed.order.id == waiting
        assert placed.payment_url
        assert shop.provider.asked[0]["settings"]["external_id"] == f"{waiting}-1"
        check(engine)


async def _buy_for_real(player: CurrentUser, item: Item) -> Checkout:
    # A client of its own: the process's would be bound to the event loop of the first call.
    get_provider.cache_clear()
    return await service.buy(player, {item.sku: 1})


@pytest.mark.parametrize(
    ("status", "answer", "refusal"),
    [
        (500, {}, ProviderUnavailable),
        (429, {}, ProviderUnavailable),
        (302, {}, ProviderRefused),
        (201, {}, ProviderUnavailable),
        (201, [], ProviderUnavailable),
        (201, "token", ProviderUnavailable),
        (201, {"token": None, "order_id": None}, ProviderUnavailable),
        (422, {"errorCode": 1102}, ProviderRefused),
        (401, {"errorCode": 1020}, ProviderRefused),
    ],
)
def test_whatever_the_provider_answers_the_player_may_try_again(
    shop: Shop, status: int, answer: Any, refusal: type[Refusal]
) -> None:
    player, sword = shop.player(), shop.item()
    shop.provider.status, shop.provider.answer = status, answer
    with pytest.raises(refusal):
        shop.buy(player, {sword.sku: 1})
    assert shop.rows("SELECT id FROM payment_attempts") == []
    shop.provider.status, shop.provider.answer = 201, None
    assert shop.buy(player, {sword.sku: 1}).payment_url
    assert _orders(shop) == 1


def test_after_a_decline_the_order_gets_a_new_page(shop: Shop) -> None:
    player, sword = shop.player(), shop.item()
    first = shop.buy(player, {sword.sku: 1})
    shop.tell(declined(first.order))
    second = shop.buy(player, {sword.sku: 1})
    assert second.order.id == first.order.id
    assert second.order.status == "pending"
    assert second.payment_url != first.payment_url
    assert [one["settings"]["external_id"][-2:] for one in shop.provider.asked] == ["-1", "-2"]


@pytest.mark.parametrize("meanwhile", ["canceled", "paid"])
def test_an_order_that_closed_while_the_provider_was_asked_is_not_paid_for_again(
    shop: Shop, meanwhile: str
) -> None:
    player, sword = shop.player(), shop.item()

    def close(body: Json) -> None:
        order = shop.read(body["custom_parameters"]["order_id"])
        if meanwhile == "canceled":
            orders.cancel(player.user_id, order.id)
        else:
            shop.tell(order_paid(order))

    shop.provider.meanwhile = close
    placed = shop.buy(player, {sword.sku: 1})
    assert placed.order.status == meanwhile
    assert placed.payment_url.endswith(f"/orders/{placed.order.id}")
    check(shop.engine)


def test_a_payment_page_only_for_ones_own_open_order(shop: Shop) -> None:
    player, client = shop.player(), shop.provider.client
    order = shop.order(player, shop.item())
    with pytest.raises(NotFound):
        asyncio.run(service.open_payment_page(shop.player(), order.id, client()))
    orders.cancel(player.user_id, order.id)
    with pytest.raises(OrderClosed):
        asyncio.run(service.open_payment_page(player, order.id, client()))


# --- the cart


def _cart(player: CurrentUser) -> cart.Cart:
    with read_session() as session:
        return cart.read_cart(session, player.user_id)


def test_the_cart_takes_each_thing_once_and_counts(shop: Shop) -> None:
    player, sword, potion = shop.player(), shop.item(), shop.item(499, consumable=True)
    assert cart.add(player.user_id, sword.sku) == 1
    assert cart.add(player.user_id, sword.sku) == 1
    assert cart.add(player.user_id, potion.sku) == 2
    cart.set_quantity(player.user_id, potion.sku, 3)
    assert _cart(player).wanted == {sword.sku: 1, potion.sku: 3}
    assert _cart(player).total == 199 + 3 * 499
    cart.remove(player.user_id, sword.sku)
    cart.remove(player.user_id, sword.sku)
    assert _cart(player).wanted == {potion.sku: 3}
    assert _cart(shop.player()).lines == []


@pytest.mark.parametrize("quantity", [0, -1, 10**9, 10**30, 1.5, "2", None, True, MAX_QUANTITY + 1])
def test_bad_quantities_in_the_cart(shop: Shop, quantity: Any) -> None:
    player, potion = shop.player(), shop.item(consumable=True)
    cart.add(player.user_id, potion.sku)
    with pytest.raises(Invalid):
        cart.set_quantity(player.user_id, potion.sku, quantity)
    assert _cart(player).wanted == {potion.sku: 1}


def test_what_is_owned_once_is_in_the_cart_once(shop: Shop) -> None:
    player, sword = shop.player(), shop.item()
    cart.add(player.user_id, sword.sku)
    with pytest.raises(Invalid):
        cart.set_quantity(player.user_id, sword.sku, 2)
    shop.paid_order(player, sword)
    assert _cart(player).lines == []
    with pytest.raises(AlreadyOwned):
        cart.add(player.user_id, sword.sku)


@pytest.mark.parametrize("sku", ["", "no-such-thing", "\x00", "\ud800", "x" * 10_000])
def test_what_is_not_on_sale_is_not_put_into_the_cart(shop: Shop, sku: str) -> None:
    player = shop.player()
    with pytest.raises(Invalid):
        cart.add(player.user_id, sku)
    with pytest.raises(Invalid):
        cart.set_quantity(player.user_id, sku, 1)
    cart.remove(player.user_id, sku)
    withdrawn = shop.item(status="withdrawn")
    with pytest.raises(Invalid):
        cart.add(player.user_id, withdrawn.sku)
    assert _cart(player).lines == []


def test_the_cart_has_a_limit_that_clicks_at_once_do_not_pass(shop: Shop) -> None:
    player = shop.player()
    items = [shop.item() for _ in range(MAX_ORDER_LINES + 4)]
    for item in items[: MAX_ORDER_LINES - 1]:
        cart.add(player.user_id, item.sku)

    def add(item: Item) -> bool:
        try:
            cart.add(player.user_id, item.sku)
        except Invalid:
            return False
        return True

    with ThreadPoolExecutor(5) as threads:
        added = list(threads.map(add, items[MAX_ORDER_LINES - 1 :]))
    assert added.count(True) == 1
    assert len(_cart(player).lines) == MAX_ORDER_LINES
