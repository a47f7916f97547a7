"""The sign-in, register and account pages."""

from typing import Any

import reflex as rx

from store_app import routes
from store_app.accounts.passwords import MIN_LENGTH
from store_app.brand import get_brand
from store_app.languages import gettext as _
from store_app.languages import marked, ngettext
from store_app.routes import localized
from store_app.web.accounts.state import AccountState, FormProblem, FormState, SessionView
from store_app.web.orders.view import OrderRow
from store_app.web.ui.components import (
    INPUT,
    LINK,
    PANEL,
    PRIMARY,
    SECONDARY,
    chip,
    empty_state,
    hidden,
    link,
    loading,
    plain_link,
    post_form,
    sentence,
)
from store_app.web.ui.layout import heading, page
from store_app.web.ui.page import Page
from store_app.web.ui.shell import ShellState


def _summary() -> rx.Component:
    """Return the error summary at the top of the form, with links to the fields (as GOV.UK does)."""
    return rx.cond(
        FormState.problems.length() > 0,
        rx.el.div(
            rx.el.h2(_("There is a problem"), class_name="font-semibold"),
            rx.el.ul(rx.foreach(FormState.problems, _problem_link)),
            role="alert",
            id="problems",
            tab_index=-1,
            on_mount=rx.set_focus("problems"),
            class_name="rounded-[10px] border-2 border-bad p-3",
            data_testid="form-problem",
        ),
    )


def _problem_link(problem: rx.Var[FormProblem]) -> rx.Component:
    return rx.el.li(
        plain_link(
            problem.sentence,
            "#" + problem.field,
            class_name="text-bad underline inline-flex items-center min-h-6",
        )
    )


def _field(label: str, problem: rx.Var[str], *, name: str, hint: str = "", **props: Any) -> rx.Component:
    return rx.el.div(
        rx.el.label(label, html_for=name, class_name="block font-semibold mb-1"),
        rx.cond(
            problem != "",
            rx.el.p(
                rx.el.span(_("Error:") + " ", class_name="sr-only"),
                problem,
                id=f"{name}-problem",
                class_name="text-bad text-sm mb-1",
            ),
        ),
        rx.el.input(
            id=name,
            name=name,
            required=True,
            auto_capitalize="none",
            spell_check=False,
            aria_invalid=rx.cond(problem != "", "true", "false"),
            aria_describedby=rx.cond(problem != "", f"{name}-problem {name}-hint", f"{name}-hint"),
            class_name=INPUT,
            **props,
        ),
        rx.el.p(hint, id=f"{name}-hint", class_name="text-sm text-muted mt-1 empty:hidden"),
    )


# In the browser only: no event may send the password while it is shown.
_SHOW_OR_HIDE = """() => {
  const field = document.getElementById("password"), button = document.getElementById("show-password");
  const shown = field.type === "text";
  field.type = shown ? "password" : "text";
  button.setAttribute("aria-pressed", String(!shown));
}"""


def _show_password() -> rx.Component:
    return rx.el.button(
        _("Show password"),
        type="button",
        id="show-password",
        on_click=rx.call_function(_SHOW_OR_HIDE),
        aria_pressed="false",
        class_name=f"{LINK} self-start aria-pressed:font-bold",
    )


def _form(action: str, label: str, autocomplete: str, hint: str) -> rx.Component:
    return post_form(
        rx.cond(FormState.item != "", rx.el.p(FormState.item, class_name="text-muted", data_testid="next")),
        hidden("next", FormState.next),
        hidden("buy", FormState.buy),
        _field(
            _("User name"),
            FormState.name_problem,
            name="username",
            key="username" + FormState.username,
            default_value=FormState.username,
            auto_complete="username",
        ),
        _field(
            _("Password"),
            FormState.password_problem,
            name="password",
            hint=hint,
            type="password",
            auto_complete=autocomplete,
        ),
        _show_password(),
        rx.el.button(label, type="submit", class_name=PRIMARY),
        action=localized(action),
        class_name="flex flex-col gap-4 items-stretch",
    )


def _alternative(text: str, label: str, path: str) -> rx.Component:
    return rx.el.p(text, " ", link(label, path + "?" + FormState.query))


def _form_page(title: str, *content: rx.Component) -> rx.Component:
    return page(
        rx.el.div(
            heading(title),
            _summary(),
            *content,
            class_name=f"{PANEL} w-full max-w-[420px] mx-auto mt-4 sm:mt-12 flex flex-col gap-5",
        )
    )


def login_page() -> rx.Component:
    """Return `/login`."""
    return _form_page(
        _("Sign in"),
        _form(routes.SIGN_IN, _("Sign in"), "current-password", ""),
        _alternative(_("New here?"), _("Create an account"), localized(routes.REGISTER)),
    )


def register_page() -> rx.Component:
    """Return `/register`."""
    return _form_page(
        _("Create an account"),
        _form(
            routes.SIGN_UP,
            _("Create account"),
            "new-password",
            ngettext(
                "{number} character or more. Any characters.",
                "{number} characters or more. Any characters.",
                MIN_LENGTH,
            ),
        ),
        _alternative(_("Already have an account?"), _("Sign in"), localized(routes.LOGIN)),
    )


def _order_row(order: rx.Var[OrderRow]) -> rx.Component:
    return rx.el.li(
        link(order.number, order.href),
        rx.el.span(order.placed, class_name="text-muted max-sm:order-last max-sm:col-span-2 max-sm:text-sm"),
        rx.el.span(order.total, class_name="amount text-right"),
        rx.el.span(chip(order.status_label, order.tone), class_name="sm:justify-self-end"),
        class_name="grid grid-cols-2 sm:grid-cols-[1fr_2fr_1fr_14rem] gap-x-4 gap-y-1 items-center py-3 border-b "
        "border-line",
    )


def _profile() -> rx.Component:
    return rx.el.section(
        rx.el.h2(_("Profile"), class_name="text-xl mb-2"),
        rx.el.p(
            _("Signed in as"),
            " ",
            rx.el.strong(ShellState.username),
            class_name="max-w-full [overflow-wrap:anywhere]",
        ),
        class_name=PANEL,
    )


def _session(session: rx.Var[SessionView]) -> rx.Component:
    return rx.el.li(
        sentence(_("Signed in {time}"), time=session.opened),
        rx.cond(session.is_current, rx.el.span(" (", _("this browser"), ")", class_name="text-muted")),
        class_name="py-2 border-b border-line",
        data_testid="session",
    )


def _sessions() -> rx.Component:
    return rx.el.section(
        rx.el.h2(_("Sessions"), class_name="text-xl mb-2"),
        rx.el.ul(rx.foreach(AccountState.sessions, _session), class_name="mb-4"),
        rx.el.div(
            post_form(
                rx.el.button(_("Sign out"), type="submit", class_name=SECONDARY), action=localized(routes.SIGN_OUT)
            ),
            post_form(
                rx.el.button(_("Sign out everywhere"), type="submit", class_name=SECONDARY),
                action=localized(routes.SIGN_OUT_EVERYWHERE),
            ),
            class_name="flex flex-wrap gap-3",
        ),
        class_name=PANEL,
    )


def _account() -> rx.Component:
    return rx.el.div(
        rx.el.div(_profile(), _sessions(), class_name="flex flex-col gap-6 self-start"),
        rx.el.section(
            rx.el.h2(_("Your orders"), class_name="text-xl mb-2"),
            rx.cond(
                AccountState.orders.length() > 0,
                rx.el.ul(rx.foreach(AccountState.orders, _order_row)),
                empty_state(_("No orders yet"), _("What you order appears here.")),
            ),
            class_name=f"{PANEL} lg:col-span-2 self-start",
        ),
        class_name="grid gap-6 lg:grid-cols-3",
    )


def account_page() -> rx.Component:
    """Return `/account`."""
    return page(
        rx.el.div(
            heading(_("Account")),
            rx.cond(AccountState.loaded, _account(), loading()),
            class_name="flex flex-col gap-5",
        )
    )


def _title(text: str) -> rx.Var:
    title = f"{text} - {get_brand().name}"
    return rx.cond(FormState.problems.length() > 0, _("Error:") + f" {title}", title)


PAGES = (
    Page(login_page, routes.LOGIN, lambda: _title(_("Sign in")), FormState.load),
    Page(register_page, routes.REGISTER, lambda: _title(_("Create an account")), FormState.load),
    Page(account_page, routes.ACCOUNT, marked("Account"), AccountState.load),
)
