"""An order's notifications end in the same state in every sequence, and however often they arrive."""

from collections.abc import Callable
from itertools import permutations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from store_app.db.unit_of_work import unit_of_work
from store_app.models import Order, OrderStatus, PaymentKind
from store_app.orders import lifecycle
from store_app.orders.ledger import Movement
from store_app.orders.locked_order import lock
from tests.integration.shop import Json, Shop, declined, order_canceled, order_paid, payment, refund
from tests.support.invariants import check

on_one_database = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


# --- partial refunds, given to the rules without their notifications


def _book(order: Order, kind: PaymentKind, amount: int, provider_id: str) -> None:
    with unit_of_work() as session:
        locked = lock(session, order.id)
        movement = Movement(kind, amount, "T1", amount, "xsolla")
        if kind == PaymentKind.PAYMENT:
            lifecycle.receive_payment(session, locked, movement)
        elif kind == PaymentKind.PARTIAL_REFUND:
            lifecycle.return_part(session, locked, movement, provider_id)
        else:
            lifecycle.return_money(session, locked, movement)


@pytest.mark.parametrize(
    "movements",
    list(permutations([("payment", 199, "T1"), ("partial_refund", 50, "a"), ("partial_refund", 60, "b")])),
)
def test_partial_refunds_leave_the_purchases_granted(shop: Shop, movements: list[tuple[str, int, str]]) -> None:
    order = shop.order(shop.user(), shop.item(199))
    for kind, amount, provider_id in [*movements, *movements]:
        _book(order, PaymentKind(kind), amount, provider_id)
    assert shop.read(order.id).status == "partially_refunded"
    assert shop.purchases(order.id) == ["granted"]
    assert shop.rows("SELECT SUM(amount) FROM payments") == [(89,)]
    check(shop.engine)


@pytest.mark.parametrize(
    "movements", list(permutations([("payment", 199, "T1"), ("partial_refund", 50, "a"), ("refund", 199, "T1")]))
)
def test_a_partial_refund_and_a_full_one_return_everything_once(
    shop: Shop, movements: list[tuple[str, int, str]]
) -> None:
    order = shop.order(shop.user(), shop.item(199))
    for kind, amount, provider_id in [*movements, *movements]:
        _book(order, PaymentKind(kind), amount, provider_id)
    assert shop.read(order.id).status == "refunded"
    assert shop.purchases(order.id) == ["refunded"]
    assert shop.rows("SELECT SUM(amount) FROM payments") == [(0,)]
    check(shop.engine)


# --- every permutation and repetition


def _paid_with_tax(order: Order) -> Json:
    notification = order_paid(order)
    notification["billing"]["payment_details"] = {
        "payment": {"currency": "USD", "amount": f"{order.total * 1.25 / 100:.4f}"}
    }
    return notification


def _canceled_without_transaction(order: Order) -> Json:
    notification = order_canceled(order, None)
    del notification["billing"]
    return notification


def _part(order: Order, share: float | None) -> Json:
    """Return the notification that a share of the charged amount went back; None: it does not say how much."""
    notification = refund(order) | {"notification_type": "partial_refund", "share": share}
    if share is not None:
        amount = f"{order.total * 1.25 * share / 100:.4f}"
        notification["payment_details"] = {"payment": {"currency": "USD", "amount": amount}}
    return notification


KINDS: dict[str, Callable[[Order], Json]] = {
    "order_paid": _paid_with_tax,
    "payment": payment,
    "refund": refund,
    "order_canceled": order_canceled,
    "canceled without transaction": _canceled_without_transaction,
    "chargeback": lambda order: refund(order, code=2),
    "ps_declined": declined,
    "a third": lambda order: _part(order, 0.3),
    "the rest": lambda order: _part(order, 0.7),
    "all as a part": lambda order: _part(order, 1.0),
    "unknown part": lambda order: _part(order, None),
}
UNDOING = {"refund", "order_canceled", "canceled without transaction", "chargeback"}
PARTS = {"a third", "the rest", "all as a part", "unknown part"}


def _state(shop: Shop, order: Order) -> tuple[object, ...]:
    money = shop.rows("SELECT COALESCE(SUM(amount), 0) FROM payments WHERE order_id = :id", id=order.id)
    pending = shop.rows("SELECT COUNT(*) FROM pending_purchases WHERE order_id = :id", id=order.id)
    return shop.read(order.id).status, shop.purchases(order.id), pending, money


def _expected(names: frozenset[str]) -> str:
    if "order_paid" not in names:
        if names & UNDOING:
            return OrderStatus.CANCELED
        return OrderStatus.FAILED if "ps_declined" in names else OrderStatus.PENDING
    if names & UNDOING:
        return OrderStatus.CHARGED_BACK if "chargeback" in names else OrderStatus.REFUNDED
    if names >= {"a third", "the rest"}:
        return OrderStatus.REFUNDED
    return OrderStatus.PARTIALLY_REFUNDED if names & PARTS else OrderStatus.PAID


@on_one_database
@given(
    st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=8).flatmap(
        lambda names: st.tuples(st.just(names), st.permutations(names))
    )
)
@example((["refund", "chargeback", "order_paid"], ["chargeback", "refund", "order_paid"]))
@example((["order_paid", "order_canceled", "chargeback"], ["chargeback", "order_paid", "order_canceled"]))
@example((["order_canceled", "chargeback"], ["chargeback", "order_canceled"]))
@example((["order_paid", "a third", "the rest"], ["the rest", "a third", "order_paid"]))
@example((["order_paid", "a third", "all as a part"], ["all as a part", "a third", "order_paid"]))
@example(
    (["order_paid", "canceled without transaction"], ["canceled without transaction", "order_paid"]),
)
@example(
    (
        ["order_paid", "canceled without transaction", "refund", "a third"],
        ["a third", "refund", "canceled without transaction", "order_paid"],
    )
)
def test_every_permutation_and_repetition_ends_in_one_state(
    shop: Shop, sequences: tuple[list[str], list[str]]
) -> None:
    # With tax 2.50, of which 0.75 and 1.75 are parts.
    sword = shop.item(200)
    states = []
    for names in sequences:
        # Each sequence is about an order of its own, with a transaction of its own.
        order = shop.order(shop.user(), sword)
        for name in names:
            notification = KINDS[name](order)
            _make_ids_unique(notification, order.id[:16])
            assert shop.notify(notification).status == 204
        states.append(_state(shop, order))
    assert states[0] == states[1]
    assert states[0][0] == _expected(frozenset(sequences[0]))
    check(shop.engine)


def _make_ids_unique(notification: Json, suffix: str) -> None:
    for part in (notification.get("transaction"), notification.get("billing", {}).get("transaction")):
        if part and part.get("id") == "T1":
            part["id"] = f"T{suffix}"
    if order := notification.get("order"):
        order["id"] = f"O{suffix}"
        if order["invoice_id"] == "T1":
            order["invoice_id"] = f"T{suffix}"


@on_one_database
@given(
    st.lists(
        st.tuples(st.sampled_from(["paid", "refund", "chargeback"]), st.sampled_from(["A", "B"])),
        min_size=1,
        max_size=6,
        unique=True,
    ).flatmap(lambda facts: st.tuples(st.just(facts), st.permutations(facts)))
)
def test_payments_and_refunds_of_two_attempts_end_in_one_state_in_any_sequence(
    shop: Shop, sequences: tuple[list[tuple[str, str]], list[tuple[str, str]]]
) -> None:
    sword = shop.item()
    states = []
    for facts in sequences:
        order = shop.order(shop.user(), sword, attempts=2)
        for kind, attempt in facts:
            transaction = f"{attempt}{order.id[:16]}"
            paid = order_paid(order, transaction) if kind == "paid" else None
            notification = paid or refund(order, transaction, code=2 if kind == "chargeback" else 1)
            assert shop.notify(notification).status == 204
        states.append(_state(shop, order))
    assert states[0] == states[1]
    check(shop.engine)
