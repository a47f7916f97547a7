"""What an adversarial review of payments found, one test for each defect: each failed on the code of that time."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from store_app.accounts import service as accounts
from store_app.accounts.service import CurrentUser
from store_app.background import tidy
from store_app.checkout import reconcile
from store_app.checkout.service import open_payment_page
from store_app.db.unit_of_work import unit_of_work
from store_app.errors import AlreadyOwned, Invalid, OrderNotPayable, ProviderPriceDiffers, ProviderUnavailable
from store_app.models import AttemptKind, Order, PaymentAttempt, Verdict, utc_now
from store_app.orders import service
from store_app.orders.ledger import PAID_TWICE, PART_UNKNOWN, PAYMENT_UNKNOWN, REFUND_UNNAMED, Fact
from store_app.orders.order import BUYER_CLOSED, NEVER_PAID, OWNED_ALREADY, PRICE_DIFFERS, Orders
from store_app.orders.payment_events import NAMES_DISAGREE, OTHER_USER
from store_app.payments.provider import EventKind, PaymentEvent
from tests.integration.shop import (
    Json,
    Shop,
    declined,
    order_canceled,
    order_paid,
    payment,
    refund,
    wait_until,
)
from tests.support.invariants import check
from webhook.intake import catch_up

WAITING = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
PAST = "2020-01-01 00:00:00+00:00"


class Answers:
    """A provider that answers reconciliation with these events."""

    def __init__(self, payments: Sequence[PaymentEvent] = (), refunds: Sequence[PaymentEvent] = ()) -> None:
        self._payments, self._refunds = payments, refunds
        self.asked: list[tuple[str, str]] = []

    async def find_payments(self, attempt: PaymentAttempt) -> Sequence[PaymentEvent]:
        self.asked.append((attempt.external_id, ""))
        return self._payments

    async def find_refunds(self, attempt: PaymentAttempt, transaction_id: str) -> Sequence[PaymentEvent]:
        self.asked.append((attempt.external_id, transaction_id))
        return self._refunds


def _reconcile(shop: Shop, provider: Any) -> int:
    shop.change("UPDATE orders SET next_check_at = :past WHERE next_check_at IS NOT NULL", past=PAST)
    return asyncio.run(reconcile.reconcile_due(provider))


def _pay(shop: Shop, user: CurrentUser, order: Order) -> str:
    return asyncio.run(open_payment_page(user, order.id, shop.provider.client())).payment_url


def _tax(charged: float) -> Json:
    return {"payment_details": {"payment": {"currency": "USD", "amount": charged}}}


def _part(order: Order, charged: float, number: int) -> Json:
    return refund(order) | _tax(charged) | {"notification_type": "partial_refund", "number": number}


def test_1_a_free_and_a_paid_item_are_bought_together(shop: Shop) -> None:
    user, free, sword = shop.user(), shop.item(0), shop.item(500)
    placed = shop.buy(user, {free.sku: 1, sword.sku: 1})
    assert shop.provider.asked[-1]["purchase"]["items"] == [{"sku": sword.sku, "quantity": 1}]
    assert shop.notify(order_paid(shop.read(placed.order_id))).verdict is Verdict.DONE
    assert shop.purchases(placed.order_id) == ["granted", "granted"]
    check(shop.engine)


def test_2_a_price_that_the_provider_would_not_charge_is_refused_before_paying(shop: Shop) -> None:
    user, sword = shop.user(), shop.item(500)
    # The provider's catalogue still has the old price.
    shop.provider.meanwhile = lambda _body: shop.change("UPDATE items SET price = 500")
    shop.change("UPDATE items SET price = 700")
    with pytest.raises(ProviderPriceDiffers):
        shop.buy(user, {sword.sku: 1})
    ((order_id, status),) = shop.rows("SELECT id, status FROM orders")
    assert (status, shop.flags(order_id)) == ("pending", [PRICE_DIFFERS])
    assert shop.rows("SELECT state, payment_url FROM payment_attempts") == [("opening", "")]
    # Once both have the same price it can be paid, and nothing says that a payment is being checked.
    shop.provider.meanwhile = lambda _body: None
    shop.change("UPDATE items SET price = 700")
    assert "token=" in shop.buy(user, {sword.sku: 1}).payment_url
    assert shop.flags(order_id) == []


def test_2_a_price_in_another_currency_is_refused_before_paying(shop: Shop) -> None:
    user, sword = shop.user(), shop.item(500)
    shop.change("UPDATE items SET currency = 'EUR'")
    with pytest.raises(ProviderPriceDiffers):
        shop.buy(user, {sword.sku: 1})


@pytest.mark.parametrize("change", ["price = 999", "status = 'withdrawn'"])
def test_2_an_order_whose_items_changed_gets_no_new_payment_page(shop: Shop, change: str) -> None:
    user = shop.user()
    order = shop.order(user, shop.item())
    shop.notify(declined(order))
    shop.change(f"UPDATE items SET {change}")
    with pytest.raises(OrderNotPayable):
        _pay(shop, user, order)
    assert shop.provider.asked == []


def test_3_a_paid_transaction_counts_more_than_a_canceled_one(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(), attempts=0)
    shop.attempt(order, provider_order_id=None, kind=AttemptKind.AMOUNT)
    paid = PaymentEvent(
        EventKind.PAID, "xsolla", transaction_id="T2", order_id=order.id, amount="1.99", currency="USD"
    )
    assert _reconcile(shop, Answers([paid])) == 1
    assert (shop.read(order.id).status, shop.flags(order.id)) == ("paid", [])


def test_4_two_payments_of_one_provider_order_are_refunded_one_by_one(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    shop.notify(order_paid(order, "U1"))
    shop.notify(order_paid(order, "U2"))
    assert shop.flags(order.id) == [PAID_TWICE]
    assert shop.notify(order_canceled(order, "U2")).verdict is Verdict.DONE
    assert (shop.read(order.id).status, shop.flags(order.id)) == ("paid", [])
    assert shop.notify(order_canceled(order, "U1")).verdict is Verdict.DONE
    assert (shop.read(order.id).status, shop.purchases(order.id)) == ("refunded", ["refunded"])
    check(shop.engine)


def test_4_a_refund_stays_that_of_its_own_payment(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    for notification in (order_paid(order, "U1"), order_canceled(order, "U1"), order_paid(order, "U2")):
        shop.notify(notification)
    assert shop.read(order.id).status == "paid"
    assert shop.notify(order_canceled(order, "U2")).verdict is Verdict.DONE
    assert shop.read(order.id).status == "refunded"


def test_5_parts_in_separate_mode_are_shares_of_the_price_with_tax(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(10_000))
    shop.notify(payment(order) | _tax(120.0))
    paid = order_paid(order)
    del paid["billing"]
    shop.notify(paid)
    for number, charged in enumerate((60.0, 45.0)):
        shop.notify(_part(order, charged, number))
    assert (shop.read(order.id).status, shop.purchases(order.id)) == ("partially_refunded", ["granted"])
    assert (shop.standing(order.id).left, shop.flags(order.id)) == (1_250, [])


def test_5_a_part_is_not_valued_while_the_tax_is_unknown(shop: Shop) -> None:
    order = shop.paid_order(shop.user(), shop.item(10_000))
    part = _part(order, 60.0, 1)
    part["transaction"]["id"] = "T" + order.id[:12]
    shop.notify(part)
    assert (shop.standing(order.id).left, shop.flags(order.id)) == (10_000, [PART_UNKNOWN])


def test_6_a_payment_without_its_transaction_is_the_one_that_is_notified_later(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    ((provider_order_id,),) = shop.rows("SELECT provider_order_id FROM payment_attempts")
    paid = PaymentEvent(
        EventKind.PAID, "xsolla", provider_order_id, order_id=order.id, amount="1.99", currency="USD"
    )
    _reconcile(shop, Answers([paid]))
    shop.notify(order_paid(order, "T1"))
    assert (shop.read(order.id).status, shop.flags(order.id)) == ("paid", [])
    shop.notify(order_canceled(order, "T1"))
    assert (shop.read(order.id).status, shop.purchases(order.id)) == ("refunded", ["refunded"])
    check(shop.engine)


def test_7_every_reason_is_listed(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    shop.notify(order_paid(order, "T1"))
    shop.notify(payment(order, "T1") | {"notification_type": "dispute", "dispute": {"reason": "fraud"}})
    shop.notify(order_paid(order, "T2"))
    assert shop.flags(order.id) == ["dispute (fraud): transaction T1", PAID_TWICE]


@pytest.mark.parametrize("what", ["unknown order", "other project"])
def test_7_a_genuine_delivery_of_no_order_is_listed(shop: Shop, what: str) -> None:
    order = shop.order(shop.user(), shop.item(), attempts=0)
    notification = order_paid(order)
    if what == "unknown order":
        order.id = "0" * 32
        notification = order_paid(order)
    else:
        notification["settings"] = {"project_id": 1}
    shop.notify(notification)
    ((delivery_id, verdict),) = shop.rows("SELECT id, verdict FROM webhook_deliveries")
    assert verdict in {"unmatched", "refused"}
    assert shop.rows("SELECT delivery_id FROM attention_flags") == [(delivery_id,)]


def test_7_a_delivery_that_was_applied_late_is_no_longer_listed(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    only_transaction = refund(order)
    del only_transaction["custom_parameters"], only_transaction["transaction"]["external_id"]
    assert shop.notify(only_transaction).verdict is Verdict.UNMATCHED
    shop.notify(order_paid(order))
    assert catch_up() == 1
    assert shop.read(order.id).status == "refunded"
    assert shop.rows("SELECT id FROM attention_flags WHERE settled_at IS NULL") == []


def test_8_an_open_order_for_something_now_owned_cannot_be_paid(shop: Shop) -> None:
    user, sword = shop.user(), shop.item()
    first = shop.order(user, sword)
    service.cancel(user.user_id, first.id)
    second = shop.order(user, sword)
    shop.notify(order_paid(first))
    with pytest.raises(OrderNotPayable, match="in your library"):
        _pay(shop, user, second)


def test_9_a_held_line_is_granted_when_the_purchase_in_its_way_is_taken_back(shop: Shop) -> None:
    user, sword = shop.user(), shop.item()
    first, second, third = (shop.order(user, sword) for _ in range(3))
    for number, order in enumerate((first, second, third)):
        shop.notify(order_paid(order, f"T{number}"))
    assert [shop.purchases(order.id) for order in (first, second, third)] == [["granted"], ["held"], ["held"]]
    assert shop.flags(second.id) == [OWNED_ALREADY]
    shop.notify(refund(first, "T0"))
    assert [shop.purchases(order.id) for order in (first, second, third)] == [["refunded"], ["granted"], ["held"]]
    assert (shop.flags(second.id), shop.flags(third.id)) == ([], [OWNED_ALREADY])
    check(shop.engine)


def test_10_closing_an_account_cancels_its_orders_and_a_late_payment_is_flagged(shop: Shop) -> None:
    user = shop.user()
    order = shop.order(user, shop.item())
    service.close_account(user, user.user_id)
    assert shop.read(order.id).status == "canceled"
    shop.notify(order_paid(order))
    assert (shop.read(order.id).status, shop.flags(order.id)) == ("paid", [BUYER_CLOSED])


@pytest.mark.parametrize("transaction", [None, "T1"])
def test_11_a_canceled_old_attempt_leaves_a_newer_one_open(shop: Shop, transaction: str | None) -> None:
    order = shop.order(shop.user(), shop.item(), attempts=2)
    shop.notify(order_canceled(order, transaction, attempt=1))
    assert shop.read(order.id).status == "pending"
    shop.notify(order_canceled(order, transaction and "T2", attempt=2))
    assert shop.read(order.id).status == "canceled"


@pytest.mark.parametrize(("order_id", "verdict"), [("1001", Verdict.DONE), ("another", Verdict.REFUSED)])
def test_13_all_names_of_an_order_are_tried_and_must_agree(shop: Shop, order_id: str, verdict: Verdict) -> None:
    user = shop.user()
    order, other = shop.paid_order(user, shop.item()), shop.order(user, shop.item())
    stray = refund(order, "T" + order.id[:12])
    stray["custom_parameters"]["order_id"] = other.id if order_id == "another" else order_id
    assert shop.notify(stray).verdict is verdict
    assert shop.read(order.id).status == ("refunded" if verdict is Verdict.DONE else "paid")
    assert shop.flags(order.id)
    assert shop.flags(other.id) == (
        [f"{NAMES_DISAGREE}: transaction T{order.id[:12]}"] if verdict is Verdict.REFUSED else []
    )


def test_13_a_payment_that_names_two_orders_grants_neither(shop: Shop) -> None:
    user = shop.user()
    first, second = shop.order(user, shop.item()), shop.order(user, shop.item())
    paid = order_paid(first)
    paid["custom_parameters"]["order_id"] = second.id
    assert shop.notify(paid).status == 204
    assert [shop.read(order.id).status for order in (first, second)] == ["pending", "pending"]
    assert [shop.flags(order.id) for order in (first, second)] == [[f"{NAMES_DISAGREE}: transaction T1"]] * 2


def test_13_a_refund_for_another_user_is_flagged_and_not_done(shop: Shop) -> None:
    order, stranger = shop.paid_order(shop.user(), shop.item()), shop.user()
    stray = refund(order, "T" + order.id[:12])
    stray["user"]["id"] = stranger.user_id
    assert shop.notify(stray).status == 204
    assert (shop.read(order.id).status, shop.flags(order.id)) == (
        "paid",
        [f"{OTHER_USER}: transaction T{order.id[:12]}"],
    )


def test_14_an_idempotency_key_returns_its_order_whatever_happened_since(shop: Shop) -> None:
    user, sword = shop.user(), shop.item()
    placed = shop.buy(user, {sword.sku: 1}, "K1")
    # An open order is returned for another key, too, which is then a key of this order.
    assert shop.buy(user, {sword.sku: 1}, "K2").order_id == placed.order_id
    shop.notify(order_paid(shop.read(placed.order_id)))
    shop.change("UPDATE items SET status = 'withdrawn'")
    for key in ("K1", "K2"):
        assert shop.buy(user, {sword.sku: 1}, key).order_id == placed.order_id
    with pytest.raises(Invalid):
        shop.buy(user, {sword.sku: 2}, "K1")
    with pytest.raises((AlreadyOwned, Invalid)):
        shop.buy(user, {sword.sku: 1}, "K3")


def test_15_a_payment_page_is_not_offered_after_its_token_has_expired(shop: Shop) -> None:
    user = shop.user()
    placed = shop.buy(user, {shop.item().sku: 1})
    old = utc_now() - timedelta(hours=24)
    shop.change("UPDATE payment_attempts SET created_at = :old", old=str(old))
    assert _pay(shop, user, shop.read(placed.order_id)) != placed.payment_url
    assert len(shop.rows("SELECT id FROM payment_attempts")) == 2


def test_15_reconciliation_counts_from_the_newest_attempt(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    shop.change("UPDATE orders SET created_at = :past", past=PAST)
    assert _reconcile(shop, Answers()) == 1
    shop.change("UPDATE payment_attempts SET created_at = :past", past=PAST)
    assert _reconcile(shop, Answers()) == 0
    assert shop.rows("SELECT next_check_at FROM orders WHERE id = :id", id=order.id) == [(None,)]


def test_16_each_call_for_a_payment_page_has_an_external_id_of_its_own(shop: Shop) -> None:
    user, sword = shop.user(), shop.item()
    shop.provider.status = 503
    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            shop.buy(user, {sword.sku: 1})
    shop.provider.status = 201
    shop.buy(user, {sword.sku: 1})
    external_ids = [asked["settings"]["external_id"].rpartition("-")[2] for asked in shop.provider.asked]
    assert external_ids == ["1", "2", "3"]
    assert [state for (state,) in shop.rows("SELECT state FROM payment_attempts ORDER BY number")] == [
        "opening",
        "opening",
        "open",
    ]


def test_17_a_lost_refund_of_a_paid_order_is_found(shop: Shop) -> None:
    order = shop.paid_order(shop.user(), shop.item())
    transaction = "T" + order.id[:12]
    back = PaymentEvent(EventKind.REFUNDED, "xsolla", transaction_id=transaction, order_id=order.id)
    provider = Answers(refunds=[back])
    assert _reconcile(shop, provider) == 1
    assert provider.asked == [(f"{order.id}-1", transaction)]
    assert (shop.read(order.id).status, shop.purchases(order.id)) == ("refunded", ["refunded"])


@pytest.mark.parametrize(("days", "pause"), [(1, 1), (29, 1), (31, 7), (179, 7), (181, None)])
def test_17_paid_orders_are_asked_about_for_180_days(shop: Shop, days: int, pause: int | None) -> None:
    order = shop.paid_order(shop.user(), shop.item())
    shop.change("UPDATE orders SET created_at = :then", then=str(utc_now() - timedelta(days=days)))
    _reconcile(shop, Answers())
    ((next_check,),) = shop.rows("SELECT next_check_at FROM orders WHERE id = :id", id=order.id)
    if pause is None:
        assert next_check is None
    else:
        expected = utc_now() + timedelta(days=pause)
        assert str(next_check)[:10] == str(expected)[:10]


def test_18_a_refund_of_an_unknown_payment_of_a_paid_order_is_flagged(shop: Shop) -> None:
    order = shop.paid_order(shop.user(), shop.item())
    shop.notify(refund(order, "T9"))
    assert (shop.read(order.id).status, shop.flags(order.id)) == ("paid", [PAYMENT_UNKNOWN])


def test_18_a_refund_that_names_the_order_of_another_payment_does_not_hide_the_true_one(shop: Shop) -> None:
    user = shop.user()
    paid, other = shop.paid_order(user, shop.item()), shop.order(user, shop.item())
    transaction = "T" + paid.id[:12]
    shop.notify(refund(other, transaction))
    assert [shop.read(order.id).status for order in (paid, other)] == ["paid", "pending"]
    assert shop.flags(paid.id) == shop.flags(other.id) == [f"{NAMES_DISAGREE}: transaction {transaction}"]
    assert shop.notify(refund(paid, transaction)).verdict is Verdict.DONE
    assert shop.read(paid.id).status == "refunded"


def test_19_an_order_whose_payment_is_checked_is_not_sold_again_until_staff_settle_it(shop: Shop) -> None:
    user, sword = shop.user(), shop.item()
    placed = shop.buy(user, {sword.sku: 1})
    wrong = order_paid(shop.read(placed.order_id))
    wrong["order"]["amount"] = "0.01"
    assert shop.notify(wrong).code == "INCORRECT_AMOUNT"
    with pytest.raises(OrderNotPayable, match="do not need to pay again"):
        shop.buy(user, {sword.sku: 1})
    shop.change("UPDATE attention_flags SET settled_at = :now, settled_by = 'Ada'", now=str(utc_now()))
    assert shop.buy(user, {sword.sku: 1}).payment_url == placed.payment_url


def test_22_equal_parts_with_the_same_bytes_are_one(shop: Shop) -> None:
    # Undecidable: see docs/decisions/0013.
    order = shop.order(shop.user(), shop.item(1_000))
    paid = order_paid(order)
    paid["billing"] |= _tax(10.0)
    shop.notify(paid)
    assert [shop.notify(_part(order, 1.0, 1)).verdict for _ in range(2)] == [Verdict.DONE, Verdict.REPEAT]


def _settle_all(shop: Shop) -> None:
    shop.change("UPDATE attention_flags SET settled_at = :now, settled_by = 'Ada'", now=str(utc_now()))


# --- found by the review of this code


def test_what_happens_again_after_staff_settled_it_is_flagged_again(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    for transaction in ("T1", "T2"):
        wrong = order_paid(order, transaction)
        wrong["order"]["amount"] = "1.0000"
        shop.notify(wrong)
        assert shop.flags(order.id) == [f"the payment has another amount: transaction {transaction}"]
        _settle_all(shop)


def test_two_payments_that_do_not_match_are_two_reasons(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    for transaction in ("T1", "T2"):
        wrong = order_paid(order, transaction)
        wrong["order"]["amount"] = "1.0000"
        shop.notify(wrong)
    assert len(shop.flags(order.id)) == 2


def test_an_order_paid_twice_again_is_flagged_again(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    shop.notify(order_paid(order, "T1"))
    shop.notify(order_paid(order, "T2"))
    _settle_all(shop)
    shop.notify(order_canceled(order, "T2"))
    shop.notify(order_paid(order, "T3"))
    assert shop.flags(order.id) == [PAID_TWICE]


@pytest.mark.parametrize("dialect", ["postgresql"])
def test_a_payment_that_waits_for_the_closing_of_its_account_is_flagged(shop: Shop) -> None:
    user = shop.user()
    order = shop.order(user, shop.item())
    with ThreadPoolExecutor(1) as pool:
        with unit_of_work() as work:
            Orders.of(work).lock(order.id)
            accounts.close_account(work, user.user_id)
            paying = pool.submit(shop.notify, order_paid(order))
            wait_until(lambda: shop.rows(WAITING) != [(0,)])
        assert paying.result().status == 204
    assert (shop.read(order.id).status, shop.flags(order.id)) == ("paid", [BUYER_CLOSED])


@pytest.mark.parametrize("dialect", ["postgresql"])
def test_a_refund_waits_for_a_payment_of_the_same_user(shop: Shop) -> None:
    user, sword = shop.user(), shop.item()
    first, second = shop.order(user, sword), shop.order(user, sword)
    shop.notify(order_paid(first, "T1"))
    with ThreadPoolExecutor(1) as pool:
        with unit_of_work() as work:
            order = Orders.of(work).lock(second.id)
            order.record(Fact("payment", "T2", "xsolla", "T2", amount=order.total))
            refunding = pool.submit(shop.notify, refund(first, "T1"))
            wait_until(lambda: shop.rows(WAITING) != [(0,)])
        assert refunding.result().status == 204
    assert [shop.purchases(one.id) for one in (first, second)] == [["refunded"], ["granted"]]
    check(shop.engine)


def test_the_refund_of_a_refused_payment_leaves_the_good_one(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    shop.notify(order_paid(order, "T1"))
    wrong = order_paid(order, "T2")
    wrong["order"]["amount"] = "1.0000"
    assert shop.notify(wrong).code == "INCORRECT_AMOUNT"
    shop.notify(order_canceled(order, "T2"))
    assert (shop.read(order.id).status, shop.purchases(order.id)) == ("paid", ["granted"])


def test_an_order_whose_money_was_taken_is_not_sold_again_and_flagged_when_it_expires(shop: Shop) -> None:
    user, sword = shop.user(), shop.item()
    placed = shop.buy(user, {sword.sku: 1})
    order = shop.read(placed.order_id)
    shop.notify(payment(order))
    with pytest.raises(OrderNotPayable, match="do not need to pay again"):
        shop.buy(user, {sword.sku: 1})
    assert shop.flags(order.id) == []
    shop.age(order.id)
    tidy()
    assert (shop.read(order.id).status, shop.flags(order.id)) == ("expired", [NEVER_PAID])
    shop.notify(order_paid(order))
    assert (shop.read(order.id).status, shop.flags(order.id)) == ("paid", [])


def test_money_that_is_taken_for_an_order_that_is_over_is_flagged(shop: Shop) -> None:
    user, sword = shop.user(), shop.item()
    order = shop.order(user, sword)
    service.cancel(user.user_id, order.id)
    shop.notify(payment(order, "T1"))
    assert shop.flags(order.id) == [NEVER_PAID]
    shop.notify(order_paid(order, "T1"))
    assert shop.flags(order.id) == []
    shop.notify(payment(order, "T2"))
    assert (shop.read(order.id).status, shop.flags(order.id)) == ("paid", [NEVER_PAID])
    shop.notify(refund(order, "T2"))
    assert (shop.read(order.id).status, shop.flags(order.id)) == ("paid", [])


def test_canceling_an_order_whose_money_was_taken_is_flagged(shop: Shop) -> None:
    user = shop.user()
    order = shop.order(user, shop.item())
    shop.notify(payment(order))
    service.cancel(user.user_id, order.id)
    assert (shop.read(order.id).status, shop.flags(order.id)) == ("canceled", [NEVER_PAID])


def test_a_payment_of_an_order_that_the_provider_had_canceled_is_flagged(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    shop.notify(order_canceled(order, None))
    shop.notify(order_paid(order, "T1"))
    assert (shop.read(order.id).status, shop.flags(order.id)) == ("refunded", [REFUND_UNNAMED])
    shop.notify(refund(order, "T1"))
    assert (shop.read(order.id).status, shop.flags(order.id)) == ("refunded", [])


def test_an_order_is_compared_again_after_the_provider_was_called(shop: Shop) -> None:
    user, sword = shop.user(), shop.item()
    other = shop.order(user, sword)
    service.cancel(user.user_id, other.id)
    shop.provider.meanwhile = lambda _body: assert_paid(shop, other)
    with pytest.raises(OrderNotPayable, match="in your library"):
        shop.buy(user, {sword.sku: 1})


def assert_paid(shop: Shop, order: Order) -> None:
    assert shop.notify(order_paid(order)).status == 204


def test_a_payment_of_an_unknown_order_is_matched_by_its_transaction(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    stray = order_paid(order, "T1")
    stray["order"]["id"], stray["custom_parameters"]["order_id"] = 1, "1001"
    del stray["billing"]["transaction"]["external_id"]
    assert shop.notify(stray).verdict is Verdict.UNMATCHED
    shop.notify(payment(order, "T1"))
    assert catch_up() == 1
    assert shop.rows("SELECT verdict FROM webhook_deliveries ORDER BY id") == [("done",), ("done",)]
    assert shop.read(order.id).status == "paid"
    assert catch_up() == 0


def test_an_attempt_that_nobody_paid_is_no_money_that_went_back(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(), attempts=2)
    shop.notify(order_canceled(order, None, 1))
    shop.notify(order_paid(order, "T2", 2))
    assert (shop.read(order.id).status, shop.flags(order.id)) == ("paid", [])


def test_ids_of_any_length_fit(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    taken = payment(order, "9" * 64) | _tax(1_234_567.0) | {"order": {"id": "8" * 64}}
    assert shop.notify(taken).status == 204
    paid = order_paid(order, "9" * 64)
    paid["billing"] |= {"payment_details": {"payment": {"amount": "9" * 30, "currency": "USD"}}}
    assert shop.notify(paid).status == 204


def test_reconciliation_asks_about_the_other_attempts_of_a_paid_order(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(), attempts=2)
    shop.notify(order_paid(order, "T1", 1))
    provider = Answers()
    _reconcile(shop, provider)
    assert sorted(provider.asked) == [(f"{order.id}-1", "T1"), (f"{order.id}-2", "")]


def test_a_payment_without_a_transaction_is_asked_about_by_its_attempt(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    notification = order_paid(order)
    del notification["billing"]["transaction"]["id"]
    notification["order"]["invoice_id"] = None
    shop.notify(notification)
    shop.change("UPDATE payment_attempts SET created_at = :past", past=PAST)
    provider = Answers()
    _reconcile(shop, provider)
    assert provider.asked == [(f"{order.id}-1", "")]
