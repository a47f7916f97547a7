"""Notifications that report the same thing again, or more of it, in whatever sequence they arrive."""

from itertools import permutations

import pytest

from store_app.orders.service import close_account
from tests.integration.shop import Shop, declined, order_canceled, order_paid, payment, refund
from webhook.intake import catch_up

TWO_REPORTS_OF_ONE_REFUND = ("paid", "refund", "order_canceled")


@pytest.mark.parametrize("names", list(permutations(TWO_REPORTS_OF_ONE_REFUND)))
def test_a_refund_that_a_later_notification_puts_on_the_provider_order_takes_its_payment_back(
    shop: Shop, names: tuple[str, ...]
) -> None:
    order = shop.order(shop.user(), shop.item())
    notifications = {
        "paid": order_paid(order, "T2"),
        # The same refund: first without the provider's order, as Xsolla sends it in separate mode.
        "refund": refund(order, "T1"),
        "order_canceled": order_canceled(order, "T1"),
    }
    for name in names:
        assert shop.notify(notifications[name]).status == 204
    assert shop.read(order.id).status == "refunded"


@pytest.mark.parametrize("names", list(permutations(("refund", "charge"))))
def test_what_names_only_a_transaction_is_applied_when_any_notification_says_whose_it_is(
    shop: Shop, names: tuple[str, ...]
) -> None:
    order = shop.order(shop.user(), shop.item())
    only_transaction = refund(order)
    del only_transaction["custom_parameters"], only_transaction["transaction"]["external_id"]
    for name in names:
        shop.notify({"refund": only_transaction, "charge": payment(order)}[name])
    catch_up()
    assert shop.read(order.id).status == "canceled"


def test_a_refund_of_the_whole_does_not_hide_that_the_parts_were_more(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(199))
    paid = order_paid(order)
    paid["billing"]["payment_details"] = {"payment": {"currency": "USD", "amount": "2.49"}}
    assert shop.notify(paid).status == 204
    for part in ("1.74", "1.80"):
        body = refund(order) | {"notification_type": "partial_refund"}
        assert (
            shop.notify(body | {"payment_details": {"payment": {"currency": "USD", "amount": part}}}).status == 204
        )
    assert shop.flags(order.id) == ["more was refunded than was paid"]
    assert shop.notify(refund(order)).status == 204
    assert shop.flags(order.id) == ["more was refunded than was paid"]


def test_a_part_refunded_after_the_account_was_closed_is_no_later_payment(shop: Shop) -> None:
    user = shop.user()
    order = shop.paid_order(user, shop.item(199))
    close_account(user, user.user_id)
    part = refund(order, "T" + order.id[:12]) | {"notification_type": "partial_refund"}
    assert shop.notify(part).status == 204
    assert "paid after the buyer's account was closed" not in shop.flags(order.id)


@pytest.mark.parametrize("names", list(permutations(("canceled", "declined"))))
def test_a_cancellation_of_an_unknown_page_does_not_decide_how_the_known_one_ended(
    shop: Shop, names: tuple[str, ...]
) -> None:
    order = shop.order(shop.user(), shop.item())
    canceled = order_canceled(order, None)
    canceled["order"]["id"] = 1
    del canceled["billing"]
    for name in names:
        assert shop.notify({"canceled": canceled, "declined": declined(order)}[name]).status == 204
    assert shop.read(order.id).status == "failed"
