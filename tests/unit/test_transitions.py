"""The table of transitions, and the page of the documentation that is made from it."""

from pathlib import Path

import pytest

from store_app.models import OPEN, OrderStatus
from store_app.orders.transitions import MESSAGES, TRANSITIONS, Event, as_markdown
from store_app.web.ui.words import ORDER_WORDS


def test_the_documentation_is_the_table() -> None:
    page = Path("docs/order-transitions.md").read_text(encoding="utf-8")
    assert page.endswith(as_markdown()), "run `python -m store_app.orders transitions` and put it there"


@pytest.mark.parametrize("status", OrderStatus)
def test_money_wins_over_every_status(status: OrderStatus) -> None:
    for event in (Event.PAID, Event.PARTIALLY_REFUNDED, Event.REFUNDED, Event.CHARGED_BACK):
        if status.value != event.value:
            assert TRANSITIONS[status, event] == event.value


@pytest.mark.parametrize("event", [Event.DECLINED, Event.CANCELED, Event.EXPIRED])
def test_only_open_orders_are_closed(event: Event) -> None:
    assert {status for status, happened in TRANSITIONS if happened == event} <= set(OPEN)


@pytest.mark.parametrize("status", OrderStatus)
def test_every_status_has_its_words_and_its_message(status: OrderStatus) -> None:
    assert ORDER_WORDS[status].heading
    assert MESSAGES[status]
