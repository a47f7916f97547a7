"""The sign-in, register and account pages."""

from typing import Any

import reflex as rx

from store_app import routes
from store_app.web.accounts.state import AccountState, FormState
from store_app.web.orders.view import OrderRow
from store_app.web.ui.components import (
    INPUT,
    PRIMARY,
    SECONDARY,
    chip,
    empty_state,
    fragment_link,
    link,
    loading,
    post_form,
)
from store_app.web.ui.layout import heading, narrow_column, page
from store_app.web.ui.page import Page
from store_app.web.ui.shell import ShellState


def _summary() -> rx.Component:
    """Return the error summary at the top of the form, with a link to the field (as GOV.UK does)."""
    return rx.cond(
        FormState.problem != "",
        rx.el.div(
            rx.el.h2("There is a problem", class_name="font-semibold"),
            fragment_link(
                FormState.problem,
                rx.cond(FormState.at_password, "#password", "#username"),
                class_name="text-bad underline inline-flex items-center min-h-6",
                id="problem",
                # React does not pass auto_focus on to links.
                on_mount=rx.set_focus("problem"),
            ),
            role="alert",
            class_name="rounded-lg border-2 border-bad p-3",
            data_testid="form-problem",
        ),
    )


def _field(label: str, *, name: str, **props: Any) -> rx.Component:
    return rx.el.div(
        rx.el.label(label, html_for=name, class_name="block font-semibold mb-1"),
        rx.el.input(
            id=name,
            name=name,
            required=True,
            auto_capitalize="none",
            spell_check=False,
            class_name=INPUT,
            **props,
        ),
    )


def _form(action: str, label: str, autocomplete: str, hint: str) -> rx.Component:
    return post_form(
        rx.el.input(type="hidden", name="next", value=FormState.next, read_only=True),
        _field(
            "User name",
            name="username",
            key="username" + FormState.username,
            default_value=FormState.username,
            auto_complete="username",
        ),
        rx.el.div(
            _field(
                "Password",
                name="password",
                type="password",
                auto_complete=autocomplete,
                aria_describedby="password-hint",
            ),
            rx.el.p(hint, id="password-hint", class_name="text-sm text-muted mt-1"),
        ),
        rx.el.button(label, type="submit", class_name=PRIMARY),
        action=action,
        class_name="flex flex-col gap-4 items-stretch",
    )


def _alternative(text: str, label: str, path: str) -> rx.Component:
    return rx.el.p(text, " ", link(label, path + "?next=" + FormState.next))


def _form_page(title: str, *content: rx.Component) -> rx.Component:
    return page(narrow_column(heading(title), _summary(), *content))


def login_page() -> rx.Component:
    """Return `/login`."""
    return _form_page(
        "Sign in",
        _form("/auth/login", "Sign in", "current-password", ""),
        _alternative("New here?", "Create an account", routes.REGISTER),
    )


def register_page() -> rx.Component:
    """Return `/register`."""
    return _form_page(
        "Create an account",
        _form("/auth/register", "Create account", "new-password", "8 characters or more. Any characters."),
        _alternative("Have an account?", "Sign in", routes.LOGIN),
    )


def _order_row(order: rx.Var[OrderRow]) -> rx.Component:
    return rx.el.li(
        link(order.number, order.href),
        rx.el.span(order.placed, class_name="text-muted"),
        rx.el.span(order.total),
        chip(order.status_label, order.tone),
        class_name="flex flex-wrap gap-x-6 gap-y-1 py-3 border-b border-line",
    )


def _account() -> rx.Component:
    return rx.fragment(
        rx.el.p("Signed in as ", rx.el.strong(ShellState.username)),
        rx.el.div(
            post_form(rx.el.button("Sign out", type="submit", class_name=SECONDARY), action="/auth/logout"),
            post_form(
                rx.el.button("Sign out everywhere", type="submit", class_name=SECONDARY),
                action="/auth/logout-everywhere",
            ),
            class_name="flex flex-wrap gap-3",
        ),
        rx.el.h2("Your orders", class_name="text-xl font-semibold"),
        rx.cond(
            AccountState.orders.length() > 0,
            rx.el.ul(rx.foreach(AccountState.orders, _order_row)),
            empty_state("No orders yet", "What you order appears here."),
        ),
    )


def account_page() -> rx.Component:
    """Return `/account`."""
    return page(narrow_column(heading("Account"), rx.cond(AccountState.loaded, _account(), loading())))


PAGES = (
    Page(login_page, routes.LOGIN, "Sign in", FormState.load),
    Page(register_page, routes.REGISTER, "Create an account", FormState.load),
    Page(account_page, routes.ACCOUNT, "Account", AccountState.load),
)
