"""The order page: the payment in progress, the receipt, and all other statuses of an order."""

from typing import Any

import reflex as rx

from store_app import routes
from store_app.brand import get_brand
from store_app.languages import gettext as _
from store_app.languages import marked
from store_app.routes import localized
from store_app.web.checkout.payment_check import check_payments_box
from store_app.web.orders.state import OrderState
from store_app.web.orders.view import LineView, StepView
from store_app.web.ui.components import (
    PANEL,
    button,
    chip,
    cover,
    empty_state,
    link,
    link_button,
    loading,
    problem,
    sentence,
    text_button,
)
from store_app.web.ui.layout import heading, narrow_column, page
from store_app.web.ui.page import Page
from store_app.web.ui.shell import ShellState

# The heading, the text and the status while the user waits.
_PHASES = {
    "checking": (marked("Checking your payment"), marked("This takes a few seconds."), marked("Checking")),
    "long": (
        marked("Still waiting for the bank"),
        marked("You can close this page. Your library is updated when the payment is confirmed."),
        marked("Still waiting"),
    ),
    "very_long": (
        marked("Payment not confirmed yet"),
        marked("Some payment methods take up to 24 hours. You are not charged twice if you wait."),
        marked("Not confirmed yet"),
    ),
}


_STATUS = "panel p-5 sm:p-6 flex flex-col gap-3 border-l-4"


def _phase_text(index: int, otherwise: rx.Var) -> rx.Component:
    return rx.match(OrderState.phase, *((phase, _(texts[index])) for phase, texts in _PHASES.items()), otherwise)


def _line(line: rx.Var[LineView]) -> rx.Component:
    return rx.el.li(
        cover(line.image, classes="no-print w-24 flex-none rounded-lg self-start"),
        rx.el.div(
            link(line.name, line.href),
            rx.cond(line.quantity > 1, rx.el.span(" x ", line.quantity)),
            rx.cond(line.status != "", rx.el.p(line.status, class_name="text-wait text-sm")),
            class_name="grow",
        ),
        rx.el.span(line.price, class_name="amount"),
        class_name="flex gap-4 py-3 border-b border-line",
    )


def _step(step: rx.Var[StepView]) -> rx.Component:
    return rx.el.li(
        rx.el.span(step.at, class_name="text-muted mr-3 tabular-nums"),
        step.text,
        class_name="relative pl-5 pb-3 border-l border-line last:border-transparent before:absolute "
        "before:-left-[5px] before:top-2 before:size-[9px] before:rounded-full before:bg-muted "
        "last:before:bg-accent",
    )


def _actions() -> rx.Component:
    order = OrderState.order
    waiting = (OrderState.phase == "checking") | (OrderState.phase == "long")
    return rx.el.div(
        rx.cond(
            order.can_pay & (OrderState.phase == ""),
            button(_("Open the payment page"), OrderState.pay, primary=True),
        ),
        rx.cond(OrderState.phase != "", button(_("Check now"), OrderState.check_now)),
        rx.cond(order.can_pay & (OrderState.phase == "very_long"), button(_("Pay again"), OrderState.pay)),
        rx.cond(order.can_retry, button(_("Try again"), OrderState.pay, primary=True)),
        rx.cond(order.can_start_again, button(_("Start again"), OrderState.start_again, primary=True)),
        rx.cond(order.in_library, link_button(_("Open library"), localized(routes.LIBRARY), primary=True)),
        rx.cond(order.can_cancel & ~waiting, button(_("Cancel order"), OrderState.cancel)),
        link_button(_("Go to the store"), localized(routes.STORE)),
        class_name="no-print flex flex-wrap gap-3",
    )


def _arrived(line: rx.Var[LineView]) -> rx.Component:
    return rx.el.li(cover(line.image, classes="w-32 sm:w-40 rounded-[10px]"))


def _status() -> rx.Component:
    order = OrderState.order
    return rx.el.section(
        rx.el.div(
            heading(
                _phase_text(0, order.heading),
                id="order-heading",
                tab_index=-1,
                data_testid="order-heading",
            ),
            chip(_phase_text(2, order.status_label), order.tone),
            class_name="flex flex-wrap items-center gap-3",
        ),
        rx.el.p(_phase_text(1, order.text), class_name="text-[17px]", data_testid="order-text"),
        rx.cond(
            order.in_library,
            rx.el.ul(
                rx.foreach(order.lines, _arrived),
                class_name="arrive flex flex-wrap gap-3 pt-2",
                aria_hidden="true",
            ),
        ),
        rx.cond(OrderState.phase != "", rx.el.div(class_name="waiting")),
        role="status",
        class_name=rx.match(
            order.tone,
            *((tone, f"{_STATUS} border-{tone}") for tone in ("good", "bad", "wait")),
            f"{_STATUS} border-edge",
        ),
        data_status=order.status,
        data_testid="order-status",
    )


def _amount(label: str | rx.Var, amount: rx.Var[str], **props: Any) -> rx.Component:
    return rx.cond(
        amount != "",
        rx.el.div(
            rx.el.dt(label),
            rx.el.dd(amount, class_name="amount", **props),
            class_name="flex justify-between gap-4",
        ),
    )


def _fact(label: str, text: rx.Var[str]) -> rx.Component:
    return rx.cond(
        text != "",
        rx.el.div(
            rx.el.dt(label, class_name="text-muted flex-none w-28"),
            rx.el.dd(text, class_name="whitespace-pre-line break-words min-w-0"),
            class_name="flex gap-4",
        ),
    )


def _receipt() -> rx.Component:
    """Return what was ordered and, once there is a payment, what was paid."""
    order = OrderState.order
    receipt = order.receipt
    return rx.el.section(
        rx.el.h2(rx.cond(receipt.paid != "", _("Receipt"), _("Order")), " ", order.number, class_name="text-xl"),
        rx.el.p(sentence(_("Placed {time}"), time=order.placed), class_name="text-muted"),
        rx.el.ul(rx.foreach(order.lines, _line)),
        rx.cond(
            receipt.paid != "",
            rx.el.dl(
                _amount(_("Subtotal"), receipt.subtotal),
                _amount(
                    sentence(_("Sales tax, charged by {provider}"), provider=ShellState.provider_name),
                    receipt.tax,
                    data_testid="tax",
                ),
                rx.el.div(
                    rx.el.dt(_("Paid")),
                    rx.el.dd(receipt.paid, class_name="amount", data_testid="paid"),
                    class_name="flex justify-between gap-4 text-lg font-bold",
                ),
                _amount(_("Refunded"), receipt.refunded, data_testid="refunded"),
                class_name="flex flex-col gap-1 pt-3",
            ),
            rx.el.p(
                rx.el.span(_("Total")),
                rx.el.strong(order.total, class_name="amount", data_testid="order-total"),
                class_name="flex justify-between pt-3 text-lg",
            ),
        ),
        rx.cond(
            receipt.paid != "",
            rx.el.dl(
                _fact(_("Paid on"), receipt.paid_at),
                _fact(_("Transaction"), receipt.transactions),
                _fact(_("Seller"), receipt.seller),
                _fact(_("Buyer"), receipt.buyer),
                class_name="flex flex-col gap-1 pt-4 mt-4 border-t border-line text-sm",
                data_testid="receipt-facts",
            ),
        ),
        class_name=PANEL,
    )


def _order() -> rx.Component:
    order = OrderState.order
    return narrow_column(
        _status(),
        problem(OrderState),
        _actions(),
        _receipt(),
        rx.el.section(
            rx.el.h2(_("What happened"), class_name="text-xl mb-2"),
            rx.el.ol(rx.foreach(order.steps, _step)),
            rx.el.p(_("Times are UTC."), class_name="text-sm text-muted mt-2"),
            class_name=f"no-print {PANEL}",
        ),
        rx.cond(~order.in_library, check_payments_box(OrderState)),
        rx.cond(
            order.receipt.paid != "",
            text_button(_("Print receipt"), rx.call_function("() => window.print()"), classes="no-print"),
        ),
    )


def order_page() -> rx.Component:
    """Return `/orders/[order_id]`."""
    return page(
        rx.cond(
            OrderState.missing,
            narrow_column(
                heading(_("Order not found")),
                empty_state(
                    _("There is no such order in your account"),
                    _("If you followed a link, check that you are signed in with the right account."),
                    _("Your orders"),
                    localized(routes.ACCOUNT),
                    drawing="map",
                ),
            ),
            rx.cond(OrderState.loaded, _order(), loading()),
        )
    )


def _title() -> rx.Var:
    order = OrderState.order
    return rx.cond(
        OrderState.loaded & ~OrderState.missing,
        order.status_label + " - " + sentence(_("Order {number}"), number=order.number) + f" - {get_brand().name}",
        _("Order") + f" - {get_brand().name}",
    )


PAGES = (Page(order_page, routes.ORDER, _title, OrderState.load),)
