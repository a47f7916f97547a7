"""View models: every status has its texts, and no text promises what is not true."""

from datetime import UTC, datetime
from typing import Any

import pytest

from store_app.checkout.cart import Cart, Line
from store_app.library.queries import PurchaseRow
from store_app.models import (
    Item,
    ItemKind,
    ItemRow,
    ItemStatus,
    Order,
    OrderEvent,
    OrderStatus,
    PurchaseStatus,
)
from store_app.orders.ledger import Fact, Standing, standing
from store_app.orders.queries import OrderDetails, OrderLine, Payability
from store_app.orders.transitions import MESSAGES, TRANSITIONS, Event
from store_app.web.catalogue.view import card_view, cover_of, item_view
from store_app.web.checkout.view import cart_rows, cart_total
from store_app.web.library.view import purchase_view
from store_app.web.orders.view import ReceiptView, order_row, order_view
from store_app.web.ui.words import ORDER_WORDS, UNDER_REVIEW, notice_of, words_of

NOW = datetime(2026, 11, 23, 18, 52, 7, tzinfo=UTC)
each_status = pytest.mark.parametrize("status", OrderStatus)
UNPAID = {OrderStatus.PENDING, OrderStatus.FAILED}
FOR_WHOM = ("Acme Pay", "Kira", "Northlight Games")
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
    view = order_view(_details(status), *FOR_WHOM)
    assert view.heading == words_of(status).heading
    assert view.text.endswith(".")
    assert view.status_label
    assert view.tone in {"wait", "good", "bad", "info"}
    assert all(step.text for step in view.steps)
    assert view.steps[0].at == "23 Nov 18:52:07"
    assert view.placed == "23 Nov 2026 18:52 UTC"
    assert view.total == "$1,999.98"


@each_status
def test_a_notice_says_what_the_status_says(status: OrderStatus) -> None:
    """A notice is found by the message's name, which two statuses may share."""
    said = notice_of(MESSAGES.get(status, ""), ["Dragon Sword"])
    assert said == ("Dragon Sword was added to your library." if status == "paid" else ORDER_WORDS[status].notice)
    assert notice_of("order_flagged", []) == UNDER_REVIEW.notice


@each_status
def test_the_offered_actions_fit_the_status(status: OrderStatus) -> None:
    view = order_view(_details(status), *FOR_WHOM)
    assert view.can_pay is (status == OrderStatus.PENDING)
    assert view.can_retry is (status == OrderStatus.FAILED)
    assert view.can_cancel is (status in UNPAID)
    assert view.can_cancel is ((status, Event.CANCELED) in TRANSITIONS)
    assert view.in_library is (status in GRANTING)
    assert view.settled is (status not in UNPAID)


@each_status
def test_a_user_is_told_of_no_charge_only_when_that_is_true(status: OrderStatus) -> None:
    says_not_charged = "not charged" in order_view(_details(status), *FOR_WHOM).text
    assert says_not_charged is (status in {OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.FAILED})


@pytest.mark.parametrize("status", sorted(UNPAID))
def test_a_flagged_order_offers_no_action_that_could_charge_again(status: OrderStatus) -> None:
    view = order_view(_details(status, payability=Payability(under_review=True)), *FOR_WHOM)
    assert not any((view.can_pay, view.can_retry, view.can_cancel))
    assert view.status == "checking"
    assert order_row(_order(status), Payability(under_review=True)).status_label == view.status_label


@pytest.mark.parametrize("status", sorted(UNPAID))
def test_an_order_that_is_out_of_date_says_why_and_can_only_be_canceled(status: OrderStatus) -> None:
    view = order_view(
        _details(status, payability=Payability(outdated="The price of Sword has changed.")),
        "Acme Pay",
        "Kira",
        "Northlight Games",
    )
    assert "The price of Sword has changed." in view.text
    assert (view.can_pay, view.can_retry, view.can_cancel) == (False, False, True)


def test_an_order_line_shows_its_total_price_and_links_to_the_item() -> None:
    (line,) = order_view(_details(OrderStatus.PENDING), *FOR_WHOM).lines
    assert (line.price, line.quantity) == ("$1,999.98", 2)
    assert (line.href, line.image) == ("/item/a%2Fb", "/api/items/a%2Fb/cover.svg")
    assert line.status == ""


@each_status
def test_the_list_of_orders_uses_the_same_texts(status: OrderStatus) -> None:
    row = order_row(_order(status), Payability())
    assert (row.status_label, row.tone) == (ORDER_WORDS[status].chip, ORDER_WORDS[status].tone)
    assert row.href == "/orders/5f0c"


@pytest.mark.parametrize("status", PurchaseStatus)
def test_the_library_has_a_text_for_every_purchase_status(status: PurchaseStatus) -> None:
    item = ItemRow(1, "dragon-sword", "Dragon Sword", "", 99_999, "USD", ItemKind.NON_CONSUMABLE, "")
    view = purchase_view(PurchaseRow(7, "5f0c", "u", 1, 1, NOW, status, "4F7K-2M9Q", OrderStatus.REFUNDED, item))
    assert view.status
    assert view.tone == {"granted": "good", "held": "wait", "refunded": "info"}[status]
    assert view.is_gone is (status == PurchaseStatus.REFUNDED)
    assert (view.order_number, view.order_href) == ("4F7K-2M9Q", "/orders/5f0c")


@pytest.mark.parametrize("status", [OrderStatus.REFUNDED, OrderStatus.CHARGED_BACK])
def test_the_library_gives_the_same_reason_as_the_order(status: OrderStatus) -> None:
    item = ItemRow(1, "dragon-sword", "Dragon Sword", "", 99_999, "USD", ItemKind.NON_CONSUMABLE, "")
    row = PurchaseRow(7, "5f0c", "u", 1, 1, NOW, PurchaseStatus.REFUNDED, "4F7K-2M9Q", status, item)
    view, order = purchase_view(row), order_row(_order(status), Payability())
    assert (view.status, view.tone) == (order.status_label, order.tone)


def _paid(charged: int | None = 217_758, *more: Fact) -> Standing:
    payment = Fact("payment", "1", "acme", "tx-1", "po-1", 199_998, charged)
    return standing([payment, *more])


def test_a_receipt_says_what_the_user_was_charged() -> None:
    receipt = order_view(_details(OrderStatus.PAID, standing=_paid()), *FOR_WHOM).receipt
    assert (receipt.subtotal, receipt.tax, receipt.paid) == ("$1,999.98", "$177.60", "$2,177.58")
    assert (receipt.refunded, receipt.transactions) == ("", "tx-1")
    assert (receipt.seller, receipt.buyer) == ("Northlight Games", "Kira")


def test_a_receipt_has_no_tax_where_none_was_said() -> None:
    for charged in (None, 199_998):
        view = order_view(_details(OrderStatus.PAID, standing=_paid(charged)), "Acme Pay", "Kira", "")
        assert (view.receipt.tax, view.receipt.paid) == ("", "$1,999.98")


def test_an_order_without_payment_has_no_receipt() -> None:
    for status in (OrderStatus.PENDING, OrderStatus.FAILED, OrderStatus.CANCELED, OrderStatus.EXPIRED):
        assert order_view(_details(status), *FOR_WHOM).receipt == ReceiptView()


@pytest.mark.parametrize(
    ("facts", "status", "refunded", "heading"),
    [
        ([("partial_refund", 750)], OrderStatus.PARTIALLY_REFUNDED, "$7.50", "$7.50 refunded"),
        (
            [("partial_refund", 750), ("partial_refund", 250)],
            OrderStatus.PARTIALLY_REFUNDED,
            "$10.00",
            "$10.00 refunded",
        ),
        ([("partial_refund", None)], OrderStatus.PARTIALLY_REFUNDED, "", "A part was refunded"),
        ([("refund", None)], OrderStatus.REFUNDED, "$2,177.58", "Refunded"),
        ([("chargeback", None)], OrderStatus.CHARGED_BACK, "$2,177.58", "Payment taken back"),
    ],
)
def test_what_went_back_is_told_with_its_amount(
    facts: list[tuple[str, int | None]], status: OrderStatus, refunded: str, heading: str
) -> None:
    back = [
        Fact(kind, f"{kind}{number}", "acme", "tx-1", "po-1", None, charged)
        for number, (kind, charged) in enumerate(facts)
    ]
    view = order_view(_details(status, standing=_paid(217_758, *back)), "Acme Pay", "Kira", "")
    assert (view.receipt.refunded, view.heading) == (refunded, heading)


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
    cart = Cart([Line(_item(), 1), Line(potion, 3)])
    assert cart_total(cart) == "$1,149.96"
    sword, potions = cart_rows(cart)
    assert not sword.countable
    assert potions.countable
    assert (sword.problem, sword.order) == ("", "")
    assert cart_total(Cart([])) == ""


def test_what_cannot_be_bought_is_not_part_of_the_total_and_says_why() -> None:
    waiting = Line(_item(), 1, "Part of an order you have not paid yet.", "5f0c")
    owned = Line(_item(id=2, sku="hat"), 1, "In your library already.")
    cart = Cart([waiting, Line(_item(id=3, sku="shield", price=100), 1), owned])
    assert cart_total(cart) == "$1.00"
    assert cart.wanted == {"shield": 1}
    assert [(row.problem, row.order) for row in cart_rows(cart)] == [
        ("Part of an order you have not paid yet.", "/orders/5f0c"),
        ("", ""),
        ("In your library already.", ""),
    ]
    assert cart_total(Cart([waiting, owned])) == ""
