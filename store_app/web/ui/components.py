"""Components that pages share: buttons, links, messages, covers, forms that the browser posts."""

from typing import Any

import reflex as rx
from reflex_components_core.el.elements.base import BaseHTML
from reflex_components_core.el.elements.inline import A

from store_app import routes
from store_app.web.ui.session import RefusalMixin

PRIMARY = (
    "inline-flex items-center justify-center min-h-12 px-5 rounded-lg bg-accent text-on-accent font-semibold "
    "no-underline cursor-pointer hover:brightness-110 disabled:opacity-60"
)
SECONDARY = (
    "inline-flex items-center justify-center min-h-11 px-4 rounded-lg border border-line bg-surface text-text "
    "no-underline cursor-pointer hover:bg-raised disabled:opacity-60"
)
LINK = "text-accent underline underline-offset-2 cursor-pointer inline-flex items-center min-h-6"
PANEL = "rounded-xl border border-line bg-surface p-4 sm:p-6"
INPUT = "w-full min-h-11 px-3 rounded-lg border border-muted bg-bg text-text"
_CHIP = "inline-block px-2 rounded border border-current text-sm"
_TONES = {"good": f"{_CHIP} text-good", "bad": f"{_CHIP} text-bad", "wait": f"{_CHIP} text-wait"}


class PostForm(BaseHTML):
    """A form that the browser posts. `rx.el.form` would prevent that."""

    tag = "form"

    action: rx.Var[str]
    method: rx.Var[str]


def post_form(*children: rx.Component, action: str, **props: Any) -> rx.Component:
    """Return a form that the browser posts to one of the store's routes."""
    return PostForm.create(*children, action=action, method="post", **props)


def button(label: str | rx.Var, on_click: Any, *, primary: bool = False, **props: Any) -> rx.Component:
    """Return a button."""
    classes = PRIMARY if primary else SECONDARY
    return rx.el.button(label, type="button", on_click=on_click, class_name=classes, **props)


def link_button(label: str | rx.Var, href: str | rx.Var, *, primary: bool = False, **props: Any) -> rx.Component:
    """Return a link that looks like a button."""
    return rx.el.a(label, href=href, class_name=PRIMARY if primary else SECONDARY, **props)


def link(label: str | rx.Var, href: str | rx.Var, **props: Any) -> rx.Component:
    """Return a link."""
    return rx.el.a(label, href=href, class_name=LINK, **props)


def fragment_link(label: str | rx.Var, fragment: str | rx.Var, **props: Any) -> rx.Component:
    """Return a link to an element of the same page. The links of React Router would not move the focus there."""
    return A.create(label, href=fragment, **props)


def cover(image: rx.Var, *, eager: bool = False, classes: str = "w-full") -> rx.Component:
    """Return an item's cover, at the ratio of 460 to 215. The name is beside it, so that it needs no text."""
    return rx.el.img(
        src=image,
        alt="",
        loading="eager" if eager else "lazy",
        custom_attrs={"fetchPriority": "high"} if eager else {},
        class_name=f"aspect-[460/215] object-cover bg-raised {classes}",
    )


def chip(label: rx.Var, tone: rx.Var | str) -> rx.Component:
    """Return a status in words, colored by its tone."""
    return rx.el.span(label, class_name=rx.match(tone, *_TONES.items(), f"{_CHIP} text-muted"))


def problem(state: type[RefusalMixin]) -> rx.Component:
    """Return the message of a refusal, with a link to the order that caused it; empty while there is none."""
    return rx.el.div(
        rx.cond(
            state.problem != "",
            rx.el.div(
                rx.el.p(state.problem),
                rx.cond(state.open_order != "", link("View that order", state.open_order)),
                class_name="rounded-lg border-2 border-bad p-3 text-text",
                data_testid="problem",
            ),
        ),
        role="alert",
    )


def text_button(label: str, on_click: Any, *, classes: str = "", **props: Any) -> rx.Component:
    """Return a button that looks like a link."""
    return rx.el.button(label, type="button", on_click=on_click, class_name=f"{LINK} {classes}", **props)


def empty_state(title: str, text: str, action: str = "Browse the store", href: str = routes.STORE) -> rx.Component:
    """Return what a page shows in place of content that is missing: what is missing, and a link to go on."""
    return rx.el.div(
        rx.el.h2(title, class_name="text-xl font-semibold"),
        rx.el.p(text, class_name="text-muted"),
        link_button(action, href, primary=True),
        class_name=f"{PANEL} flex flex-col items-start gap-3",
    )


def loading() -> rx.Component:
    """Return what a page shows while it waits for its data."""
    return rx.el.p("Loading ...", class_name="text-muted py-8", aria_busy="true")
