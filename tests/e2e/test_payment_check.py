"""The payment check, for payments whose notifications never arrive."""

import pytest
from playwright.sync_api import expect

from tests.e2e.user import User, click

pytestmark = pytest.mark.browser


def test_a_payment_without_a_notification_is_found_when_the_user_asks(user: User) -> None:
    order_id = user.sign_up().order(magic_shield=1)
    url = f"{user.store.simulator_url}/simulator/orders/{order_id}/send"
    assert user.context.request.post(url, data={"scenario": "drop-all"}).ok
    page = user.open("/library")
    expect(page.get_by_test_id("purchase")).to_have_count(0)
    click(page, "Check my payments")
    expect(page.get_by_test_id("purchase")).to_contain_text("Magic Shield", timeout=5_000)
    expect(page.get_by_test_id("check-steps")).to_contain_text("up to date now")

    click(page, "Check my payments")
    expect(page.get_by_test_id("check-steps")).to_contain_text("Too many tries")
    assert len(user.purchases()) == 1
