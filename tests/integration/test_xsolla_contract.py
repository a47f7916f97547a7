"""The rarer notifications: partial refunds, merchant tokens, disputes, users' public ids."""

from itertools import permutations
from typing import Any

import pytest

from store_app.models import AttemptKind, Order, Verdict
from store_app.orders.ledger import PART_UNKNOWN
from store_app.orders.payment_events import OTHER_ORDER_NAMED, PAGE_UNKNOWN
from tests.integration.shop import Json, Shop, order_paid, payment, refund
from tests.support.invariants import check
from webhook.intake import catch_up


def _with_tax(order: Order) -> Json:
    """Return the notification of a payment that was charged 25 % tax on top of its price."""
    paid = order_paid(order)
    paid["billing"]["payment_details"] = {"payment": {"currency": "USD", "amount": order.total / 80}}
    return paid


def _part(order: Order, charged: str | None, number: int = 1) -> Json:
    """Return the notification of a partial refund; `charged` is its amount with tax."""
    part = {**refund(order), "notification_type": "partial_refund", "number": number}
    details: dict[str, Any] = {"payment": {"currency": "USD", "amount": charged}} if charged else {}
    return {**part, "payment_details": details}


def test_a_partial_refund_with_tax_is_booked_as_its_share_of_the_price(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(1000))
    shop.notify(_with_tax(order))
    shop.notify(_part(order, "2.50"))
    assert shop.standing(order.id).left == 800
    assert shop.read(order.id).status == "partially_refunded"
    assert shop.purchases(order.id) == ["granted"]
    check(shop.engine)


def test_partial_refunds_that_add_up_to_the_payment_refund_the_order(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(1000))
    shop.notify(_with_tax(order))
    for number in range(3):
        # 4.17 + 4.17 + 4.16 = 12.50, and no share of the price is a whole number of cents.
        shop.notify(_part(order, "4.16" if number else "4.18", number))
    assert shop.standing(order.id).left == 0
    assert shop.read(order.id).status == "refunded"
    assert shop.purchases(order.id) == ["refunded"]
    check(shop.engine)


@pytest.mark.parametrize("charged", [None, "12.50"])
def test_a_partial_refund_of_unknown_amount_is_flagged_for_staff(shop: Shop, charged: str | None) -> None:
    order = shop.order(shop.user(), shop.item(1000))
    shop.notify(_with_tax(order))
    shop.notify(_part(order, charged))
    after = shop.read(order.id)
    assert (after.status, shop.purchases(order.id)) == ("partially_refunded", ["granted"])
    assert shop.flags(order.id) == [PART_UNKNOWN]
    check(shop.engine)


def test_a_repeated_partial_refund_is_booked_once_and_an_equal_second_one_again(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(1000))
    shop.notify(_with_tax(order))
    outcomes = [shop.notify(_part(order, "1.25", number)).verdict for number in (1, 1, 2)]
    assert outcomes == [Verdict.DONE, Verdict.REPEAT, Verdict.DONE]
    assert shop.standing(order.id).left == 800


@pytest.mark.parametrize("sequence", list(permutations(range(3))))
def test_a_refund_that_names_only_its_transaction_finds_its_payment(shop: Shop, sequence: tuple[int, ...]) -> None:
    order = shop.order(shop.user(), shop.item(1000))
    without_order = refund(order)
    del without_order["custom_parameters"], without_order["transaction"]["external_id"]
    notifications = [order_paid(order), without_order, {**without_order, "again": True}]
    for number in sequence:
        assert shop.notify(notifications[number]).status == 204
    catch_up()
    assert shop.read(order.id).status == "refunded"
    assert shop.purchases(order.id) == ["refunded"]
    check(shop.engine)


def test_a_refund_that_named_only_its_transaction_is_applied_when_its_payment_is_recorded(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(1000))
    without_order = refund(order)
    del without_order["custom_parameters"], without_order["transaction"]["external_id"]
    assert shop.notify(without_order).verdict is Verdict.UNMATCHED
    assert catch_up() == 0
    assert shop.rows("SELECT reason FROM attention_flags WHERE settled_at IS NULL") != []
    assert shop.notify(order_paid(order)).verdict is Verdict.DONE
    assert (catch_up(), catch_up()) == (1, 0)
    assert (shop.read(order.id).status, shop.purchases(order.id)) == ("refunded", ["refunded"])
    assert shop.rows("SELECT DISTINCT verdict, order_id FROM webhook_deliveries") == [("done", order.id)]
    assert shop.rows("SELECT reason FROM attention_flags WHERE settled_at IS NULL") == []
    check(shop.engine)


def test_a_refund_that_names_an_unknown_order_but_a_known_transaction_is_done_and_flagged(shop: Shop) -> None:
    order = shop.paid_order(shop.user(), shop.item(1000))
    stray = refund(order, "T" + order.id[:12])
    stray["custom_parameters"]["order_id"] = stray["transaction"]["external_id"] = "unknown"
    assert shop.notify(stray).verdict is Verdict.DONE
    assert shop.read(order.id).status == "refunded"
    assert shop.flags(order.id) == [f"{OTHER_ORDER_NAMED}: transaction T{order.id[:12]}"]
    check(shop.engine)


def test_a_payment_for_an_amount_grants_by_itself(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(1000), attempts=0)
    shop.attempt(order, provider_order_id=None, kind=AttemptKind.AMOUNT)
    assert shop.notify(payment(order)).verdict is Verdict.DONE
    assert shop.notify(payment(order)).verdict is Verdict.REPEAT
    assert shop.purchases(order.id) == ["granted"]


@pytest.mark.parametrize(("attempt", "granted"), [(1, ["granted"]), (2, [])])
def test_each_attempt_is_judged_by_its_own_kind(shop: Shop, attempt: int, granted: list[str]) -> None:
    # XSOLLA_TOKEN was changed while the order was open.
    order = shop.order(shop.user(), shop.item(1000), attempts=0)
    shop.attempt(order, provider_order_id=None, kind=AttemptKind.AMOUNT)
    shop.attempt(order)
    taken = payment(order)
    taken["transaction"]["external_id"] = f"{order.id}-{attempt}"
    assert shop.notify(taken).verdict is Verdict.DONE
    assert (shop.purchases(order.id), shop.flags(order.id)) == (granted, [])
    check(shop.engine)


@pytest.mark.parametrize("kinds", [[], [AttemptKind.AMOUNT, AttemptKind.CATALOGUE]])
def test_money_taken_on_an_unknown_payment_page_is_flagged(shop: Shop, kinds: list[AttemptKind]) -> None:
    order = shop.order(shop.user(), shop.item(1000), attempts=0)
    for kind in kinds:
        shop.attempt(order, provider_order_id=None, kind=kind)
    taken = payment(order)
    del taken["transaction"]["external_id"]
    assert shop.notify(taken).status == 204
    assert (shop.purchases(order.id), shop.flags(order.id)) == ([], [f"{PAGE_UNKNOWN}: transaction T1"])


def test_a_dispute_is_flagged_for_staff_and_changes_nothing(shop: Shop) -> None:
    order = shop.paid_order(shop.user(), shop.item(1000))
    opened = {**payment(order), "notification_type": "dispute", "dispute": {"reason": "fraud"}}
    del opened["transaction"]["dry_run"]
    assert shop.notify(opened).verdict is Verdict.DONE
    assert (shop.read(order.id).status, shop.flags(order.id)) == ("paid", ["dispute (fraud): transaction T1"])


def test_a_public_id_is_resolved_to_the_user(shop: Shop) -> None:
    user = shop.user(username="Kira", username_key="kira")
    found = shop.notify({"notification_type": "user_search", "user": {"public_id": "KIRA"}})
    assert (found.status, found.response.body) == (200, {"user": {"id": user.user_id}})
    missing = shop.notify({"notification_type": "user_search", "user": {"public_id": "nobody"}})
    assert (missing.status, missing.code) == (400, "INVALID_USER")


def test_the_tax_of_a_payment_may_arrive_after_its_partial_refunds(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(1000))
    # As reconciliation records it: the provider's answer does not contain the tax.
    shop.notify(order_paid(order))
    for number in range(2):
        shop.notify(_part(order, "5.20", number))
    assert shop.read(order.id).status == "partially_refunded"
    assert shop.flags(order.id) == [PART_UNKNOWN]
    shop.notify(_with_tax(order))
    # 10.40 of 12.50 went back.
    assert shop.standing(order.id).left == 168
    assert shop.flags(order.id) == []
    assert (shop.read(order.id).status, shop.purchases(order.id)) == ("partially_refunded", ["granted"])
    check(shop.engine)
