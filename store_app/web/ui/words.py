"""The words of the pages about orders: one record for each status."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from babel.lists import format_list

from store_app import languages
from store_app.languages import gettext as _
from store_app.languages import marked, ngettext
from store_app.models import OrderStatus
from store_app.orders.transitions import MESSAGES


@dataclass(frozen=True, slots=True)
class OrderWords:
    """The texts of the pages about an order in one status.

    Args:
        chip: the status in one to three words; `tone` chooses its color.
        heading: the heading of the order's page, with `text` below it.
        step: the line of the timeline when the order gets this status.
        notice: the notice in open tabs when the order gets this status; empty if there is none.
    """

    chip: str
    tone: str
    heading: str
    text: str
    step: str = ""
    notice: str = ""


ORDER_WORDS: dict[str, OrderWords] = {
    OrderStatus.PENDING: OrderWords(
        chip=marked("Waiting for payment"),
        tone="wait",
        heading=marked("Complete your payment"),
        text=marked("Pay on the payment page. This page updates by itself when the payment is confirmed."),
        step=marked("New payment page opened"),
    ),
    OrderStatus.PAID: OrderWords(
        chip=marked("Paid"),
        tone="good",
        heading=marked("It is in your library"),
        text=marked("Payment received. Thank you."),
        step=marked("Payment confirmed by {provider}, items added to your library"),
    ),
    OrderStatus.PARTIALLY_REFUNDED: OrderWords(
        chip=marked("Partly refunded"),
        tone="info",
        heading=marked("A part was refunded"),
        text=marked(
            "A part of the money goes back to your payment method, usually within 3 to 10 days. "
            "You keep what you bought."
        ),
        step=marked("Part of the payment refunded"),
        notice=marked("A part of an order was refunded."),
    ),
    OrderStatus.REFUNDED: OrderWords(
        chip=marked("Refunded"),
        tone="info",
        heading=marked("Refunded"),
        text=marked(
            "The money goes back to your payment method, usually within 3 to 10 days. "
            "The items were removed from your library."
        ),
        step=marked("Payment refunded, items removed from your library"),
        notice=marked("An order was refunded."),
    ),
    OrderStatus.CHARGED_BACK: OrderWords(
        chip=marked("Charged back"),
        tone="bad",
        heading=marked("Payment taken back"),
        text=marked(
            "Your bank or card issuer took this payment back, so the items were removed from your library."
        ),
        step=marked("Payment charged back, items removed from your library"),
        # The same as for a refund, because the message has the same name.
        notice=marked("An order was refunded."),
    ),
    OrderStatus.CANCELED: OrderWords(
        chip=marked("Canceled"),
        tone="info",
        heading=marked("Payment canceled"),
        text=marked("You were not charged."),
        step=marked("Order canceled"),
        notice=marked("An order was canceled."),
    ),
    OrderStatus.EXPIRED: OrderWords(
        chip=marked("Expired"),
        tone="info",
        heading=marked("This order has expired"),
        text=marked("You were not charged. If money left your account, tell us the order number."),
        step=marked("Order expired"),
        notice=marked("An order has expired."),
    ),
    OrderStatus.FAILED: OrderWords(
        chip=marked("Declined"),
        tone="bad",
        heading=marked("Payment did not go through"),
        text=marked("The bank or the payment provider refused it. You were not charged."),
        step=marked("Payment declined"),
        notice=marked("A payment did not go through."),
    ),
}
# For an open order with a payment that does not match it.
UNDER_REVIEW = OrderWords(
    chip=marked("Being checked"),
    tone="wait",
    heading=marked("We are checking this order"),
    text=marked(
        "Your payment arrived but does not match the order. We are looking into it; you do not need to pay again."
    ),
    notice=marked("We are checking one of your orders."),
)
# For an open order that is out of date; `words_of` says why.
NOT_PAYABLE = OrderWords(
    chip=marked("Out of date"),
    tone="bad",
    heading=marked("This order can no longer be paid"),
    text="",
)
# Notices by the name of the message that brings them.
_NOTICES = {
    **{MESSAGES[status]: words.notice for status, words in ORDER_WORDS.items() if words.notice},
    "order_flagged": UNDER_REVIEW.notice,
}


def words_of(status: str, *, under_review: bool = False, obstacle: str = "", refunded: str = "") -> OrderWords:
    """Return the words about an order, the same on every page.

    Args:
        status: the status of the order.
        under_review: whether a payment that does not match it is being checked.
        obstacle: why it can no longer be paid; empty if it can.
        refunded: how much went back, as users read it; empty if that is not known.
    """
    if under_review:
        return _translated(UNDER_REVIEW)
    if obstacle:
        text = _(
            "{obstacle} You were not charged. Cancel it, and order again if you want the rest.", obstacle=obstacle
        )
        return replace(_translated(NOT_PAYABLE), text=text)
    words = _translated(ORDER_WORDS[status])
    if status == OrderStatus.PARTIALLY_REFUNDED and refunded:
        return replace(words, heading=_("{refunded} refunded", refunded=refunded))
    return words


def _translated(words: OrderWords) -> OrderWords:
    """Return the words in the current language, with their placeholders."""
    texts = {field.name: getattr(words, field.name) for field in fields(words) if field.name != "tone"}
    return replace(words, **{name: _(text) for name, text in texts.items()})


def notice_of(event: str, names: Sequence[str]) -> str:
    """Return the notice for a message, empty if it has none; `names` are those of the order's items."""
    if event != MESSAGES[OrderStatus.PAID]:
        return _(_NOTICES.get(event, ""))
    items = format_list(names, locale=languages.locale())
    if len(names) > 2:
        items = _("{name} and {number} more", name=names[0], number=len(names) - 1)
    return ngettext(
        "{items} was added to your library.", "{items} were added to your library.", len(names), items=items
    )


def step_words(kind: str, provider_name: str) -> str:
    """Return the text of a timeline event: "placed", or the status that the order got."""
    if kind == "placed":
        return _("Order placed")
    return _(ORDER_WORDS[kind].step, provider=provider_name)
