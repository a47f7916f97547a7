"""The order page: the payment in progress, the receipt, and all other statuses of an order."""

import reflex as rx

from store_app import routes
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
    text_button,
)
from store_app.web.ui.layout import heading, narrow_column, page
from store_app.web.ui.page import Page

_PHASES = {
    "checking": ("Checking your payment", "This takes a few seconds."),
    "long": (
        "Still waiting for the bank",
        "You can close this page. Your library is updated when the payment is confirmed.",
    ),
    "very_long": (
        "Payment not confirmed yet",
        "Some payment methods take up to 24 hours. You are not charged twice if you wait.",
    ),
}


def _phase_text(index: int, otherwise: rx.Var) -> rx.Component:
    return rx.match(OrderState.phase, *((phase, texts[index]) for phase, texts in _PHASES.items()), otherwise)


def _line(line: rx.Var[LineView]) -> rx.Component:
    return rx.el.li(
        cover(line.image, classes="w-24 rounded-lg self-start"),
        rx.el.div(
            link(line.name, line.href),
            rx.cond(line.quantity > 1, rx.el.span(" x ", line.quantity)),
            rx.cond(line.status != "", rx.el.p(line.status, class_name="text-wait text-sm")),
            class_name="grow",
        ),
        rx.el.span(line.price),
        class_name="flex gap-4 py-3 border-b border-line",
    )


def _step(step: rx.Var[StepView]) -> rx.Component:
    return rx.el.li(rx.el.span(step.at, class_name="text-muted mr-3 tabular-nums"), step.text)


def _actions() -> rx.Component:
    order = OrderState.order
    waiting = (OrderState.phase == "checking") | (OrderState.phase == "long")
    return rx.el.div(
        rx.cond(
            order.can_pay & (OrderState.phase == ""),
            button("Open the payment page", OrderState.pay, primary=True),
        ),
        rx.cond(OrderState.phase != "", button("Check now", OrderState.check_now)),
        rx.cond(order.can_pay & (OrderState.phase == "very_long"), button("Pay again", OrderState.pay)),
        rx.cond(order.can_retry, button("Try again", OrderState.pay, primary=True)),
        rx.cond(order.can_start_again, button("Start again", OrderState.start_again, primary=True)),
        rx.cond(order.in_library, link_button("Open library", routes.LIBRARY, primary=True)),
        rx.cond(order.can_cancel & ~waiting, button("Cancel order", OrderState.cancel)),
        link_button("Go to the store", routes.STORE),
        class_name="no-print flex flex-wrap gap-3",
    )


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
            chip(order.status_label, order.tone),
            class_name="flex flex-wrap items-center gap-3",
        ),
        rx.el.p(_phase_text(1, order.text), data_testid="order-text"),
        role="status",
        class_name="flex flex-col gap-2",
        data_status=order.status,
        data_testid="order-status",
    )


def _order() -> rx.Component:
    order = OrderState.order
    return narrow_column(
        _status(),
        problem(OrderState),
        _actions(),
        rx.el.section(
            rx.el.h2("Order ", order.number, class_name="text-xl font-semibold"),
            rx.el.p("Placed ", order.placed, class_name="text-muted"),
            rx.el.ul(rx.foreach(order.lines, _line)),
            rx.el.p(
                rx.el.span("Total"),
                rx.el.strong(order.total, data_testid="order-total"),
                class_name="flex justify-between pt-3 text-lg",
            ),
            class_name=PANEL,
        ),
        rx.el.section(
            rx.el.h2("What happened", class_name="text-xl font-semibold mb-2"),
            rx.el.ol(rx.foreach(order.steps, _step)),
            rx.el.p("Times are UTC.", class_name="text-sm text-muted mt-2"),
            class_name=PANEL,
        ),
        rx.cond(~order.in_library, check_payments_box(OrderState)),
        text_button("Print receipt", rx.call_script("window.print()"), classes="no-print"),
    )


def order_page() -> rx.Component:
    """Return `/orders/[order_id]`."""
    return page(
        rx.cond(
            OrderState.missing,
            narrow_column(
                heading("Order not found"),
                empty_state(
                    "There is no such order in your account",
                    "If you followed a link, check that you are signed in with the right account.",
                    "Your orders",
                    routes.ACCOUNT,
                ),
            ),
            rx.cond(OrderState.loaded, _order(), loading()),
        )
    )


PAGES = (Page(order_page, routes.ORDER, "Order", OrderState.load),)
