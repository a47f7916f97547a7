"""When notifications are sent again, and which responses end that."""

from datetime import timedelta

import pytest

from simulator.delivery.sender import retry_delays, status_after
from simulator.records import NotificationStatus


@pytest.mark.parametrize("notification_type", ["order_paid", "order_canceled"])
def test_order_notifications_are_retried_nineteen_times(notification_type: str) -> None:
    minutes = [delay / timedelta(minutes=1) for delay in retry_delays(notification_type)]
    assert minutes == [5] * 2 + [15] * 7 + [60] * 10


@pytest.mark.parametrize("notification_type", ["payment", "refund", "partial_refund"])
def test_payment_notifications_are_retried_at_growing_intervals(notification_type: str) -> None:
    delays = retry_delays(notification_type)
    assert len(delays) == 12
    assert delays == sorted(set(delays))
    assert sum(delays, timedelta()) <= timedelta(hours=48)


def test_user_validation_is_not_retried() -> None:
    assert retry_delays("user_validation") == []


@pytest.mark.parametrize("response_status", [200, 201, 204])
def test_success_acknowledges_a_notification(response_status: int) -> None:
    assert status_after(response_status) is NotificationStatus.ACKNOWLEDGED


@pytest.mark.parametrize("response_status", [400, 401, 402, 403, 404, 409, 415, 422])
def test_a_documented_final_status_refuses_a_notification(response_status: int) -> None:
    assert status_after(response_status) is NotificationStatus.REFUSED


@pytest.mark.parametrize("response_status", [None, 202, 302, 405, 408, 429, 500, 502, 503])
def test_no_response_and_other_statuses_are_retried(response_status: int | None) -> None:
    assert status_after(response_status) is NotificationStatus.WAITING
