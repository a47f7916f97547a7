"""Every way a payment can go: declined, left, canceled, from the cart, more than once."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.player import Player, click, on_payment_page, owned_names, settled, status

pytestmark = pytest.mark.browser
PAY = re.compile("^Pay ")


def _buy_now(player: Player, sku: str) -> Page:
    page = player.open(f"/item/{sku}")
    click(page, "Buy now")
    on_payment_page(page)
    return page


def _is(page: Page, wanted: str, heading: str) -> None:
    expect(status(page)).to_have_attribute("data-status", wanted)
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)


def test_after_a_decline_another_attempt_can_be_paid(player: Player) -> None:
    page = _buy_now(player.sign_up(), "dragon-sword")
    first_attempt = page.url
    click(page, "Decline")
    expect(page.get_by_text("The payment was declined.")).to_be_visible()
    click(page, "Back to the store", "link")
    page.wait_for_url("**/orders/*")
    _is(page, "failed", "Payment did not go through")
    expect(page.get_by_test_id("order-text")).to_contain_text("You were not charged")
    assert player.purchases() == []

    click(page, "Try again")
    on_payment_page(page)
    assert page.url != first_attempt
    click(page, PAY)
    page.wait_for_url("**/orders/*")
    _is(page, "paid", "It is in your library")
    assert [bought["item"]["sku"] for bought in player.purchases()] == ["dragon-sword"]


def test_an_open_order_page_says_that_the_payment_was_declined(player: Player) -> None:
    order_id = player.sign_up().order(dragon_sword=1)
    page = player.open(f"/orders/{order_id}")
    _is(page, "pending", "Complete your payment")
    player.pays(order_id, "decline")
    _is(page, "failed", "Payment did not go through")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_a_user_who_has_paid_reads_that_the_payment_is_checked(player: Player) -> None:
    """The payment page leads back before the notification of the payment is there."""
    order_id = player.sign_up().order(dragon_sword=1)
    page = player.open(f"/orders/{order_id}?status=done")
    _is(page, "pending", "Checking your payment")
    player.pays(order_id)
    _is(page, "paid", "It is in your library")


def test_closing_the_payment_page_leads_back_to_an_order_that_can_still_be_paid(player: Player) -> None:
    page = _buy_now(player.sign_up(), "dragon-sword")
    click(page, "Close")
    page.wait_for_url("**/orders/*")
    _is(page, "pending", "Complete your payment")
    item = player.open("/item/dragon-sword")
    expect(item.get_by_role("link", name="Payment in progress: view order")).to_be_visible()
    expect(item.get_by_role("button", name="Buy now")).to_have_count(0)

    click(page, "Open the payment page")
    on_payment_page(page)
    click(page, PAY)
    page.wait_for_url("**/orders/*")
    _is(page, "paid", "It is in your library")


def test_a_canceled_order_says_so_and_can_be_started_again(player: Player) -> None:
    page = _buy_now(player.sign_up(), "dragon-sword")
    click(page, "Close")
    page.wait_for_url("**/orders/*")
    canceled = page.url
    click(page, "Cancel order")
    _is(page, "canceled", "Payment canceled")
    expect(page.get_by_test_id("order-text")).to_have_text("You were not charged.")
    expect(page.get_by_role("button", name="Open the payment page")).to_have_count(0)

    click(page, "Start again")
    on_payment_page(page)
    click(page, PAY)
    page.wait_for_url("**/orders/*")
    _is(page, "paid", "It is in your library")
    assert page.url.split("?")[0] != canceled.split("?")[0]


def test_a_refund_shows_on_the_open_order_page_and_in_the_library(player: Player) -> None:
    order_id = player.sign_up().order(dragon_sword=1)
    page, library = player.open(f"/orders/{order_id}"), player.open("/library")
    player.pays(order_id)
    _is(page, "paid", "It is in your library")
    player.pays(order_id, "refund")
    _is(page, "refunded", "Refunded")
    expect(library.get_by_test_id("purchase")).to_contain_text("Refunded")


def _fill_cart(player: Player) -> None:
    for sku in ("magic-shield", "health-potion", "wizard-hat"):
        page = player.open(f"/item/{sku}")
        click(page, "Add to cart")
        expect(page.get_by_role("main").get_by_role("link", name="View cart")).to_be_visible()
        page.close()


def test_the_cart_leads_to_one_payment_and_is_emptied_only_when_that_is_made(player: Player) -> None:
    _fill_cart(player.sign_up())
    page = player.open("/cart")
    expect(page.get_by_test_id("cart-row")).to_have_count(3)
    expect(page.get_by_test_id("cart-count")).to_have_text("3 items")
    click(page, "One more of Health Potion")
    click(page, "One more of Health Potion")
    expect(page.get_by_test_id("quantity")).to_have_text("3")
    click(page, "Remove Wizard Hat")
    expect(page.get_by_test_id("cart-row")).to_have_count(2)
    expect(page.get_by_test_id("cart-total")).to_have_text("$649.96")

    click(page, "Go to payment")
    on_payment_page(page)
    waiting = player.open("/cart")
    expect(waiting.get_by_test_id("cart-row")).to_have_count(2)
    click(page, PAY)
    page.wait_for_url("**/orders/*")
    _is(page, "paid", "It is in your library")
    expect(page.get_by_test_id("order-total")).to_have_text("$649.96")
    expect(page.get_by_test_id("cart-count")).to_have_count(0)
    expect(player.open("/cart").get_by_text("Your cart is empty")).to_be_visible()
    assert {bought["item"]["sku"]: bought["quantity"] for bought in player.purchases()} == {
        "magic-shield": 1,
        "health-potion": 3,
    }


def test_a_consumable_can_be_bought_again(player: Player) -> None:
    player.sign_up()
    for _time in range(2):
        page = _buy_now(player, "health-potion")
        click(page, PAY)
        page.wait_for_url("**/orders/*")
        _is(page, "paid", "It is in your library")
    expect(owned_names(player.open("/library"))).to_have_text(["Health Potion", "Health Potion"])


def test_a_payment_provider_that_is_away_is_said_in_words_and_the_next_try_works(player: Player) -> None:
    shop = player.sign_up().shop
    assert shop.simulator is not None
    page = player.open("/item/dragon-sword")
    shop.simulator.stop()
    try:
        click(page, "Buy now")
        expect(page.get_by_test_id("problem")).to_contain_text("You were not charged")
    finally:
        shop.simulator.start().wait_until_answers(shop.simulator_url, 30)
    page.reload()
    settled(page)
    # The order is there already; it is offered, not made a second time.
    click(page, "Payment in progress: view order", "link")
    page.wait_for_url("**/orders/*")
    click(page, "Open the payment page")
    on_payment_page(page)
    click(page, PAY)
    page.wait_for_url("**/orders/*")
    _is(page, "paid", "It is in your library")
    assert len(player.purchases()) == 1
