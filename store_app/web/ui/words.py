"""The words of the pages about orders: one record for each status."""

from dataclasses import dataclass

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


_NOT_CHARGED = "You were not charged."
ORDER_WORDS: dict[str, OrderWords] = {
    OrderStatus.PENDING: OrderWords(
        chip="Waiting for payment",
        tone="wait",
        heading="Complete your payment",
        text="Pay on the payment page. This page updates by itself when the payment is confirmed.",
        step="New payment page opened",
    ),
    OrderStatus.PAID: OrderWords(
        chip="Paid",
        tone="good",
        heading="It is in your library",
        text="Payment received. Thank you.",
        step="Payment confirmed by {provider}, items added to your library",
        notice="{items} added to your library.",
    ),
    OrderStatus.PARTIALLY_REFUNDED: OrderWords(
        chip="Partly refunded",
        tone="good",
        heading="Partly refunded",
        text="A part of the money goes back to your payment method, often in 3 to 10 days. "
        "You keep what you bought.",
        step="Part of the payment refunded",
        notice="A part of an order was refunded.",
    ),
    OrderStatus.REFUNDED: OrderWords(
        chip="Refunded",
        tone="info",
        heading="Refunded",
        text="The money goes back to your payment method, often in 3 to 10 days. The items left your library.",
        step="Payment refunded, items taken out of your library",
        notice="An order was refunded.",
    ),
    OrderStatus.CHARGED_BACK: OrderWords(
        chip="Charged back",
        tone="bad",
        heading="Payment taken back",
        text="Your bank or card issuer took this payment back, so the items left your library.",
        step="Payment charged back, items taken out of your library",
        # The same as for a refund, because the message has the same name.
        notice="An order was refunded.",
    ),
    OrderStatus.CANCELED: OrderWords(
        chip="Canceled",
        tone="info",
        heading="Payment canceled",
        text=_NOT_CHARGED,
        step="Order canceled",
        notice="An order was canceled.",
    ),
    OrderStatus.EXPIRED: OrderWords(
        chip="Expired",
        tone="info",
        heading="This order has expired",
        text=f"{_NOT_CHARGED} If money left your account, tell us the order number.",
        step="Order expired",
        notice="An order has expired.",
    ),
    OrderStatus.FAILED: OrderWords(
        chip="Declined",
        tone="bad",
        heading="Payment did not go through",
        text=f"The bank or the payment provider refused it. {_NOT_CHARGED}",
        step="Payment declined",
        notice="A payment did not go through.",
    ),
}
# For an open order with a payment that does not match it.
UNDER_REVIEW = OrderWords(
    chip="Being checked",
    tone="wait",
    heading="We are checking this order",
    text="Your payment arrived but does not match the order. We look into it; you need not pay again.",
    notice="We are checking one of your orders.",
)
# For an open order that is out of date: `obstacle_text` says why.
NOT_PAYABLE = OrderWords(
    chip="Out of date",
    tone="bad",
    heading="This order can no longer be paid",
    text="",
)
# Notices by the name of the message that brings them.
NOTICES = {
    **{MESSAGES[status]: words.notice for status, words in ORDER_WORDS.items() if words.notice},
    "order_flagged": UNDER_REVIEW.notice,
}


def step_words(kind: str, provider_name: str) -> str:
    """Return the text of a timeline event: "placed", or the status that the order got."""
    if kind == "placed":
        return "Order made"
    return ORDER_WORDS[kind].step.format(provider=provider_name)


def obstacle_text(obstacle: str) -> str:
    """Return the text of the page of an order that is out of date."""
    return f"{obstacle} {_NOT_CHARGED} Cancel this order, and order again if you want the rest."
