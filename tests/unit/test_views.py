"""View models: every status has its texts, and no text promises what is not true."""

from datetime import UTC, datetime
from typing import Any

import pytest

from store_app.checkout.cart import Cart
from store_app.library.queries import PurchaseRow
from store_app.models import (
    CartLine,
    Item,
    ItemKind,
    ItemRow,
    ItemStatus,
    Order,
    OrderEvent,
    OrderStatus,
    PurchaseStatus,
)
from store_app.orders.queries import OrderDetails, OrderLine, Payability
from store_app.orders.transitions import MESSAGES, TRANSITIONS, Event
from store_app.web.catalogue.view import card_view, cover_of, item_view
from store_app.web.checkout.view import cart_rows, cart_total
from store_app.web.library.view import purchase_view
from store_app.web.orders.view import order_row, order_view
from store_app.web.ui.words import NOTICES, ORDER_WORDS, UNDER_REVIEW

NOW = datetime(2026, 11, 23, 18, 52, 7, tzinfo=UTC)
each_status = pytest.mark.parametrize("status", OrderStatus)
UNPAID = {OrderStatus.PENDING, OrderStatus.FAILED}
GRANTING = {OrderStatus.PAID, OrderStatus.PARTIALLY_REFUNDED}


def _item(**changed: Any) -> Item:
    defaults: dict[str, Any] = {
        "id": 1,
        "sku": "dragon-sword",
        "name": "Dragon Sword",
        "price": 99_999,
        "currency": "USD",
    }
    return Item(**{**defaults, "kind": ItemKind.NON_CONSUMABLE, **changed})


def _order(status: str) -> Order:
    return Order(
        id="5f0c",
        number="4F7K-2M9Q",
        user_id="u",
        status=status,
        total=199_998,
        currency="USD",
        created_at=NOW,
        expires_at=NOW,
    )


def _details(status: str, **changed: Any) -> OrderDetails:
    line = OrderLine(
        sku="a/b",
        name="<b>Sword</b>",
        image="",
        quantity=2,
        unit_price=99_999,
        status="granted",
    )
    events = [OrderEvent(order_id="5f0c", kind="placed", at=NOW), OrderEvent(order_id="5f0c", kind=status, at=NOW)]
    return OrderDetails(_order(status), [line], events, "https://pay.example", **changed)


@each_status
def test_every_status_has_texts_and_steps(status: OrderStatus) -> None:
    view = order_view(_details(status), "Acme Pay")
    assert view.heading == ORDER_WORDS[status].heading
    assert view.text.endswith(".")
    assert view.status_label
    assert view.tone in {"wait", "good", "bad", "info"}
    assert all(step.text for step in view.steps)
    assert view.steps[0].at == "18:52:07"
    assert view.placed == "23 Nov 2026 18:52 UTC"
    assert view.total == "$1,999.98"


@each_status
def test_a_notice_says_what_the_status_says(status: OrderStatus) -> None:
    """A notice is found by the message's name, which two statuses may share."""
    assert NOTICES.get(MESSAGES[status], "") == ORDER_WORDS[status].notice
    assert NOTICES["order_flagged"] == UNDER_REVIEW.notice


@each_status
def test_the_offered_actions_fit_the_status(status: OrderStatus) -> None:
    view = order_view(_details(status), "Acme Pay")
    assert view.can_pay is (status == OrderStatus.PENDING)
    assert view.can_retry is (status == OrderStatus.FAILED)
    assert view.can_cancel is (status in UNPAID)
    assert view.can_cancel is ((status, Event.CANCELED) in TRANSITIONS)
    assert view.in_library is (status in GRANTING)
    assert view.settled is (status not in UNPAID)


@each_status
def test_a_user_is_told_of_no_charge_only_when_that_is_true(status: OrderStatus) -> None:
    says_not_charged = "not charged" in order_view(_details(status), "Acme Pay").text
    assert says_not_charged is (status in {OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.FAILED})


@pytest.mark.parametrize("status", sorted(UNPAID))
def test_a_flagged_order_offers_no_action_that_could_charge_again(status: OrderStatus) -> None:
    view = order_view(_details(status, payability=Payability(under_review=True)), "Acme Pay")
    assert not any((view.can_pay, view.can_retry, view.can_cancel))
    assert view.status == "checking"
    assert order_row(_order(status), under_review=True).status_label == view.status_label


@pytest.mark.parametrize("status", sorted(UNPAID))
def test_an_order_that_is_out_of_date_says_why_and_can_only_be_canceled(status: OrderStatus) -> None:
    view = order_view(
        _details(status, payability=Payability(outdated="The price of Sword has changed.")), "Acme Pay"
    )
    assert "The price of Sword has changed." in view.text
    assert (view.can_pay, view.can_retry, view.can_cancel) == (False, False, True)


def test_an_order_line_shows_its_total_price_and_links_to_the_item() -> None:
    (line,) = order_view(_details(OrderStatus.PENDING), "Acme Pay").lines
    assert (line.price, line.quantity) == ("$1,999.98", 2)
    assert (line.href, line.image) == ("/item/a%2Fb", "/api/items/a%2Fb/cover.svg")
    assert line.status == ""


@each_status
def test_the_list_of_orders_uses_the_same_texts(status: OrderStatus) -> None:
    row = order_row(_order(status), under_review=False)
    assert (row.status_label, row.tone) == (ORDER_WORDS[status].chip, ORDER_WORDS[status].tone)
    assert row.href == "/orders/5f0c"


@pytest.mark.parametrize("status", PurchaseStatus)
def test_the_library_has_a_text_for_every_purchase_status(status: PurchaseStatus) -> None:
    item = ItemRow(1, "dragon-sword", "Dragon Sword", "", 99_999, "USD", ItemKind.NON_CONSUMABLE, "")
    view = purchase_view(PurchaseRow(7, "5f0c", "u", 1, 1, NOW, status, "4F7K-2M9Q", item))
    assert view.status
    assert view.ready is (status == PurchaseStatus.GRANTED)
    assert (view.order_number, view.order_href) == ("4F7K-2M9Q", "/orders/5f0c")


@pytest.mark.parametrize("kind", ItemKind)
def test_cards_and_item_pages_show_kind_and_availability(kind: ItemKind) -> None:
    item = _item(kind=kind)
    assert card_view(item, {"dragon-sword"}).owned
    assert not card_view(item, set()).owned
    assert card_view(item, set()).kind
    assert item_view(item).owned_once is (kind == ItemKind.NON_CONSUMABLE)
    assert not item_view(_item(kind=kind, status=ItemStatus.WITHDRAWN)).on_sale


def test_a_free_item_is_shown_as_free() -> None:
    assert card_view(_item(price=0), set()).price == "Free"


def test_an_item_without_an_image_gets_a_generated_cover() -> None:
    assert cover_of("x", "/covers/x.svg") == "/covers/x.svg"
    assert cover_of("a b", "") == "/api/items/a%20b/cover.svg"


def test_the_cart_has_the_total_of_its_lines() -> None:
    potion = _item(id=2, sku="health-potion", kind=ItemKind.CONSUMABLE, price=4_999)
    cart = Cart(
        [
            (CartLine(user_id="u", item_id=1, quantity=1), _item()),
            (CartLine(user_id="u", item_id=2, quantity=3), potion),
        ]
    )
    assert cart_total(cart) == "$1,149.96"
    sword, potions = cart_rows(cart, {"dragon-sword"})
    assert sword.problem
    assert not sword.countable
    assert not potions.problem
    assert potions.countable
    assert cart_total(Cart([])) == ""
