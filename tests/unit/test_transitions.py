"""The table of order transitions, and the document that is generated from it."""

from pathlib import Path

import pytest

from store_app.models import OPEN, OrderStatus
from store_app.orders.transitions import MESSAGES, TRANSITIONS, Event, as_markdown
from store_app.web.ui.words import ORDER_WORDS


def test_the_document_contains_the_table() -> None:
    document = Path("docs/order-transitions.md").read_text(encoding="utf-8")
    assert document.endswith(as_markdown()), "put the output of `python -m store_app orders transitions` there"


@pytest.mark.parametrize("status", OrderStatus)
def test_a_movement_of_money_changes_every_status(status: OrderStatus) -> None:
    for event in (Event.PAID, Event.PARTIALLY_REFUNDED, Event.REFUNDED, Event.CHARGED_BACK):
        if status.value != event.value:
            assert TRANSITIONS[status, event] == event.value


@pytest.mark.parametrize("event", [Event.DECLINED, Event.CANCELED, Event.EXPIRED])
def test_only_open_orders_can_be_closed(event: Event) -> None:
    assert {status for status, happened in TRANSITIONS if happened == event} <= set(OPEN)


@pytest.mark.parametrize("status", OrderStatus)
def test_every_status_has_its_texts_and_its_message(status: OrderStatus) -> None:
    assert ORDER_WORDS[status].heading
    assert MESSAGES[status]
