"""The rarer half of the provider's contract: parts of payments, merchant tokens, disputes, users' public ids."""

from itertools import permutations
from typing import Any

import pytest

from store_app.db.unit_of_work import unit_of_work
from store_app.models import Order, Verdict
from store_app.orders import lifecycle
from store_app.orders.bookkeeping import Money
from store_app.orders.locked_order import lock
from store_app.payments.registry import get_provider
from store_app.settings import get_settings
from tests.integration.shop import Json, Shop, order_paid, payment, refund
from tests.support.invariants import check
from webhook.intake import catch_up


def _with_tax(order: Order) -> Json:
    """Return the notification of a payment that was charged 25 % more than its price, as tax."""
    paid = order_paid(order)
    paid["billing"]["payment_details"] = {"payment": {"currency": "USD", "amount": order.total / 80}}
    return paid


def _part(order: Order, charged: str | None, number: int = 1) -> Json:
    """Return the notification that a part went back; `charged` is what the buyer got, with tax."""
    part = {**refund(order), "notification_type": "partial_refund", "number": number}
    details: dict[str, Any] = {"payment": {"currency": "USD", "amount": charged}} if charged else {}
    return {**part, "payment_details": details}


def _ledger(shop: Shop, order: Order) -> list[tuple[Any, ...]]:
    return shop.rows("SELECT kind, amount FROM payments WHERE order_id = :id ORDER BY id", id=order.id)


def test_a_part_with_tax_is_booked_as_its_share_of_the_price(shop: Shop) -> None:
    order = shop.order(shop.player(), shop.item(1000))
    shop.tell(_with_tax(order))
    shop.tell(_part(order, "2.50"))
    assert _ledger(shop, order) == [("payment", 1000), ("partial_refund", -200)]
    assert shop.read(order.id).status == "partially_refunded"
    assert shop.purchases(order.id) == ["granted"]
    check(shop.engine)


def test_parts_that_add_up_give_back_everything(shop: Shop) -> None:
    order = shop.order(shop.player(), shop.item(1000))
    shop.tell(_with_tax(order))
    for number in range(3):
        # 4.17 + 4.17 + 4.16 = 12.50, and no share of the price is a whole number of cents.
        shop.tell(_part(order, "4.16" if number else "4.18", number))
    assert sum(amount for _kind, amount in _ledger(shop, order)) == 0
    assert shop.read(order.id).status == "refunded"
    assert shop.purchases(order.id) == ["refunded"]
    check(shop.engine)


@pytest.mark.parametrize("charged", [None, "12.50"])
def test_a_part_that_is_not_known_is_left_to_a_person(shop: Shop, charged: str | None) -> None:
    order = shop.order(shop.player(), shop.item(1000))
    shop.tell(_with_tax(order))
    shop.tell(_part(order, charged))
    after = shop.read(order.id)
    assert (after.status, shop.purchases(order.id)) == ("partially_refunded", ["granted"])
    assert "how much" in after.needs_attention
    check(shop.engine)


def test_a_repeated_part_is_booked_once_and_an_equal_one_twice(shop: Shop) -> None:
    order = shop.order(shop.player(), shop.item(1000))
    shop.tell(order_paid(order))
    outcomes = [shop.tell(_part(order, "1.00", number)).verdict for number in (1, 1, 2)]
    assert outcomes == [Verdict.DONE, Verdict.REPEAT, Verdict.DONE]
    assert _ledger(shop, order)[1:] == [("partial_refund", -100)] * 2


@pytest.mark.parametrize("arrival", list(permutations(range(3))))
def test_a_refund_that_names_only_its_transaction_finds_its_payment(shop: Shop, arrival: tuple[int, ...]) -> None:
    order = shop.order(shop.player(), shop.item(1000))
    anonymous = refund(order)
    del anonymous["custom_parameters"], anonymous["transaction"]["external_id"]
    notifications = [order_paid(order), anonymous, {**anonymous, "again": True}]
    for number in arrival:
        assert shop.tell(notifications[number]).status == 204
    assert shop.read(order.id).status == "refunded"
    assert shop.purchases(order.id) == ["refunded"]
    check(shop.engine)


def test_a_refund_that_named_only_its_transaction_finds_a_payment_that_was_repaired(shop: Shop) -> None:
    order = shop.order(shop.player(), shop.item(1000))
    anonymous = refund(order)
    del anonymous["custom_parameters"], anonymous["transaction"]["external_id"]
    assert shop.tell(anonymous).verdict is Verdict.UNMATCHED
    assert catch_up() == 0
    # What a repair does, which knows nothing of deliveries.
    with unit_of_work() as session:
        lifecycle.receive_payment(session, lock(session, order.id), Money(1000, "USD", "xsolla", "T1"))
    assert (catch_up(), catch_up()) == (1, 0)
    assert (shop.read(order.id).status, shop.purchases(order.id)) == ("refunded", ["refunded"])
    assert shop.rows("SELECT verdict, order_id FROM webhook_deliveries") == [("done", order.id)]
    check(shop.engine)


def test_what_names_another_order_than_its_transaction_is_looked_at_once(shop: Shop) -> None:
    order = shop.paid_order(shop.player(), shop.item(1000))
    stray = refund(order, "T" + order.id[:12])
    stray["custom_parameters"]["order_id"] = "nobody-knows-it"
    assert shop.tell(stray).verdict is Verdict.UNMATCHED
    assert (catch_up(), catch_up()) == (1, 0)
    assert shop.rows("SELECT verdict FROM webhook_deliveries WHERE notification_type = 'refund'") == [
        ("unmatched",)
    ]
    assert shop.read(order.id).status == "paid"


def test_a_payment_by_a_merchant_token_grants_by_itself(shop: Shop) -> None:
    order = shop.order(shop.player(), shop.item(1000), attempts=0)
    with unit_of_work() as session:
        lifecycle.start_attempt(session, lock(session, order.id), "xsolla", None, "http://provider.test/?token=m")
    assert shop.tell(payment(order)).verdict is Verdict.DONE
    assert shop.tell(payment(order)).verdict is Verdict.REPEAT
    assert shop.purchases(order.id) == ["granted"]


@pytest.mark.parametrize(("token", "granted"), [("merchant", ["granted"]), ("catalogue", [])])
def test_a_payment_on_a_page_that_was_never_noted_grants_where_nothing_follows(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, token: str, granted: list[str]
) -> None:
    # The store died between opening the page and writing it down.
    order = shop.order(shop.player(), shop.item(1000), attempts=0)
    monkeypatch.setenv("XSOLLA_TOKEN", token)
    get_settings.cache_clear()
    get_provider.cache_clear()
    assert shop.tell(payment(order)).status == 204
    assert shop.purchases(order.id) == granted
    check(shop.engine)


def test_a_dispute_is_shown_to_a_person_and_moves_nothing(shop: Shop) -> None:
    order = shop.paid_order(shop.player(), shop.item(1000))
    opened = {**payment(order), "notification_type": "dispute", "dispute": {"reason": "fraud"}}
    del opened["transaction"]["dry_run"]
    assert shop.tell(opened).verdict is Verdict.DONE
    after = shop.read(order.id)
    assert (after.status, after.needs_attention) == ("paid", "dispute: fraud")


def test_a_public_id_is_resolved_to_the_user(shop: Shop) -> None:
    player = shop.player(username="Kira", username_key="kira")
    found = shop.tell({"notification_type": "user_search", "user": {"public_id": "KIRA"}})
    assert (found.status, found.response.body) == (200, {"user": {"id": player.user_id}})
    missing = shop.tell({"notification_type": "user_search", "user": {"public_id": "nobody"}})
    assert (missing.status, missing.code) == (400, "INVALID_USER")


def test_a_payment_that_was_heard_of_without_its_tax_learns_it(shop: Shop) -> None:
    order = shop.order(shop.player(), shop.item(1000))
    # As the provider answers when it is asked (`checkout.repair`): the tax is not in it.
    shop.tell(order_paid(order))
    for number in range(2):
        shop.tell(_part(order, "5.20", number))
    assert shop.read(order.id).status == "refunded"
    shop.tell(_with_tax(order))
    # 10.40 of 12.50 went back.
    assert sum(amount for _kind, amount in _ledger(shop, order)) == 168
    assert shop.read(order.id).status == "partially_refunded"
    assert shop.purchases(order.id) == ["granted"]
    check(shop.engine)
