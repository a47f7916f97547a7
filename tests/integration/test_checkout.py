"""Buying: what is refused, what is offered again, and that no failure of the provider prevents a retry."""

import asyncio
import random
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
from store_app.library.queries import owned_skus
from store_app.models import Item
from store_app.orders import service as orders
from store_app.payments.registry import get_provider
from tests.integration.shop import Json, Shop, declined, order_paid, refund, use_database
from tests.support.invariants import check
from tests.support.ports import free_port


def _orders(shop: Shop) -> int:
    return int(shop.rows("SELECT COUNT(*) FROM orders")[0][0])


def test_buying_places_an_order_and_opens_its_payment_page(shop: Shop) -> None:
    user, sword, potion = shop.user(), shop.item(99_999), shop.item(499, consumable=True)
    placed = shop.buy(user, {sword.sku: 1, potion.sku: 3})
    assert (placed.status, placed.total) == ("pending", 101_496)
    assert placed.payment_url.startswith("http://provider.test/paystation4/?token=")
    (asked,) = shop.provider.asked
    assert asked["purchase"]["items"] == [{"sku": sword.sku, "quantity": 1}, {"sku": potion.sku, "quantity": 3}]
    assert asked["user"]["id"]["value"] == user.user_id
    assert asked["custom_parameters"] == {"order_id": placed.order_id}
    assert asked["settings"]["external_id"] == f"{placed.order_id}-1"
    assert asked["settings"]["return_url"].endswith(f"/orders/{placed.order_id}")
    assert asked["sandbox"] is True
    assert "price" not in str(asked)
    check(shop.engine)


def test_the_order_is_committed_before_the_provider_is_asked(shop: Shop) -> None:
    seen: list[str] = []
    shop.provider.meanwhile = lambda body: seen.append(shop.read(body["custom_parameters"]["order_id"]).status)
    shop.buy(shop.user(), {shop.item().sku: 1})
    assert seen == ["pending"]


def test_an_open_order_for_the_same_items_is_offered_again(shop: Shop) -> None:
    user, sword, potion = shop.user(), shop.item(), shop.item(consumable=True)
    for wanted in ({sword.sku: 1}, {potion.sku: 2}):
        first, again = shop.buy(user, wanted), shop.buy(user, wanted)
        assert again.order_id == first.order_id
        assert again.payment_url == first.payment_url
    assert len(shop.provider.asked) == 2
    assert shop.buy(user, {potion.sku: 3}).order_id != first.order_id


def test_a_changed_price_makes_another_order(shop: Shop) -> None:
    user, potion, sword = shop.user(), shop.item(499, consumable=True), shop.item(99)
    first, held = shop.buy(user, {potion.sku: 1}), shop.buy(user, {sword.sku: 1})
    shop.change("UPDATE items SET price = price - 1")
    second = shop.buy(user, {potion.sku: 1})
    assert second.order_id != first.order_id
    assert second.total == 498
    with pytest.raises(InOpenOrder) as refusal:
        shop.buy(user, {sword.sku: 1})
    assert refusal.value.order_id == held.order_id


def test_a_changed_currency_makes_another_order(shop: Shop) -> None:
    user, potion = shop.user(), shop.item(499, consumable=True)
    first = shop.buy(user, {potion.sku: 1})
    shop.change("UPDATE items SET currency = 'EUR'")
    shop.provider.currency = "EUR"
    second = shop.buy(user, {potion.sku: 1})
    assert second.order_id != first.order_id
    assert (second.total, second.currency) == (499, "EUR")


def test_the_open_order_of_another_user_is_not_offered(shop: Shop) -> None:
    sword = shop.item()
    assert shop.buy(shop.user(), {sword.sku: 1}).order_id != shop.buy(shop.user(), {sword.sku: 1}).order_id


def test_an_owned_non_consumable_is_not_sold_again(shop: Shop) -> None:
    user, sword, boots = shop.user(), shop.item(), shop.item()
    shop.paid_order(user, sword)
    with pytest.raises(AlreadyOwned, match=sword.name):
        shop.buy(user, {boots.sku: 1, sword.sku: 1})
    assert _orders(shop) == 1


def test_a_refunded_item_can_be_bought_again(shop: Shop) -> None:
    user, sword = shop.user(), shop.item()
    order = shop.paid_order(user, sword)
    shop.notify(refund(order, "T" + order.id[:12]))
    assert shop.buy(user, {sword.sku: 1}).status == "pending"


def test_a_consumable_can_be_bought_again(shop: Shop) -> None:
    user, potion = shop.user(), shop.item(consumable=True)
    shop.paid_order(user, potion)
    assert shop.buy(user, {potion.sku: MAX_QUANTITY}).total == 199 * MAX_QUANTITY


def test_an_item_in_another_open_order_is_not_ordered_again(shop: Shop) -> None:
    user, sword, boots = shop.user(), shop.item(), shop.item()
    first = shop.buy(user, {sword.sku: 1, boots.sku: 1})
    with pytest.raises(InOpenOrder) as refusal:
        shop.buy(user, {sword.sku: 1})
    assert refusal.value.order_id == first.order_id
    orders.cancel(user.user_id, first.order_id)
    assert shop.buy(user, {sword.sku: 1}).order_id != first.order_id


@pytest.mark.parametrize("quantity", [0, -1, 10**9, 10**30, MAX_QUANTITY + 1])
@pytest.mark.parametrize("consumable", [True, False])
def test_bad_quantities_are_refused(shop: Shop, quantity: int, consumable: bool) -> None:
    with pytest.raises(Invalid) as refusal:
        shop.buy(shop.user(), {shop.item(consumable=consumable).sku: quantity})
    assert refusal.value.field == "quantity"
    assert _orders(shop) == 0


def _unknown(shop: Shop) -> Mapping[str, int]:
    return {shop.item().sku: 1, "no-such-item": 1}


def _withdrawn(shop: Shop) -> Mapping[str, int]:
    return {shop.item(status="withdrawn").sku: 1}


def _currencies(shop: Shop) -> Mapping[str, int]:
    return {shop.item().sku: 1, shop.item(currency="EUR").sku: 1}


def _refused(shop: Shop, wanted: Mapping[str, int]) -> None:
    with pytest.raises(Invalid) as refusal:
        shop.buy(shop.user(), wanted)
    # The message can be encoded for the caller; lone surrogates could not.
    assert str(refusal.value).encode("utf-8")
    assert _orders(shop) == 0
    assert shop.provider.asked == []


@pytest.mark.parametrize("wanted", [_unknown, _withdrawn, _currencies])
def test_items_that_cannot_be_ordered_are_refused(shop: Shop, wanted: Callable[[Shop], Mapping[str, int]]) -> None:
    _refused(shop, wanted(shop))


@pytest.mark.parametrize(
    "skus", [[], ["\x00"], ["\ud800"], [str(number) for number in range(MAX_ORDER_LINES + 1)]], ids=len
)
def test_no_items_and_unknown_items_and_too_many_items_are_refused(shop: Shop, skus: list[str]) -> None:
    _refused(shop, dict.fromkeys(skus, 1))


def test_a_free_order_is_granted_without_a_payment(shop: Shop) -> None:
    user, gift = shop.user(), shop.item(0)
    placed = shop.buy(user, {gift.sku: 1})
    assert placed.status == "paid"
    assert placed.payment_url.endswith(f"/orders/{placed.order_id}")
    assert shop.purchases(placed.order_id) == ["granted"]
    assert shop.provider.asked == []
    check(shop.engine)
    with pytest.raises(AlreadyOwned):
        shop.buy(user, {gift.sku: 1})


# --- Idempotency-Key


def test_an_idempotency_key_makes_one_order(shop: Shop) -> None:
    user, potion = shop.user(), shop.item(consumable=True)
    first, again = (shop.buy(user, {potion.sku: 1}, "key") for _ in range(2))
    assert again.order_id == first.order_id
    assert shop.buy(user, {potion.sku: 1}, "another").order_id != first.order_id
    assert shop.buy(shop.user(), {potion.sku: 1}, "key").order_id != first.order_id
    shop.notify(order_paid(shop.read(first.order_id)))
    repeated = shop.buy(user, {potion.sku: 1}, "key")
    assert (repeated.order_id, repeated.status) == (first.order_id, "paid")
    assert repeated.payment_url.endswith(f"/orders/{first.order_id}")


@pytest.mark.parametrize("status", ["pending", "failed", "paid", "canceled", "refunded"])
def test_a_key_used_for_other_items_is_refused_whatever_the_status_of_their_order(shop: Shop, status: str) -> None:
    user, potion, sword = shop.user(), shop.item(consumable=True), shop.item()
    order = shop.read(shop.buy(user, {potion.sku: 1}, "key").order_id)
    notifications: dict[str, list[Json]] = {
        "failed": [declined(order)],
        "paid": [order_paid(order)],
        "canceled": [refund(order)],
        "refunded": [order_paid(order), refund(order)],
    }
    for notification in notifications.get(status, []):
        shop.notify(notification)
    assert shop.read(order.id).status == status
    for wanted in ({sword.sku: 1}, {potion.sku: 2}, {potion.sku: 1, sword.sku: 1}):
        with pytest.raises(Invalid, match="Idempotency-Key"):
            shop.buy(user, wanted, "key")
    assert _orders(shop) == 1


def _at_once(calls: list[Callable[[], Checkout]]) -> list[Checkout | Refusal]:
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], Checkout]) -> Checkout | Refusal:
        barrier.wait()
        try:
            return call()
        except Refusal as refusal:
            return refusal

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


@pytest.mark.parametrize("key", ["key", None])
def test_equal_requests_at_the_same_time_make_one_order(shop: Shop, key: str | None) -> None:
    user, sword = shop.user(), shop.item()
    results = _at_once([lambda: shop.buy(user, {sword.sku: 1}, key)] * 4)
    placed = [result for result in results if isinstance(result, Checkout)]
    assert len(placed) == 4, results
    assert len({checkout.order_id for checkout in placed}) == 1
    assert len({checkout.payment_url for checkout in placed}) == 1
    assert _orders(shop) == 1
    check(shop.engine)


def test_one_key_for_two_items_at_the_same_time_makes_one_order(shop: Shop) -> None:
    user, items = shop.user(), [shop.item(consumable=True) for _ in range(2)]
    results = _at_once([lambda sku=item.sku: shop.buy(user, {sku: 1}, "key") for item in items])  # type: ignore[misc]
    assert sorted(type(result).__name__ for result in results) == ["Checkout", "Invalid"]
    assert _orders(shop) == 1


# --- when the provider does not answer, or answers nonsense


def test_a_provider_that_is_down_leaves_an_order_that_a_retry_uses(database_url: str, dialect: str) -> None:
    with use_database(database_url, XSOLLA_STORE_API_URL=f"http://127.0.0.1:{free_port()}") as engine:
        shop = Shop(engine, dialect)
        user, sword = shop.user(), shop.item()
        for _ in range(2):
            with pytest.raises(ProviderUnavailable):
                asyncio.run(_buy_for_real(user, sword))
    with use_database(database_url) as engine:
        shop = Shop(engine, dialect)
        ((waiting,),) = shop.rows("SELECT id FROM orders")
        placed = shop.buy(user, {sword.sku: 1})
        assert placed.order_id == waiting
        assert placed.payment_url
        assert shop.provider.asked[0]["settings"]["external_id"] == f"{waiting}-3"
        check(engine)


async def _buy_for_real(user: CurrentUser, item: Item) -> Checkout:
    # A new client: the cached one is bound to the event loop of the first call.
    get_provider.cache_clear()
    return await service.buy(user, {item.sku: 1})


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
def test_whatever_the_provider_answers_the_user_can_retry(
    shop: Shop, status: int, answer: Any, refusal: type[Refusal]
) -> None:
    user, sword = shop.user(), shop.item()
    shop.provider.status, shop.provider.answer = status, answer
    with pytest.raises(refusal):
        shop.buy(user, {sword.sku: 1})
    assert shop.rows("SELECT state, payment_url FROM payment_attempts") == [("opening", "")]
    shop.provider.status, shop.provider.answer = 201, None
    assert shop.buy(user, {sword.sku: 1}).payment_url
    assert _orders(shop) == 1


def test_a_declined_order_gets_a_new_payment_page(shop: Shop) -> None:
    user, sword = shop.user(), shop.item()
    first = shop.buy(user, {sword.sku: 1})
    shop.notify(declined(shop.read(first.order_id)))
    second = shop.buy(user, {sword.sku: 1})
    assert second.order_id == first.order_id
    assert second.status == "pending"
    assert second.payment_url != first.payment_url
    assert [body["settings"]["external_id"][-2:] for body in shop.provider.asked] == ["-1", "-2"]


@pytest.mark.parametrize("meanwhile", ["canceled", "paid"])
def test_an_order_that_closed_while_the_provider_was_asked_is_not_paid_for_again(
    shop: Shop, meanwhile: str
) -> None:
    user, sword = shop.user(), shop.item()

    def close(body: Json) -> None:
        order = shop.read(body["custom_parameters"]["order_id"])
        if meanwhile == "canceled":
            orders.cancel(user.user_id, order.id)
        else:
            shop.notify(order_paid(order))

    shop.provider.meanwhile = close
    placed = shop.buy(user, {sword.sku: 1})
    assert placed.status == meanwhile
    assert placed.payment_url.endswith(f"/orders/{placed.order_id}")
    check(shop.engine)


def test_a_payment_page_is_opened_only_for_an_open_order_of_the_user(shop: Shop) -> None:
    user, client = shop.user(), shop.provider.client
    order = shop.order(user, shop.item())
    with pytest.raises(NotFound):
        asyncio.run(service.open_payment_page(shop.user(), order.id, client()))
    orders.cancel(user.user_id, order.id)
    with pytest.raises(OrderClosed):
        asyncio.run(service.open_payment_page(user, order.id, client()))


# --- the cart


def _cart(user: CurrentUser) -> cart.Cart:
    with read_session() as session:
        return cart.read_cart(session, user.user_id)


def test_the_cart_holds_each_item_once_and_counts_items(shop: Shop) -> None:
    user, sword, potion = shop.user(), shop.item(), shop.item(499, consumable=True)
    assert cart.add(user.user_id, sword.sku) == 1
    assert cart.add(user.user_id, sword.sku) == 1
    assert cart.add(user.user_id, potion.sku) == 2
    cart.set_quantity(user.user_id, potion.sku, 3)
    assert _cart(user).wanted == {sword.sku: 1, potion.sku: 3}
    assert _cart(user).total == 199 + 3 * 499
    cart.remove(user.user_id, sword.sku)
    cart.remove(user.user_id, sword.sku)
    assert _cart(user).wanted == {potion.sku: 3}
    assert _cart(shop.user()).lines == []


@pytest.mark.parametrize("quantity", [0, -1, 10**9, 10**30, 1.5, "2", None, True, MAX_QUANTITY + 1])
def test_bad_quantities_in_the_cart_are_refused(shop: Shop, quantity: Any) -> None:
    user, potion = shop.user(), shop.item(consumable=True)
    cart.add(user.user_id, potion.sku)
    with pytest.raises(Invalid):
        cart.set_quantity(user.user_id, potion.sku, quantity)
    assert _cart(user).wanted == {potion.sku: 1}


def test_what_became_a_consumable_is_not_shown_as_owned(shop: Shop) -> None:
    user, potion = shop.user(), shop.item()
    shop.paid_order(user, potion)
    with read_session() as session:
        assert owned_skus(session, user.user_id, [potion.sku]) == {potion.sku}
    shop.change("UPDATE items SET kind = 'consumable'")
    with read_session() as session:
        assert owned_skus(session, user.user_id, [potion.sku]) == set()
    assert shop.buy(user, {potion.sku: 2}).status == "pending"


def test_a_non_consumable_is_in_the_cart_once_and_not_when_owned(shop: Shop) -> None:
    user, sword = shop.user(), shop.item()
    cart.add(user.user_id, sword.sku)
    with pytest.raises(Invalid):
        cart.set_quantity(user.user_id, sword.sku, 2)
    shop.paid_order(user, sword)
    assert _cart(user).lines == []
    with pytest.raises(AlreadyOwned):
        cart.add(user.user_id, sword.sku)


@pytest.mark.parametrize("sku", ["", "no-such-item", "\x00", "\ud800", "x" * 10_000])
def test_an_item_that_is_not_on_sale_cannot_be_put_into_the_cart(shop: Shop, sku: str) -> None:
    user = shop.user()
    with pytest.raises(Invalid):
        cart.add(user.user_id, sku)
    with pytest.raises(Invalid):
        cart.set_quantity(user.user_id, sku, 1)
    cart.remove(user.user_id, sku)
    withdrawn = shop.item(status="withdrawn")
    with pytest.raises(Invalid):
        cart.add(user.user_id, withdrawn.sku)
    assert _cart(user).lines == []


def test_each_line_in_the_way_says_why_and_the_rest_can_be_bought(shop: Shop) -> None:
    user, owned, waiting, gone = shop.user(), shop.item(), shop.item(), shop.item()
    sword, potion = shop.item(), shop.item(consumable=True)
    for item in (owned, waiting, gone, sword, potion):
        cart.add(user.user_id, item.sku)
    other = shop.order(user, waiting, potion)
    shop.paid_order(user, owned)
    line = "INSERT INTO cart_lines (user_id, item_id, quantity, added_at) VALUES (:user, :item, 1, '2026-01-01')"
    shop.change(line, user=user.user_id, item=owned.id)
    shop.change("UPDATE items SET status = 'withdrawn' WHERE id = :id", id=gone.id)
    found = _cart(user)
    assert {line.item.sku: (line.obstacle, line.order_id) for line in found.lines} == {
        waiting.sku: ("Part of an order you have not paid yet.", other.id),
        gone.sku: ("No longer sold.", ""),
        sword.sku: ("", ""),
        potion.sku: ("", ""),
        owned.sku: ("In your library already.", ""),
    }
    assert found.wanted == {sword.sku: 1, potion.sku: 1}
    placed = shop.buy(user, found.wanted)
    # Now that order is for exactly what can be bought: it is paid, and not in the way.
    assert _cart(user).wanted == found.wanted
    assert shop.buy(user, found.wanted).order_id == placed.order_id


@pytest.mark.parametrize("seed", range(12))
def test_the_cart_and_the_checkout_agree_on_what_can_be_bought(shop: Shop, seed: int) -> None:
    chance, user = random.Random(seed), shop.user()
    once, potion = [shop.item() for _ in range(4)], shop.item(consumable=True)
    for item in chance.sample([*once, potion], chance.randint(2, 5)):
        cart.add(user.user_id, item.sku)
    waiting = chance.sample(once, chance.randint(1, 4))
    cut = chance.randint(0, len(waiting))
    for part in (waiting[:cut], waiting[cut:], []):
        if ordered := [*part, *([potion] if chance.random() < 0.5 else [])]:
            shop.order(user, *ordered)
    if chance.random() < 0.5:
        shop.change("UPDATE items SET status = 'withdrawn' WHERE id = :id", id=chance.choice(once).id)
    if chance.random() < 0.3:
        shop.change("UPDATE items SET price = price + 1 WHERE id = :id", id=chance.choice(once).id)
    found = _cart(user)
    for line in found.lines:
        if line.obstacle:
            with pytest.raises(Refusal):
                shop.buy(user, {**found.wanted, line.item.sku: line.quantity})
    if found.wanted:
        assert shop.buy(user, found.wanted).total == found.total


def test_requests_at_the_same_time_do_not_exceed_the_limit_of_the_cart(shop: Shop) -> None:
    user = shop.user()
    items = [shop.item() for _ in range(MAX_ORDER_LINES + 4)]
    for item in items[: MAX_ORDER_LINES - 1]:
        cart.add(user.user_id, item.sku)

    def add(item: Item) -> bool:
        try:
            cart.add(user.user_id, item.sku)
        except Invalid:
            return False
        return True

    with ThreadPoolExecutor(5) as threads:
        added = list(threads.map(add, items[MAX_ORDER_LINES - 1 :]))
    assert added.count(True) == 1
    assert len(_cart(user).lines) == MAX_ORDER_LINES
