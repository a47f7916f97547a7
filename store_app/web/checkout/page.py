"""The cart page."""

import reflex as rx

from store_app import routes
from store_app.web.checkout.state import CartState
from store_app.web.checkout.view import CartRow
from store_app.web.ui.components import PANEL, button, cover, empty_state, link, loading, problem, text_button
from store_app.web.ui.layout import heading, page, pay_at_provider
from store_app.web.ui.page import Page
from store_app.web.ui.shell import ShellState


def _stepper(row: rx.Var[CartRow]) -> rx.Component:
    return rx.el.div(
        button(
            "-", CartState.one_fewer(row.sku), disabled=row.quantity <= 1, aria_label="One fewer of " + row.name
        ),
        rx.el.span(row.quantity, class_name="px-3", data_testid="quantity"),
        button("+", CartState.one_more(row.sku), aria_label="One more of " + row.name),
        class_name="flex items-center",
    )


def _row(row: rx.Var[CartRow]) -> rx.Component:
    return rx.el.li(
        cover(row.image, classes="w-28 sm:w-40 rounded-lg self-start"),
        rx.el.div(
            link(row.name, row.href),
            rx.cond(row.problem != "", rx.el.p(row.problem, class_name="text-bad text-sm")),
            rx.cond(row.countable, _stepper(row)),
            text_button("Remove", CartState.remove(row.sku), classes="min-h-11", aria_label="Remove " + row.name),
            class_name="grow flex flex-col items-start gap-1",
        ),
        rx.el.p(row.price, class_name="font-semibold"),
        class_name="flex gap-4 py-4 border-b border-line",
        data_testid="cart-row",
    )


def _summary() -> rx.Component:
    return rx.el.aside(
        rx.el.p(
            rx.el.span("Total "),
            rx.el.strong(CartState.total, data_testid="cart-total"),
            class_name="flex justify-between text-xl",
        ),
        rx.el.p("Tax is added at payment if your country needs it.", class_name="text-sm text-muted"),
        problem(CartState),
        button("Go to payment", CartState.pay, primary=True),
        rx.el.p(pay_at_provider(), " We never see your card.", class_name="text-sm text-muted"),
        aria_label="Summary",
        class_name=f"{PANEL} flex flex-col gap-4 self-start",
    )


def _cart() -> rx.Component:
    return rx.cond(
        CartState.rows.length() > 0,
        rx.el.div(
            rx.el.ul(rx.foreach(CartState.rows, _row), class_name="lg:col-span-2"),
            _summary(),
            class_name="grid gap-6 lg:grid-cols-3",
        ),
        rx.cond(
            ShellState.username != "",
            empty_state("Your cart is empty", "Items you add appear here."),
            empty_state(
                "Sign in to fill a cart",
                "Your cart is kept with your account.",
                "Sign in",
                routes.login(routes.CART),
            ),
        ),
    )


def cart_page() -> rx.Component:
    """Return `/cart`."""
    return page(
        rx.el.div(heading("Cart"), rx.cond(CartState.loaded, _cart(), loading()), class_name="flex flex-col gap-4")
    )


PAGES = (Page(cart_page, routes.CART, "Cart", CartState.load),)
