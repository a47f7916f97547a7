"""Payments whose notifications never come."""

import pytest
from playwright.sync_api import expect

from tests.e2e.player import Player, click

pytestmark = pytest.mark.browser


def test_a_payment_without_any_notification_arrives_when_the_player_asks(player: Player) -> None:
    order_id = player.sign_up().order(magic_shield=1)
    url = f"{player.shop.simulator_url}/simulator/orders/{order_id}/send"
    assert player.context.request.post(url, data={"scenario": "drop-all"}).ok
    page = player.open("/library")
    expect(page.get_by_test_id("purchase")).to_have_count(0)
    click(page, "Check my payments")
    expect(page.get_by_test_id("purchase")).to_contain_text("Magic Shield", timeout=5_000)
    expect(page.get_by_test_id("check-steps")).to_contain_text("up to date now")

    click(page, "Check my payments")
    expect(page.get_by_test_id("check-steps")).to_contain_text("Too many tries")
    assert len(player.purchases()) == 1
