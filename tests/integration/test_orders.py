"""The life of an order through signed notifications, on both databases."""

import pytest

from store_app.db.unit_of_work import read_session, unit_of_work
from store_app.errors import NotFound, OrderClosed
from store_app.models import Order
from store_app.orders import service
from store_app.orders.ledger import PAID_TWICE
from store_app.orders.order import OWNED_ALREADY, Orders
from store_app.orders.queries import find_order
from tests.integration.shop import Shop, declined, order_canceled, order_paid, refund
from tests.support.invariants import check


def _timeline(shop: Shop, order: Order) -> list[str]:
    return [
        row[0] for row in shop.rows("SELECT kind FROM order_events WHERE order_id = :id ORDER BY id", id=order.id)
    ]


def _pending(shop: Shop, order: Order) -> int:
    return len(shop.rows("SELECT id FROM pending_purchases WHERE order_id = :id", id=order.id))


def test_a_placed_order_keeps_its_prices(shop: Shop) -> None:
    user, sword, potion = shop.user(), shop.item(99_999), shop.item(499, consumable=True)
    order = shop.order(user, sword, potion)
    assert (order.status, order.total, order.currency) == ("pending", 100_498, "USD")
    assert len(order.id) == 32
    shop.change("UPDATE items SET price = 1")
    assert shop.notify(order_paid(order)).status == 204
    prices = shop.rows("SELECT unit_price FROM purchases WHERE order_id = :id ORDER BY id", id=order.id)
    assert prices == [(99_999,), (499,)]
    check(shop.engine)


def test_paying_moves_the_lines_and_removes_their_items_from_the_cart(shop: Shop) -> None:
    user, sword, boots = shop.user(), shop.item(), shop.item()
    for item in (sword, boots):
        shop.change(
            "INSERT INTO cart_lines (user_id, item_id, quantity, added_at) VALUES (:user, :item, 1, '2026-01-01')",
            user=user.user_id,
            item=item.id,
        )
    order = shop.order(user, sword)
    assert shop.notify(order_paid(order)).verdict == "done"
    assert shop.read(order.id).status == "paid"
    assert shop.purchases(order.id) == ["granted"]
    assert _pending(shop, order) == 0
    assert _timeline(shop, order) == ["placed", "paid"]
    assert shop.rows("SELECT item_id FROM cart_lines") == [(boots.id,)]
    check(shop.engine)


def test_a_repeat_changes_nothing(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    assert shop.notify(order_paid(order)).verdict == "done"
    before = (
        shop.rows("SELECT id, status, timestamp FROM purchases"),
        shop.rows("SELECT id FROM outbox ORDER BY id"),
    )
    again = shop.notify(order_paid(order))
    assert (again.verdict, again.status) == ("repeat", 204)
    after = (
        shop.rows("SELECT id, status, timestamp FROM purchases"),
        shop.rows("SELECT id FROM outbox ORDER BY id"),
    )
    assert before == after
    check(shop.engine)


@pytest.mark.parametrize("undo", [refund, order_canceled])
def test_a_refund_revokes_the_purchases(shop: Shop, undo: object) -> None:
    user = shop.user()
    order = shop.order(user, shop.item(), shop.item(consumable=True))
    shop.notify(order_paid(order))
    assert callable(undo)
    assert shop.notify(undo(order)).verdict == "done"
    assert shop.notify(undo(order)).verdict == "repeat"
    assert shop.read(order.id).status == "refunded"
    assert shop.purchases(order.id) == ["refunded", "refunded"]
    assert shop.standing(order.id).left == 0
    check(shop.engine)


def test_a_refund_revokes_only_the_purchases_of_its_own_order(shop: Shop) -> None:
    user, potion = shop.user(), shop.item(consumable=True)
    first, second = shop.paid_order(user, potion), shop.paid_order(user, potion)
    assert (shop.purchases(first.id), shop.purchases(second.id)) == (["granted"], ["granted"])
    shop.notify(refund(first, "T" + first.id[:12]))
    assert shop.purchases(first.id) == ["refunded"]
    assert shop.purchases(second.id) == ["granted"]
    check(shop.engine)


def test_a_chargeback_revokes_the_purchases(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    shop.notify(order_paid(order))
    assert shop.notify(refund(order, code=2)).status == 204
    assert shop.read(order.id).status == "charged_back"
    assert shop.purchases(order.id) == ["refunded"]
    check(shop.engine)


@pytest.mark.parametrize("undo", [refund, order_canceled])
def test_a_payment_whose_refund_arrived_first_grants_nothing(shop: Shop, undo: object) -> None:
    order = shop.order(shop.user(), shop.item())
    assert callable(undo)
    assert shop.notify(undo(order)).status == 204
    assert shop.read(order.id).status == "canceled"
    assert shop.notify(order_paid(order)).status == 204
    assert shop.read(order.id).status == "refunded"
    assert shop.purchases(order.id) == ["refunded"]
    check(shop.engine)


def test_another_attempt_after_a_refund_grants(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(), attempts=2)
    for notification in (refund(order, "T1"), order_paid(order, "T1"), order_paid(order, "T2")):
        assert shop.notify(notification).status == 204
    assert shop.read(order.id).status == "paid"
    assert shop.purchases(order.id) == ["granted"]
    shop.notify(refund(order, "T2"))
    assert shop.purchases(order.id) == ["refunded"]
    check(shop.engine)


def test_an_item_that_another_order_granted_meanwhile_is_held(shop: Shop) -> None:
    user, sword = shop.user(), shop.item()
    order = shop.order(user, sword)
    shop.notify(order_paid(order, "T1"))
    shop.notify(refund(order, "T1"))
    other = shop.paid_order(user, sword)
    assert shop.purchases(other.id) == ["granted"]
    assert shop.notify(order_paid(order, "T2")).status == 204
    assert shop.purchases(order.id) == ["held"]
    assert shop.flags(order.id)
    check(shop.engine)


def test_a_second_payment_is_flagged_and_one_refund_leaves_the_purchase_granted(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    shop.notify(order_paid(order, "T1"))
    shop.notify(order_paid(order, "T2"))
    assert shop.flags(order.id) == [PAID_TWICE]
    assert shop.purchases(order.id) == ["granted"]
    shop.notify(refund(order, "T1"))
    assert shop.read(order.id).status == "paid"
    assert shop.purchases(order.id) == ["granted"]
    check(shop.engine)


def test_the_second_paid_order_for_a_non_consumable_is_held(shop: Shop) -> None:
    user, sword, potion = shop.user(), shop.item(), shop.item(consumable=True)
    first, second = shop.order(user, sword), shop.order(user, sword, potion)
    shop.notify(order_paid(first, "T1"))
    assert shop.notify(order_paid(second, "T2")).status == 204
    assert shop.purchases(first.id) == ["granted"]
    assert sorted(shop.purchases(second.id)) == ["granted", "held"]
    assert shop.read(second.id).status == "paid"
    assert shop.flags(second.id) == [OWNED_ALREADY]
    assert shop.flags(first.id) == []
    check(shop.engine)
    shop.notify(refund(second, "T2"))
    assert shop.purchases(first.id) == ["granted"]
    assert shop.purchases(second.id) == ["refunded", "refunded"]
    check(shop.engine)


def test_a_purchase_of_another_user_holds_nothing(shop: Shop) -> None:
    sword = shop.item()
    orders = [shop.paid_order(shop.user(), sword) for _ in range(2)]
    assert [shop.purchases(order.id) for order in orders] == [["granted"], ["granted"]]


def test_a_refund_of_a_held_line_grants_no_other(shop: Shop) -> None:
    user, sword = shop.user(), shop.item()
    first, second, third = (shop.paid_order(user, sword) for _ in range(3))
    assert shop.notify(refund(second, "T" + second.id[:12])).status == 204
    assert [shop.purchases(order.id) for order in (first, second, third)] == [["granted"], ["refunded"], ["held"]]
    assert (shop.flags(second.id), shop.flags(third.id)) == ([], [OWNED_ALREADY])
    check(shop.engine)


def test_an_order_stays_flagged_while_one_of_its_lines_is_held(shop: Shop) -> None:
    user, sword, shield = shop.user(), shop.item(), shop.item()
    first, second, both = (shop.paid_order(user, *items) for items in ([sword], [shield], [sword, shield]))
    shop.notify(refund(first, "T" + first.id[:12]))
    assert (shop.purchases(both.id), shop.flags(both.id)) == (["granted", "held"], [OWNED_ALREADY])
    shop.notify(refund(second, "T" + second.id[:12]))
    assert (shop.purchases(both.id), shop.flags(both.id)) == (["granted", "granted"], [])
    check(shop.engine)


@pytest.mark.parametrize("status", ["canceled", "expired", "failed"])
def test_a_closed_order_that_is_paid_is_granted(shop: Shop, status: str) -> None:
    user = shop.user()
    order = shop.order(user, shop.item())
    if status == "canceled":
        service.cancel(user.user_id, order.id)
    elif status == "failed":
        shop.notify(declined(order))
    else:
        shop.age(order.id)
        with unit_of_work() as work:
            assert Orders.of(work).expire_due() == 1
    assert shop.read(order.id).status == status
    shop.notify(order_paid(order))
    assert shop.read(order.id).status == "paid"
    assert shop.purchases(order.id) == ["granted"]
    check(shop.engine)


def test_a_transaction_that_paid_another_order_grants_nothing_and_is_flagged(shop: Shop) -> None:
    user = shop.user()
    first, second = shop.order(user, shop.item()), shop.order(user, shop.item())
    shop.notify(order_paid(first, "T1"))
    assert shop.notify(order_paid(second, "T1")).status == 204
    assert shop.read(second.id).status == "pending"
    assert shop.flags(second.id)
    assert shop.flags(first.id) == []
    assert shop.purchases(second.id) == []


# --- declined, retried, canceled, expired


def test_declined_then_paid(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    assert shop.notify(declined(order)).verdict == "done"
    assert shop.read(order.id).status == "failed"
    shop.attempt(order)
    assert shop.read(order.id).status == "pending"
    shop.notify(order_paid(order))
    assert _timeline(shop, order) == ["placed", "failed", "pending", "paid"]
    check(shop.engine)


def test_a_late_decline_of_an_older_attempt_leaves_the_newer_one_open(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item(), attempts=2)
    assert shop.notify(declined(order, attempt=1)).status == 204
    assert shop.read(order.id).status == "pending"
    shop.notify(declined(order, attempt=2))
    assert shop.read(order.id).status == "failed"


@pytest.mark.parametrize("attempt", ["x", "", "99999999999999999999", "-1", "٣"])
def test_a_decline_that_names_no_attempt_declines_them_all(shop: Shop, attempt: str) -> None:
    order = shop.order(shop.user(), shop.item(), attempts=2)
    notification = declined(order)
    notification["transaction"]["external_id"] = f"{order.id}-{attempt}"
    assert shop.notify(notification).status == 204
    assert shop.read(order.id).status in {"failed", "pending"}
    check(shop.engine)


def test_a_decline_after_the_payment_changes_nothing(shop: Shop) -> None:
    order = shop.paid_order(shop.user(), shop.item())
    assert shop.notify(declined(order)).verdict == "repeat"
    assert shop.read(order.id).status == "paid"


def test_a_user_cancels_an_order(shop: Shop) -> None:
    user, stranger = shop.user(), shop.user()
    order = shop.order(user, shop.item())
    with pytest.raises(NotFound):
        service.cancel(stranger.user_id, order.id)
    assert service.cancel(user.user_id, order.id).order.status == "canceled"
    assert service.cancel(user.user_id, order.id).order.status == "canceled"
    assert _timeline(shop, order) == ["placed", "canceled"]
    paid = shop.paid_order(user, shop.item())
    with pytest.raises(OrderClosed):
        service.cancel(user.user_id, paid.id)
    assert shop.purchases(paid.id) == ["granted"]


@pytest.mark.parametrize("order_id", ["", "no-such-order", "\x00", "\ud800", "x" * 10_000])
def test_an_unknown_order_is_not_found(shop: Shop, order_id: str) -> None:
    user = shop.user()
    with pytest.raises(NotFound):
        service.cancel(user.user_id, order_id)
    with read_session() as session, pytest.raises(NotFound):
        find_order(session, user.user_id, order_id)


def test_the_provider_cancels_an_unpaid_order(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    notification = order_canceled(order, None)
    del notification["billing"]["transaction"]["id"]
    assert shop.notify(notification).verdict == "done"
    assert shop.read(order.id).status == "canceled"
    assert shop.notify(notification).verdict == "repeat"
    check(shop.engine)


def test_only_open_orders_whose_time_is_over_expire(shop: Shop) -> None:
    user = shop.user()
    due, failed, paid, fresh = (shop.order(user, shop.item()) for _ in range(4))
    shop.notify(declined(failed))
    shop.notify(order_paid(paid))
    for order in (due, failed, paid):
        shop.age(order.id)
    with unit_of_work() as work:
        assert Orders.of(work).expire_due() == 2
    assert [shop.read(order.id).status for order in (due, failed, paid, fresh)] == [
        "expired",
        "expired",
        "paid",
        "pending",
    ]
    with unit_of_work() as work:
        assert Orders.of(work).expire_due() == 0
    check(shop.engine)


def test_orders_expire_in_batches(shop: Shop) -> None:
    user, potion = shop.user(), shop.item(consumable=True)
    for _ in range(5):
        shop.age(shop.order(user, potion).id)
    with unit_of_work() as work:
        assert Orders.of(work).expire_due(limit=3) == 3
    with unit_of_work() as work:
        assert Orders.of(work).expire_due(limit=3) == 2


def test_a_read_session_changes_nothing(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    with read_session() as session:
        session.get(Order, order.id).status = "paid"  # type: ignore[union-attr]
    assert shop.read(order.id).status == "pending"


def test_a_purchase_stores_its_time_as_other_rows_do(shop: Shop) -> None:
    order = shop.order(shop.user(), shop.item())
    assert shop.notify(order_paid(order)).status == 204
    ((purchased,),) = shop.rows("SELECT timestamp FROM purchases WHERE order_id = :id", id=order.id)
    ((updated,),) = shop.rows("SELECT updated_at FROM orders WHERE id = :id", id=order.id)
    assert str(purchased)[:10] == str(updated)[:10]
    end_of_microseconds = len("2026-01-01 00:00:00.000000")
    assert str(purchased)[end_of_microseconds:] == str(updated)[end_of_microseconds:]
