"""What an order should be at the store, and which responses to notifications are expected."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from simulator.amounts import split_evenly
from simulator.records import (
    Delivery,
    DeliveryOptions,
    Line,
    Notification,
    NotificationStatus,
    Order,
    Sale,
    TokenType,
    User,
)
from simulator.repository import Repository
from simulator.scenarios.expectations import (
    ExpectedOrder,
    ExpectedPurchases,
    expected_order,
    is_as_expected,
    is_store_notified,
)

NOW = datetime(2026, 7, 29, tzinfo=UTC)
TOTAL = Decimal("5.00")
PENDING = ExpectedOrder("pending", ExpectedPurchases.NONE)


@pytest.fixture
def repository() -> Repository:
    return Repository(lambda: NOW)


@pytest.fixture
def order(repository: Repository) -> Order:
    user = User("42", "buyer@example.com", "US", "127.0.0.1", None)
    lines = (Line("potion", "Potion", 1, TOTAL),)
    sale = Sale(TokenType.STORE, user, lines, "USD", TOTAL, True, None, None, {"order_id": "a"})
    return repository.create_order(sale)


def finished(
    status: NotificationStatus,
    response_status: int | None = None,
    code: str = "",
    notification_type: str = "order_paid",
) -> Notification:
    """Return a notification that ended with a status and a response."""
    delivery = Delivery(NOW, response_status, f'{{"error": {{"code": "{code}"}}}}')
    return Notification(1, 1, notification_type, b"{}", NOW, status=status, deliveries=[delivery])


def is_expected(notification: Notification, **options: Any) -> bool:
    """Return whether a notification with some options ended as expected."""
    notification.options = replace(DeliveryOptions(), **options)
    return is_as_expected(notification)


def test_an_unpaid_order_grants_nothing(repository: Repository, order: Order) -> None:
    assert expected_order(order) == PENDING
    repository.record_decline(order)
    assert expected_order(order) == ExpectedOrder("failed", ExpectedPurchases.NONE)
    order.canceled = True
    assert expected_order(order) == ExpectedOrder("canceled", ExpectedPurchases.NONE)


def test_a_payment_after_a_decline_is_a_paid_order(repository: Repository, order: Order) -> None:
    repository.record_decline(order)
    repository.record_payment(order)
    assert expected_order(order) == ExpectedOrder("paid", ExpectedPurchases.GRANTED)


def test_partial_refunds_of_the_whole_payment_are_a_refund(repository: Repository, order: Order) -> None:
    transaction = repository.record_payment(order)
    repository.record_refund(order, transaction, Decimal("4.99"))
    assert expected_order(order) == ExpectedOrder("partially_refunded", ExpectedPurchases.GRANTED)
    repository.record_refund(order, transaction, Decimal("0.01"))
    assert expected_order(order) == ExpectedOrder("refunded", ExpectedPurchases.REFUNDED)


def test_a_chargeback_takes_the_rest_of_the_payment(repository: Repository, order: Order) -> None:
    transaction = repository.record_payment(order)
    repository.record_refund(order, transaction, Decimal("1.00"))
    repository.record_chargeback(order, transaction)
    assert transaction.refunded == TOTAL
    assert expected_order(order) == ExpectedOrder("charged_back", ExpectedPurchases.REFUNDED)


@pytest.mark.parametrize("field", ["total", "currency", "user"])
def test_a_sale_that_differs_from_the_request_grants_nothing(
    repository: Repository, order: Order, field: str
) -> None:
    changed: dict[str, Any] = {"total": Decimal(1), "currency": "EUR", "user": replace(order.sale.user, id="43")}
    repository.record_payment(order)
    order.sale = replace(order.sale, **{field: changed[field]})
    assert expected_order(order) == PENDING


def test_equal_partial_refunds_have_different_dates(repository: Repository, order: Order) -> None:
    transaction = repository.record_payment(order)
    dates = []
    for _ in range(3):
        repository.record_refund(order, transaction, Decimal(1))
        dates.append(transaction.refunded_at)
    assert dates == [NOW + timedelta(seconds=each) for each in range(3)]


def test_the_store_is_notified_unless_no_notification_is_sent(repository: Repository, order: Order) -> None:
    assert is_store_notified(order)
    repository.add_unsent_notification(order, {"notification_type": "order_paid"})
    repository.add_notification(order, {"notification_type": "user_validation"})
    assert not is_store_notified(order)
    repository.add_notification(order, {"notification_type": "order_paid"})
    assert is_store_notified(order)


def test_a_notification_without_options_must_be_acknowledged() -> None:
    assert is_expected(finished(NotificationStatus.ACKNOWLEDGED, 204))
    assert is_expected(finished(NotificationStatus.NEVER_SENT))
    unexpected = (NotificationStatus.WAITING, NotificationStatus.REFUSED, NotificationStatus.BLOCKED)
    assert not any(is_expected(finished(status)) for status in unexpected)


def test_lost_responses_must_acknowledge() -> None:
    assert is_expected(finished(NotificationStatus.GIVEN_UP, 204), lose_responses=True)
    assert not is_expected(finished(NotificationStatus.GIVEN_UP, 500), lose_responses=True)
    assert not is_expected(finished(NotificationStatus.GIVEN_UP), lose_responses=True)


def test_an_expected_refusal_must_have_the_right_code() -> None:
    code = "INCORRECT_AMOUNT"
    assert is_expected(finished(NotificationStatus.REFUSED, 400, code), expected_refusal=code)
    assert is_expected(finished(NotificationStatus.BLOCKED), expected_refusal=code)
    assert not is_expected(finished(NotificationStatus.REFUSED, 400, "INVALID_USER"), expected_refusal=code)
    assert not is_expected(finished(NotificationStatus.ACKNOWLEDGED, 204), expected_refusal=code)


def test_a_payment_may_be_acknowledged_instead_of_refused_unless_its_signature_is_invalid() -> None:
    def acknowledged() -> Notification:
        return finished(NotificationStatus.ACKNOWLEDGED, 204, notification_type="payment")

    assert is_expected(acknowledged(), expected_refusal="INCORRECT_AMOUNT")
    assert not is_expected(acknowledged(), expected_refusal="INVALID_SIGNATURE", invalid_signature=True)


@pytest.mark.parametrize(
    ("amount", "currency", "parts"),
    [
        ("10.00", "USD", ["3.33", "3.33", "3.34"]),
        ("0.02", "USD", ["0.02"]),
        ("500", "JPY", ["166", "166", "168"]),
        ("0.03", "USD", ["0.01", "0.01", "0.01"]),
    ],
)
def test_the_parts_of_an_amount_sum_up_to_it(amount: str, currency: str, parts: list[str]) -> None:
    assert split_evenly(Decimal(amount), 3, currency) == [Decimal(part) for part in parts]
