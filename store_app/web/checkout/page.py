"""The cart page."""

import reflex as rx

from store_app import routes
from store_app.languages import gettext as _
from store_app.languages import marked
from store_app.routes import localized
from store_app.web.checkout.state import CartState
from store_app.web.checkout.view import CartRow
from store_app.web.ui.components import (
    LINK,
    PANEL,
    button,
    cover,
    empty_state,
    hidden,
    link,
    loading,
    post_form,
    problem,
    sentence,
    text_button,
)
from store_app.web.ui.layout import heading, page, pay_at_provider
from store_app.web.ui.page import Page
from store_app.web.ui.shell import ShellState
from store_app.web.ui.stepper import stepper


def _remove(row: rx.Var[CartRow]) -> rx.Component:
    label, name = _("Remove"), sentence(_("Remove {name}"), name=row.name)
    return rx.cond(
        ShellState.username != "",
        text_button(label, CartState.remove(row.sku), classes="min-h-11", aria_label=name),
        post_form(
            hidden("sku", row.sku),
            rx.el.button(label, type="submit", aria_label=name, class_name=f"{LINK} min-h-11"),
            action=localized(routes.REMOVE_FROM_CART),
        ),
    )


def _row(row: rx.Var[CartRow]) -> rx.Component:
    return rx.el.li(
        cover(row.image, classes="w-28 sm:w-40 rounded-[10px] self-start flex-none"),
        rx.el.div(
            rx.el.div(
                rx.el.a(
                    row.name,
                    href=row.href,
                    class_name="display text-text no-underline hover:underline min-w-0 min-h-6",
                ),
                rx.el.p(row.price, class_name="amount display"),
                class_name="flex justify-between gap-4",
            ),
            rx.cond(
                row.problem != "",
                rx.el.p(
                    row.problem,
                    " ",
                    rx.cond(row.order != "", link(_("View that order"), row.order)),
                    class_name="text-bad text-sm",
                    data_testid="line-problem",
                ),
            ),
            rx.el.div(
                rx.cond(
                    row.countable,
                    stepper(
                        row.sku,
                        row.name,
                        row.quantity,
                        one_fewer=CartState.one_fewer(row.sku),
                        one_more=CartState.one_more(row.sku),
                    ),
                ),
                _remove(row),
                class_name="flex flex-wrap items-center gap-4",
            ),
            class_name="grow flex flex-col gap-1 min-w-0",
        ),
        class_name="panel flex gap-4 p-3 sm:p-4",
        data_testid="cart-row",
    )


def _summary() -> rx.Component:
    return rx.el.aside(
        problem(CartState),
        rx.cond(CartState.total != "", _payment(), rx.el.p(_("Nothing in the cart can be bought now."))),
        aria_label=_("Summary"),
        class_name=f"{PANEL} flex flex-col gap-4 self-start lg:sticky lg:top-20",
    )


def _payment() -> rx.Component:
    return rx.fragment(
        rx.el.p(
            rx.el.span(_("Total") + " "),
            rx.el.strong(CartState.total, class_name="amount", data_testid="cart-total"),
            class_name="display flex justify-between text-xl",
        ),
        rx.el.p(_("Tax is added at payment if your country requires it."), class_name="text-sm text-muted"),
        button(_("Go to payment"), CartState.pay, primary=True),
        rx.cond(
            ShellState.username == "",
            rx.el.p(
                _("You sign in or create an account first. Your cart goes with you."),
                class_name="text-sm text-muted",
            ),
        ),
        rx.el.p(pay_at_provider(), " ", _("We never see your card."), class_name="text-sm text-muted"),
    )


def _removed() -> rx.Component:
    return rx.el.div(
        rx.cond(
            CartState.removed != "",
            rx.el.p(
                sentence(_("{name} was removed."), name=CartState.removed),
                " ",
                text_button(_("Undo"), CartState.undo),
                class_name="panel px-4 py-3",
                data_testid="removed",
            ),
        ),
        role="status",
    )


def _cart() -> rx.Component:
    return rx.cond(
        CartState.rows.length() > 0,
        rx.el.div(
            rx.el.ul(rx.foreach(CartState.rows, _row), class_name="lg:col-span-2 flex flex-col gap-3"),
            _summary(),
            class_name="grid gap-6 lg:grid-cols-3",
        ),
        empty_state(_("Your cart is empty"), _("Items you add appear here.")),
    )


def cart_page() -> rx.Component:
    """Return `/cart`."""
    return page(
        rx.el.div(
            heading(_("Cart")),
            _removed(),
            rx.cond(CartState.loaded, _cart(), loading()),
            class_name="flex flex-col gap-4",
        )
    )


PAGES = (Page(cart_page, routes.CART, marked("Cart"), CartState.load),)
