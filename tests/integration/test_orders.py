"""The life of an order through signed notifications, on both databases."""

import pytest
from hypothesis import HealthCheck, settings

from store_app.db.unit_of_work import read_session, unit_of_work
from store_app.errors import NotFound, OrderClosed
from store_app.models import Order
from store_app.orders import lifecycle, service
from store_app.orders.locked_order import lock
from tests.integration.shop import Shop, declined, order_canceled, order_paid, refund
from tests.support.invariants import check

on_one_database = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _timeline(shop: Shop, order: Order) -> list[str]:
    return [
        row[0] for row in shop.rows("SELECT kind FROM order_events WHERE order_id = :id ORDER BY id", id=order.id)
    ]


def _pending(shop: Shop, order: Order) -> int:
    return len(shop.rows("SELECT id FROM pending_purchases WHERE order_id = :id", id=order.id))


def test_a_placed_order_keeps_the_prices_of_its_moment(shop: Shop) -> None:
    player, sword, potion = shop.player(), shop.item(99_999), shop.item(499, consumable=True)
    order = shop.order(player, sword, potion)
    assert (order.status, order.total, order.currency) == ("pending", 100_498, "USD")
    assert len(order.id) == 32
    shop.change("UPDATE items SET price = 1")
    assert shop.tell(order_paid(order)).status == 204
    prices = shop.rows("SELECT unit_price FROM purchases WHERE order_id = :id ORDER BY id", id=order.id)
    assert prices == [(99_999,), (499,)]
    check(shop.engine)


def test_paying_moves_the_lines_and_empties_the_cart_of_them(shop: Shop) -> None:
    player, sword, boots = shop.player(), shop.item(), shop.item()
    for item in (sword, boots):
        shop.change(
            "INSERT INTO cart_lines (user_id, item_id, quantity, added_at) VALUES (:user, :item, 1, '2026-01-01')",
            user=player.user_id,
            item=item.id,
        )
    order = shop.order(player, sword)
    assert shop.tell(order_paid(order)).verdict == "done"
    assert shop.read(order.id).status == "paid"
    assert shop.purchases(order.id) == ["granted"]
    assert _pending(shop, order) == 0
    assert _timeline(shop, order) == ["placed", "paid"]
    assert shop.rows("SELECT item_id FROM cart_lines") == [(boots.id,)]
    check(shop.engine)


def test_a_repeat_changes_nothing(shop: Shop) -> None:
    order = shop.order(shop.player(), shop.item())
    assert shop.tell(order_paid(order)).verdict == "done"
    before = (
        shop.rows("SELECT id, status, timestamp FROM purchases"),
        shop.rows("SELECT id FROM outbox ORDER BY id"),
    )
    again = shop.tell(order_paid(order))
    assert (again.verdict, again.status) == ("repeat", 204)
    after = (
        shop.rows("SELECT id, status, timestamp FROM purchases"),
        shop.rows("SELECT id FROM outbox ORDER BY id"),
    )
    assert before == after
    check(shop.engine)


@pytest.mark.parametrize("undo", [refund, order_canceled])
def test_money_that_goes_back_takes_back_what_it_bought(shop: Shop, undo: object) -> None:
    player = shop.player()
    order = shop.order(player, shop.item(), shop.item(consumable=True))
    shop.tell(order_paid(order))
    assert callable(undo)
    assert shop.tell(undo(order)).verdict == "done"
    assert shop.tell(undo(order)).verdict == "repeat"
    assert shop.read(order.id).status == "refunded"
    assert shop.purchases(order.id) == ["refunded", "refunded"]
    assert shop.rows("SELECT SUM(amount) FROM payments") == [(0,)]
    check(shop.engine)


def test_a_refund_takes_back_only_what_its_own_order_granted(shop: Shop) -> None:
    player, potion = shop.player(), shop.item(consumable=True)
    first, second = shop.paid_order(player, potion), shop.paid_order(player, potion)
    shop.tell(refund(first, "T" + first.id[:12]))
    assert shop.purchases(first.id) == ["refunded"]
    assert shop.purchases(second.id) == ["granted"]
    check(shop.engine)


def test_the_bank_takes_it_back(shop: Shop) -> None:
    order = shop.order(shop.player(), shop.item())
    shop.tell(order_paid(order))
    assert shop.tell(refund(order, code=2)).status == 204
    assert shop.read(order.id).status == "charged_back"
    assert shop.purchases(order.id) == ["refunded"]
    check(shop.engine)


@pytest.mark.parametrize("undo", [refund, order_canceled])
def test_a_refund_that_comes_first_is_remembered(shop: Shop, undo: object) -> None:
    order = shop.order(shop.player(), shop.item())
    assert callable(undo)
    assert shop.tell(undo(order)).status == 204
    assert shop.read(order.id).status == "canceled"
    assert shop.tell(order_paid(order)).status == 204
    assert shop.read(order.id).status == "refunded"
    assert shop.purchases(order.id) == ["refunded"]
    check(shop.engine)


def test_another_attempt_after_a_refund_grants(shop: Shop) -> None:
    order = shop.order(shop.player(), shop.item(), attempts=2)
    for told in (refund(order, "T1"), order_paid(order, "T1"), order_paid(order, "T2")):
        assert shop.tell(told).status == 204
    assert shop.read(order.id).status == "paid"
    assert shop.purchases(order.id) == ["granted"]
    shop.tell(refund(order, "T2"))
    assert shop.purchases(order.id) == ["refunded"]
    check(shop.engine)


def test_granting_again_what_another_order_granted_meanwhile_is_held(shop: Shop) -> None:
    player, sword = shop.player(), shop.item()
    order = shop.order(player, sword)
    shop.tell(order_paid(order, "T1"))
    shop.tell(refund(order, "T1"))
    other = shop.paid_order(player, sword)
    assert shop.purchases(other.id) == ["granted"]
    assert shop.tell(order_paid(order, "T2")).status == 204
    assert shop.purchases(order.id) == ["held"]
    assert shop.read(order.id).needs_attention
    check(shop.engine)


def test_paying_twice_is_flagged_and_one_refund_leaves_it_granted(shop: Shop) -> None:
    order = shop.order(shop.player(), shop.item())
    shop.tell(order_paid(order, "T1"))
    shop.tell(order_paid(order, "T2"))
    assert "twice" in shop.read(order.id).needs_attention
    assert shop.purchases(order.id) == ["granted"]
    shop.tell(refund(order, "T1"))
    assert shop.read(order.id).status == "paid"
    assert shop.purchases(order.id) == ["granted"]
    check(shop.engine)


def test_two_paid_orders_for_what_is_owned_once(shop: Shop) -> None:
    player, sword, potion = shop.player(), shop.item(), shop.item(consumable=True)
    first, second = shop.order(player, sword), shop.order(player, sword, potion)
    shop.tell(order_paid(first, "T1"))
    assert shop.tell(order_paid(second, "T2")).status == 204
    assert shop.purchases(first.id) == ["granted"]
    assert sorted(shop.purchases(second.id)) == ["granted", "held"]
    assert shop.read(second.id).status == "paid"
    assert "owned already" in shop.read(second.id).needs_attention
    assert shop.read(first.id).needs_attention == ""
    check(shop.engine)
    shop.tell(refund(second, "T2"))
    assert shop.purchases(first.id) == ["granted"]
    assert shop.purchases(second.id) == ["refunded", "refunded"]
    check(shop.engine)


@pytest.mark.parametrize("status", ["canceled", "expired", "failed"])
def test_money_wins_over_what_closed_the_order(shop: Shop, status: str) -> None:
    player = shop.player()
    order = shop.order(player, shop.item())
    if status == "canceled":
        service.cancel(player.user_id, order.id)
    elif status == "failed":
        shop.tell(declined(order))
    else:
        shop.age(order.id)
        with unit_of_work() as session:
            assert lifecycle.expire_due(session) == 1
    assert shop.read(order.id).status == status
    shop.tell(order_paid(order))
    assert shop.read(order.id).status == "paid"
    assert shop.purchases(order.id) == ["granted"]
    check(shop.engine)


def test_a_transaction_that_paid_another_order_grants_nothing_and_is_seen(shop: Shop) -> None:
    player = shop.player()
    first, second = shop.order(player, shop.item()), shop.order(player, shop.item())
    shop.tell(order_paid(first, "T1"))
    assert shop.tell(order_paid(second, "T1")).status == 204
    assert shop.read(second.id).status == "pending"
    assert shop.read(second.id).needs_attention
    assert shop.read(first.id).needs_attention == ""
    assert shop.purchases(second.id) == []


# --- declined, retried, canceled, expired


def test_declined_then_paid(shop: Shop) -> None:
    order = shop.order(shop.player(), shop.item())
    assert shop.tell(declined(order)).verdict == "done"
    assert shop.read(order.id).status == "failed"
    with unit_of_work() as session:
        lifecycle.start_attempt(session, lock(session, order.id), "again", "http://provider.test/again")
    assert shop.read(order.id).status == "pending"
    shop.tell(order_paid(order))
    assert _timeline(shop, order) == ["placed", "failed", "pending", "paid"]
    check(shop.engine)


def test_a_late_decline_of_an_older_attempt_leaves_the_newer_one_open(shop: Shop) -> None:
    order = shop.order(shop.player(), shop.item(), attempts=2)
    assert shop.tell(declined(order, attempt=1)).status == 204
    assert shop.read(order.id).status == "pending"
    shop.tell(declined(order, attempt=2))
    assert shop.read(order.id).status == "failed"


@pytest.mark.parametrize("attempt", ["x", "", "99999999999999999999", "-1", "٣"])
def test_a_decline_that_names_no_attempt_declines_them_all(shop: Shop, attempt: str) -> None:
    order = shop.order(shop.player(), shop.item(), attempts=2)
    told = declined(order)
    told["transaction"]["external_id"] = f"{order.id}-{attempt}"
    assert shop.tell(told).status == 204
    assert shop.read(order.id).status in {"failed", "pending"}
    check(shop.engine)


def test_a_decline_after_the_payment_changes_nothing(shop: Shop) -> None:
    order = shop.paid_order(shop.player(), shop.item())
    assert shop.tell(declined(order)).verdict == "repeat"
    assert shop.read(order.id).status == "paid"


def test_a_player_cancels(shop: Shop) -> None:
    player, stranger = shop.player(), shop.player()
    order = shop.order(player, shop.item())
    with pytest.raises(NotFound):
        service.cancel(stranger.user_id, order.id)
    assert service.cancel(player.user_id, order.id).order.status == "canceled"
    assert service.cancel(player.user_id, order.id).order.status == "canceled"
    assert _timeline(shop, order) == ["placed", "canceled"]
    paid = shop.paid_order(player, shop.item())
    with pytest.raises(OrderClosed):
        service.cancel(player.user_id, paid.id)
    assert shop.purchases(paid.id) == ["granted"]


@pytest.mark.parametrize("order_id", ["", "no-such-order", "\x00", "\ud800", "x" * 10_000])
def test_orders_that_do_not_exist(shop: Shop, order_id: str) -> None:
    player = shop.player()
    for ask in (service.read, service.cancel):
        with pytest.raises(NotFound):
            ask(player.user_id, order_id)


def test_the_provider_cancels_an_unpaid_order(shop: Shop) -> None:
    order = shop.order(shop.player(), shop.item())
    told = order_canceled(order, None)
    del told["billing"]["transaction"]["id"]
    assert shop.tell(told).verdict == "done"
    assert shop.read(order.id).status == "canceled"
    assert shop.tell(told).verdict == "repeat"
    check(shop.engine)


def test_only_open_orders_whose_time_is_over_expire(shop: Shop) -> None:
    player = shop.player()
    due, failed, paid, fresh = (shop.order(player, shop.item()) for _ in range(4))
    shop.tell(declined(failed))
    shop.tell(order_paid(paid))
    for order in (due, failed, paid):
        shop.age(order.id)
    with unit_of_work() as session:
        assert lifecycle.expire_due(session) == 2
    assert [shop.read(order.id).status for order in (due, failed, paid, fresh)] == [
        "expired",
        "expired",
        "paid",
        "pending",
    ]
    with unit_of_work() as session:
        assert lifecycle.expire_due(session) == 0
    check(shop.engine)


def test_many_expire_a_part_at_a_time(shop: Shop) -> None:
    player, potion = shop.player(), shop.item(consumable=True)
    for _ in range(5):
        shop.age(shop.order(player, potion).id)
    with unit_of_work() as session:
        assert lifecycle.expire_due(session, limit=3) == 3
    with unit_of_work() as session:
        assert lifecycle.expire_due(session, limit=3) == 2


def test_reading_changes_nothing(shop: Shop) -> None:
    order = shop.order(shop.player(), shop.item())
    with read_session() as session:
        session.get(Order, order.id).status = "paid"  # type: ignore[union-attr]
    assert shop.read(order.id).status == "pending"


def test_a_purchase_stores_its_time_as_other_rows_do(shop: Shop) -> None:
    order = shop.order(shop.player(), shop.item())
    assert shop.tell(order_paid(order)).status == 204
    ((purchased,),) = shop.rows("SELECT timestamp FROM purchases WHERE order_id = :id", id=order.id)
    ((updated,),) = shop.rows("SELECT updated_at FROM orders WHERE id = :id", id=order.id)
    assert str(purchased)[:10] == str(updated)[:10]
    end_of_microseconds = len("2026-01-01 00:00:00.000000")
    assert str(purchased)[end_of_microseconds:] == str(updated)[end_of_microseconds:]
