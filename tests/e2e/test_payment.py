"""The ways in which a payment can go: declined, left, canceled, from the cart, more than once."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.user import User, click, on_payment_page, owned_names, settled, status

pytestmark = pytest.mark.browser
PAY = re.compile("^Pay ")


def _buy_now(user: User, sku: str) -> Page:
    page = user.open(f"/item/{sku}")
    click(page, "Buy now")
    on_payment_page(page)
    return page


def _is(page: Page, wanted: str, heading: str) -> None:
    expect(status(page)).to_have_attribute("data-status", wanted)
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)


def test_after_a_decline_another_attempt_can_be_paid(user: User) -> None:
    page = _buy_now(user.sign_up(), "dragon-sword")
    first_attempt = page.url
    click(page, "Decline")
    expect(page.get_by_text("The payment was declined.")).to_be_visible()
    click(page, "Back to the store", "link")
    page.wait_for_url("**/orders/*")
    _is(page, "failed", "Payment did not go through")
    expect(page.get_by_test_id("order-text")).to_contain_text("You were not charged")
    assert user.purchases() == []

    click(page, "Try again")
    on_payment_page(page)
    assert page.url != first_attempt
    click(page, PAY)
    page.wait_for_url("**/orders/*")
    _is(page, "paid", "It is in your library")
    # Without what the payment page added.
    assert re.search(r"/orders/\w+$", page.url)
    assert [bought["item"]["sku"] for bought in user.purchases()] == ["dragon-sword"]


def test_an_open_order_page_says_that_the_payment_was_declined(user: User) -> None:
    order_id = user.sign_up().order(dragon_sword=1)
    page = user.open(f"/orders/{order_id}")
    _is(page, "pending", "Complete your payment")
    user.pays(order_id, "decline")
    _is(page, "failed", "Payment did not go through")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_a_user_who_has_paid_reads_that_the_payment_is_checked(user: User) -> None:
    """The payment page leads back before the notification of the payment arrives."""
    order_id = user.sign_up().order(dragon_sword=1)
    page = user.open(f"/orders/{order_id}?status=done")
    _is(page, "pending", "Checking your payment")
    user.pays(order_id)
    _is(page, "paid", "It is in your library")


def test_closing_the_payment_page_leads_back_to_an_order_that_can_still_be_paid(user: User) -> None:
    page = _buy_now(user.sign_up(), "dragon-sword")
    click(page, "Close")
    page.wait_for_url("**/orders/*")
    _is(page, "pending", "Complete your payment")
    item = user.open("/item/dragon-sword")
    expect(item.get_by_role("link", name="Not paid yet: finish or cancel")).to_be_visible()
    expect(item.get_by_role("button", name="Buy now")).to_have_count(0)

    page.bring_to_front()
    click(page, "Open the payment page")
    on_payment_page(page)
    click(page, PAY)
    page.wait_for_url("**/orders/*")
    _is(page, "paid", "It is in your library")


def test_a_canceled_order_says_so_and_can_be_started_again(user: User) -> None:
    page = _buy_now(user.sign_up(), "dragon-sword")
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


def test_a_refund_shows_on_the_open_order_page_and_in_the_library(user: User) -> None:
    order_id = user.sign_up().order(dragon_sword=1)
    page, library = user.open(f"/orders/{order_id}"), user.open("/library")
    user.pays(order_id)
    _is(page, "paid", "It is in your library")
    user.pays(order_id, "refund")
    _is(page, "refunded", "Refunded")
    expect(library.get_by_test_id("purchase")).to_contain_text("Refunded")


def _fill_cart(user: User) -> None:
    for sku in ("magic-shield", "health-potion", "wizard-hat"):
        page = user.open(f"/item/{sku}")
        click(page, "Add to cart")
        expect(page.get_by_role("main").get_by_role("link", name="View cart")).to_be_visible()
        page.close()


def test_the_cart_is_paid_at_once_and_emptied_only_by_the_payment(user: User) -> None:
    _fill_cart(user.sign_up())
    page = user.open("/cart")
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
    other_tab = user.open("/cart")
    expect(other_tab.get_by_test_id("cart-row")).to_have_count(2)
    page.bring_to_front()
    click(page, PAY)
    page.wait_for_url("**/orders/*")
    _is(page, "paid", "It is in your library")
    expect(page.get_by_test_id("paid")).to_have_text("$707.68")
    expect(page.get_by_test_id("cart-count")).to_have_count(0)
    expect(user.open("/cart").get_by_text("Your cart is empty")).to_be_visible()
    assert {bought["item"]["sku"]: bought["quantity"] for bought in user.purchases()} == {
        "magic-shield": 1,
        "health-potion": 3,
    }


def test_a_consumable_can_be_bought_again(user: User) -> None:
    user.sign_up()
    for _time in range(2):
        page = _buy_now(user, "health-potion")
        click(page, PAY)
        page.wait_for_url("**/orders/*")
        _is(page, "paid", "It is in your library")
    expect(owned_names(user.open("/library"))).to_have_text(["Health Potion", "Health Potion"])


def test_a_user_is_told_that_the_payment_provider_does_not_answer_and_can_pay_later(user: User) -> None:
    store = user.sign_up().store
    assert store.simulator is not None
    page = user.open("/item/dragon-sword")
    store.simulator.stop()
    try:
        click(page, "Buy now")
        expect(page.get_by_test_id("problem")).to_contain_text("You were not charged")
    finally:
        store.simulator.start().wait_until_answers(store.simulator_url, 30)
    page.reload()
    settled(page)
    # The order exists already: it is offered again, and not placed a second time.
    click(page, "Not paid yet: finish or cancel", "link")
    page.wait_for_url("**/orders/*")
    click(page, "Open the payment page")
    on_payment_page(page)
    click(page, PAY)
    page.wait_for_url("**/orders/*")
    _is(page, "paid", "It is in your library")
    assert len(user.purchases()) == 1


def test_what_went_back_is_told_with_its_amount_and_reason(user: User) -> None:
    user.sign_up()
    partly, back, charged_back = (user.order(health_potion=number) for number in (1, 2, 3))
    for order_id in (partly, back, charged_back):
        user.pays(order_id)
    user.pays(partly, "partial-refund")
    user.pays(back, "refund")
    user.pays(charged_back, "chargeback")

    page = user.open(f"/orders/{partly}")
    refunded = page.get_by_test_id("refunded").inner_text()
    assert re.fullmatch(r"\$\d+\.\d\d", refunded)
    _is(page, "partially_refunded", f"{refunded} refunded")

    page = user.open("/library")
    expect(page.get_by_test_id("purchase").locator("visible=true")).to_have_count(1)
    page.get_by_text("No longer yours (2)").click()
    gone = page.get_by_test_id("gone").get_by_test_id("purchase")
    expect(gone).to_have_count(2)
    expect(gone.nth(0)).to_contain_text("Charged back")
    expect(gone.nth(1)).to_contain_text("Refunded")


def test_a_declined_order_is_called_the_same_everywhere(user: User) -> None:
    order_id = user.sign_up().order(dragon_sword=1)
    user.pays(order_id, "decline")
    expect(user.open(f"/orders/{order_id}").get_by_test_id("order-status")).to_contain_text("Declined")
    expect(user.open("/account").get_by_role("main")).to_contain_text("Declined")
    item = user.open("/item/dragon-sword")
    expect(item.get_by_role("link", name="Not paid yet: finish or cancel")).to_be_visible()
    for name in ("Buy now", "Add to cart"):
        expect(item.get_by_role("button", name=name)).to_have_count(0)


def test_what_was_removed_from_the_cart_can_be_put_back(user: User) -> None:
    user.sign_up()
    for sku in ("health-potion", "wizard-hat"):
        user.context.request.post(f"{user.store.url}/cart/add", form={"sku": sku}, max_redirects=0)
    page = user.open("/cart")
    click(page, "One more of Health Potion")
    expect(page.get_by_test_id("cart-total")).to_have_text("$299.97")
    click(page, "Remove Health Potion")
    expect(page.get_by_test_id("cart-row")).to_have_count(1)
    expect(page.get_by_test_id("removed")).to_contain_text("Health Potion was removed.")
    click(page, "Undo")
    expect(page.get_by_test_id("cart-total")).to_have_text("$299.97")
    expect(page.get_by_test_id("removed")).to_have_count(0)


def test_a_line_in_the_way_says_why_and_the_rest_can_be_paid(user: User) -> None:
    user.sign_up()
    for sku in ("magic-shield", "wizard-hat"):
        user.context.request.post(f"{user.store.url}/cart/add", form={"sku": sku}, max_redirects=0)
    other = user.order(magic_shield=1, health_potion=1)
    page = user.open("/cart")
    row = page.get_by_test_id("cart-row").filter(has_text="Magic Shield")
    expect(row.get_by_test_id("line-problem")).to_contain_text("Part of an order you have not paid yet.")
    expect(page.get_by_test_id("line-problem")).to_have_count(1)
    expect(page.get_by_test_id("cart-total")).to_have_text("$199.99")
    click(page, "Go to payment")
    on_payment_page(page)
    click(page, PAY)
    page.wait_for_url("**/orders/*")
    _is(page, "paid", "It is in your library")

    page = user.open("/cart")
    expect(page.get_by_test_id("cart-row")).to_have_count(1)
    expect(page.get_by_text("Nothing in the cart can be bought now.")).to_be_visible()
    expect(page.get_by_role("button", name="Go to payment")).to_have_count(0)
    click(page, "View that order", "link")
    page.wait_for_url(f"**/orders/{other}")
    click(page, "Cancel order")
    _is(page, "canceled", "Payment canceled")
    page = user.open("/cart")
    expect(page.get_by_test_id("line-problem")).to_have_count(0)
    expect(page.get_by_role("button", name="Go to payment")).to_be_visible()
