"""The layout of every page: skip link, header, connection banner, notice, content, footer."""

from typing import Any

import reflex as rx
from reflex_components_core.core.banner import has_connection_errors

from store_app import routes
from store_app.web.ui.components import fragment_link, link, text_button
from store_app.web.ui.shell import ShellState

_NAV = "inline-flex items-center min-h-11 px-2 sm:px-3 rounded-lg text-text no-underline hover:bg-raised"


def _header() -> rx.Component:
    return rx.el.header(
        rx.el.nav(
            rx.el.a(
                rx.el.img(src="/logo.svg", alt="", class_name="size-7"),
                rx.el.span("Game Store", class_name="hidden sm:inline font-bold"),
                rx.el.span("Store", class_name="sm:hidden"),
                href=routes.STORE,
                class_name=f"{_NAV} gap-2",
            ),
            rx.el.div(class_name="grow"),
            rx.el.a("Library", href=routes.LIBRARY, class_name=_NAV),
            rx.el.a(
                "Cart",
                rx.cond(
                    ShellState.cart_count > 0,
                    rx.el.span(
                        ShellState.cart_count,
                        rx.el.span(" items", class_name="sr-only"),
                        class_name="ml-1 px-2 rounded-full bg-accent text-on-accent text-sm font-semibold",
                        data_testid="cart-count",
                    ),
                ),
                href=routes.CART,
                class_name=_NAV,
            ),
            rx.cond(
                ShellState.username != "",
                rx.el.a(
                    rx.el.span(ShellState.username, class_name="max-w-20 sm:max-w-40 truncate"),
                    href=routes.ACCOUNT,
                    class_name=_NAV,
                    aria_label="Account of " + ShellState.username,
                    data_testid="account",
                ),
                rx.el.a("Sign in", href=routes.LOGIN, class_name=_NAV),
            ),
            aria_label="Main",
            class_name="max-w-6xl mx-auto flex items-center gap-1 px-2 sm:px-4 h-14 sm:h-16 text-sm sm:text-base",
        ),
        class_name="sticky top-0 z-20 bg-surface border-b border-line",
    )


def _connection_banner() -> rx.Component:
    """Return the banner of a lost connection. Reflex's own would show the server's address."""
    return rx.el.div(
        rx.cond(
            has_connection_errors,
            rx.el.p(
                "Reconnecting. What you see may be out of date. Your cart and orders are safe on the server.",
                class_name="bg-wait text-bg text-center px-4 py-1 text-sm",
            ),
        ),
        role="status",
    )


def _notice() -> rx.Component:
    return rx.el.div(
        rx.cond(
            ShellState.notice != "",
            rx.el.div(
                rx.el.p(ShellState.notice, data_testid="notice"),
                rx.el.div(
                    link("View order", ShellState.notice_href),
                    text_button("Dismiss", ShellState.dismiss_notice),
                    class_name="flex gap-4",
                ),
                class_name="arrive pointer-events-auto rounded-xl border border-accent bg-raised p-4 shadow-lg",
            ),
        ),
        # Always in the page: screen readers announce what is added to an element that is there.
        role="status",
        class_name="no-print pointer-events-none fixed z-30 inset-x-4 top-16 sm:top-auto sm:left-auto "
        "sm:bottom-6 sm:right-6 sm:w-96",
    )


def _footer() -> rx.Component:
    return rx.el.footer(
        rx.el.div(
            rx.el.p(
                rx.cond(ShellState.provider_name != "", "Payments by " + ShellState.provider_name + ". ", ""),
                "We never see your card.",
            ),
            link("Your orders", routes.ACCOUNT),
            class_name="max-w-6xl mx-auto px-4 py-6 flex flex-wrap gap-x-6 gap-y-2 text-sm text-muted",
        ),
        class_name="border-t border-line mt-12",
    )


def page(*children: rx.Component) -> rx.Component:
    """Return a page with this content."""
    return rx.el.div(
        fragment_link("Skip to content", "#content", class_name="skip"),
        _header(),
        _connection_banner(),
        _notice(),
        rx.el.main(*children, id="content", tab_index=-1, class_name="grow w-full max-w-6xl mx-auto px-4 py-6"),
        _footer(),
        class_name="min-h-screen flex flex-col",
    )


def heading(text: str | rx.Var, **props: Any) -> rx.Component:
    """Return the main heading of a page; there is one."""
    return rx.el.h1(text, class_name="text-2xl sm:text-3xl font-bold", **props)


def narrow_column(*children: rx.Component) -> rx.Component:
    """Return a single column, for forms and receipts."""
    return rx.el.div(*children, class_name="max-w-2xl mx-auto flex flex-col gap-5")


def pay_at_provider() -> str | rx.Var:
    """Return the sentence that says where the user pays."""
    return "You pay on the payment page of " + ShellState.provider_name + "."
