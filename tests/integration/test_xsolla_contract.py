"""The rarer notifications: partial refunds, merchant tokens, disputes, users' public ids."""

from itertools import permutations
from typing import Any

import pytest

from store_app.db.unit_of_work import unit_of_work
from store_app.models import Order, PaymentKind, Verdict
from store_app.orders import lifecycle
from store_app.orders.ledger import Movement
from store_app.orders.locked_order import lock
from store_app.payments.registry import get_provider
from store_app.settings import get_settings
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


def _ledger(shop: Shop, order: Order) -> list[tuple[Any, ...]]:
    return shop.rows("SELECT kind, amount FROM payments WHERE order_id = :id ORDER BY id", id=order.id)


def test_a_partial_refund_with_tax_is_booked_as_its_share_of_the_price(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(1000))
    shop.notify(_with_tax(order))
    shop.notify(_part(order, "2.50"))
    assert _ledger(shop, order) == [("payment", 1000), ("partial_refund", -200)]
    assert shop.read(order.id).status == "partially_refunded"
    assert shop.purchases(order.id) == ["granted"]
    check(shop.engine)


def test_partial_refunds_that_add_up_to_the_payment_refund_the_order(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(1000))
    shop.notify(_with_tax(order))
    for number in range(3):
        # 4.17 + 4.17 + 4.16 = 12.50, and no share of the price is a whole number of cents.
        shop.notify(_part(order, "4.16" if number else "4.18", number))
    assert sum(amount for _kind, amount in _ledger(shop, order)) == 0
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
    assert "how much" in after.needs_attention
    check(shop.engine)


def test_a_repeated_partial_refund_is_booked_once_and_an_equal_second_one_again(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(1000))
    shop.notify(order_paid(order))
    outcomes = [shop.notify(_part(order, "1.00", number)).verdict for number in (1, 1, 2)]
    assert outcomes == [Verdict.DONE, Verdict.REPEAT, Verdict.DONE]
    assert _ledger(shop, order)[1:] == [("partial_refund", -100)] * 2


@pytest.mark.parametrize("sequence", list(permutations(range(3))))
def test_a_refund_that_names_only_its_transaction_finds_its_payment(shop: Shop, sequence: tuple[int, ...]) -> None:
    order = shop.order(shop.user(), shop.item(1000))
    without_order = refund(order)
    del without_order["custom_parameters"], without_order["transaction"]["external_id"]
    notifications = [order_paid(order), without_order, {**without_order, "again": True}]
    for number in sequence:
        assert shop.notify(notifications[number]).status == 204
    assert shop.read(order.id).status == "refunded"
    assert shop.purchases(order.id) == ["refunded"]
    check(shop.engine)


def test_a_refund_that_named_only_its_transaction_finds_a_payment_of_reconciliation(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(1000))
    without_order = refund(order)
    del without_order["custom_parameters"], without_order["transaction"]["external_id"]
    assert shop.notify(without_order).verdict is Verdict.UNMATCHED
    assert catch_up() == 0
    # As reconciliation does, which does not look at deliveries.
    with unit_of_work() as session:
        payment = Movement(PaymentKind.PAYMENT, 1000, "T1", provider="xsolla")
        lifecycle.receive_payment(session, lock(session, order.id), payment)
    assert (catch_up(), catch_up()) == (1, 0)
    assert (shop.read(order.id).status, shop.purchases(order.id)) == ("refunded", ["refunded"])
    assert shop.rows("SELECT verdict, order_id FROM webhook_deliveries") == [("done", order.id)]
    check(shop.engine)


def test_a_refund_that_names_an_unknown_order_is_tried_once_more_and_stays_unmatched(shop: Shop) -> None:
    order = shop.paid_order(shop.user(), shop.item(1000))
    stray = refund(order, "T" + order.id[:12])
    stray["custom_parameters"]["order_id"] = "unknown"
    assert shop.notify(stray).verdict is Verdict.UNMATCHED
    assert (catch_up(), catch_up()) == (1, 0)
    assert shop.rows("SELECT verdict FROM webhook_deliveries WHERE notification_type = 'refund'") == [
        ("unmatched",)
    ]
    assert shop.read(order.id).status == "paid"


def test_a_payment_by_a_merchant_token_grants_by_itself(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(1000), attempts=0)
    with unit_of_work() as session:
        lifecycle.start_attempt(session, lock(session, order.id), "xsolla", None, "http://provider.test/?token=m")
    assert shop.notify(payment(order)).verdict is Verdict.DONE
    assert shop.notify(payment(order)).verdict is Verdict.REPEAT
    assert shop.purchases(order.id) == ["granted"]


@pytest.mark.parametrize(("token", "granted"), [("merchant", ["granted"]), ("catalogue", [])])
def test_a_payment_without_a_recorded_attempt_grants_only_with_merchant_tokens(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, token: str, granted: list[str]
) -> None:
    # The process died after the page was opened and before the attempt was written.
    order = shop.order(shop.user(), shop.item(1000), attempts=0)
    monkeypatch.setenv("XSOLLA_TOKEN", token)
    get_settings.cache_clear()
    get_provider.cache_clear()
    assert shop.notify(payment(order)).status == 204
    assert shop.purchases(order.id) == granted
    check(shop.engine)


def test_a_dispute_is_flagged_for_staff_and_changes_nothing(shop: Shop) -> None:
    order = shop.paid_order(shop.user(), shop.item(1000))
    opened = {**payment(order), "notification_type": "dispute", "dispute": {"reason": "fraud"}}
    del opened["transaction"]["dry_run"]
    assert shop.notify(opened).verdict is Verdict.DONE
    after = shop.read(order.id)
    assert (after.status, after.needs_attention) == ("paid", "dispute: fraud")


def test_a_public_id_is_resolved_to_the_user(shop: Shop) -> None:
    user = shop.user(username="Kira", username_key="kira")
    found = shop.notify({"notification_type": "user_search", "user": {"public_id": "KIRA"}})
    assert (found.status, found.response.body) == (200, {"user": {"id": user.user_id}})
    missing = shop.notify({"notification_type": "user_search", "user": {"public_id": "nobody"}})
    assert (missing.status, missing.code) == (400, "INVALID_USER")


def test_a_payment_booked_without_its_tax_gets_it_from_a_later_notification(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(1000))
    # As reconciliation books it: the provider's answer does not contain the tax.
    shop.notify(order_paid(order))
    for number in range(2):
        shop.notify(_part(order, "5.20", number))
    assert shop.read(order.id).status == "refunded"
    shop.notify(_with_tax(order))
    # 10.40 of 12.50 went back.
    assert sum(amount for _kind, amount in _ledger(shop, order)) == 168
    assert shop.read(order.id).status == "partially_refunded"
    assert shop.purchases(order.id) == ["granted"]
    check(shop.engine)
