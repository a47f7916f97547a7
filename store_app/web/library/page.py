"""The library page."""

import reflex as rx

from store_app import routes
from store_app.web.checkout.payment_check import check_payments_box
from store_app.web.library.state import LibraryState
from store_app.web.library.view import PurchaseView
from store_app.web.ui.components import button, chip, cover, empty_state, link, loading
from store_app.web.ui.layout import heading, page
from store_app.web.ui.page import Page
from store_app.web.ui.shell import ShellState


def _row(row: rx.Var[PurchaseView]) -> rx.Component:
    return rx.el.li(
        cover(row.image, classes="w-28 sm:w-44 rounded-lg self-start"),
        rx.el.div(
            rx.el.h2(
                link(row.name, row.href),
                rx.cond(row.quantity > 1, rx.el.span(" x ", row.quantity)),
                rx.cond(
                    LibraryState.fresh.contains(row.key),
                    rx.el.span("New", class_name="ml-2 px-2 rounded bg-accent text-on-accent text-sm"),
                ),
                class_name="font-semibold",
            ),
            rx.el.p("Bought ", row.bought, class_name="text-sm text-muted"),
            rx.el.p("Order ", link(row.order_number, row.order_href), class_name="text-sm"),
            class_name="grow",
        ),
        chip(row.status, rx.cond(row.ready, "good", "info")),
        key=row.key,
        class_name="arrive flex flex-wrap sm:flex-nowrap gap-4 items-start py-4 border-b border-line",
        data_testid="purchase",
    )


def _owned() -> rx.Component:
    return rx.cond(
        LibraryState.rows.length() > 0,
        rx.fragment(
            rx.el.ul(rx.foreach(LibraryState.rows, _row), aria_label="What you own"),
            rx.cond(LibraryState.has_more, button("Show more", LibraryState.load_more)),
        ),
        rx.cond(
            ShellState.username != "",
            empty_state("Nothing here yet", "What you buy appears here in seconds."),
            empty_state(
                "Sign in to see your library",
                "Everything you bought is kept with your account.",
                "Sign in",
                routes.login(routes.LIBRARY),
            ),
        ),
    )


def library_page() -> rx.Component:
    """Return `/library`."""
    return page(
        rx.el.div(
            heading("Your library"),
            rx.cond(LibraryState.loaded, _owned(), loading()),
            rx.cond(LibraryState.loaded & (ShellState.username != ""), check_payments_box(LibraryState)),
            class_name="flex flex-col gap-4 items-stretch",
        )
    )


PAGES = (Page(library_page, routes.LIBRARY, "Library", LibraryState.load),)
