"""Components that pages share: buttons, links, messages, covers, forms that the browser posts."""

import operator
from functools import reduce
from string import Formatter
from typing import Any

import reflex as rx
from reflex_components_core.el.elements.base import BaseHTML
from reflex_components_core.el.elements.inline import A

from store_app import routes
from store_app.languages import gettext as _
from store_app.web.ui import icons
from store_app.web.ui.session import RefusalMixin

_BUTTON = (
    "inline-flex items-center justify-center gap-2 text-center px-5 py-2 rounded-[10px] no-underline "
    "cursor-pointer disabled:opacity-60 disabled:cursor-default"
)
PRIMARY = f"primary display {_BUTTON} min-h-12 hover:brightness-105"
SECONDARY = f"{_BUTTON} min-h-12 bg-raised text-text hover:brightness-110"
LINK = "text-accent underline underline-offset-2 cursor-pointer inline-flex items-center min-h-6"
PANEL = "panel p-4 sm:p-6"
INPUT = "w-full min-h-11 px-3 rounded-[10px] border border-edge bg-bg text-text"
_CHIP = "tint inline-flex items-center gap-1.5 flex-none px-2.5 py-1 text-sm font-semibold"
_TONES = {
    "good": (icons.check, "text-good"),
    "bad": (icons.warning, "text-bad"),
    "wait": (icons.clock, "text-wait"),
}


class PostForm(BaseHTML):
    """A form that the browser posts. `rx.el.form` would prevent that."""

    tag = "form"

    action: rx.Var[str]
    method: rx.Var[str]


def post_form(*children: rx.Component, action: str, **props: Any) -> rx.Component:
    """Return a form that the browser posts to one of the store's routes."""
    return PostForm.create(*children, action=action, method="post", **props)


def hidden(name: str, value: rx.Var) -> rx.Component:
    """Return a hidden field of a form."""
    return rx.el.input(type="hidden", name=name, value=value, read_only=True)


def sentence(template: str, **values: rx.Var[str]) -> rx.Var[str]:
    """Return a translated text with Vars in place of the names in braces."""
    parts: list[rx.Var[str]] = []
    for text, name, _spec, _conversion in Formatter().parse(template):
        parts += [rx.Var.create(text)] if text else []
        parts += [values[name]] if name else []
    return reduce(operator.add, parts)


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


def plain_link(label: str | rx.Var, href: str | rx.Var, **props: Any) -> rx.Component:
    """Return a link that the browser itself follows: to an element of the same page, or to a page that it loads.

    The links of React Router would not move the focus to an element.
    """
    return A.create(label, href=href, **props)


def cover(image: rx.Var, *, eager: bool = False, classes: str = "w-full") -> rx.Component:
    """Return an item's cover, at the ratio of 460 to 215. The name is beside it, so that it needs no text."""
    return rx.el.img(
        src=image,
        alt="",
        loading="eager" if eager else "lazy",
        # Properties of these names would become styles.
        custom_attrs={"width": "460", "height": "215", **({"fetchPriority": "high"} if eager else {})},
        class_name=f"aspect-[460/215] object-cover bg-raised {classes}",
    )


def cover_nearby(image: rx.Var) -> rx.Component:
    """Return a cover that is loaded when it comes near (scripts/covers_nearby.js), and at once without scripts."""
    return rx.fragment(
        rx.el.img(
            alt="",
            custom_attrs={"data-src": image, "width": "460", "height": "215"},
            class_name="aspect-[460/215] object-cover bg-raised w-full",
        ),
        rx.el.noscript(cover(image)),
    )


def chip(label: rx.Var, tone: rx.Var | str) -> rx.Component:
    """Return a status in words and with an icon, colored by its tone."""
    shown = ((name, rx.fragment(icon(), label)) for name, (icon, _color) in _TONES.items())
    colors = ((name, f"{_CHIP} {color}") for name, (_icon, color) in _TONES.items())
    return rx.el.span(
        rx.match(tone, *shown, rx.fragment(icons.back(), label)),
        class_name=rx.match(tone, *colors, f"{_CHIP} text-muted"),
    )


def problem(state: type[RefusalMixin]) -> rx.Component:
    """Return the message of a refusal, with a link to the order that caused it; empty while there is none."""
    return rx.el.div(
        rx.cond(
            state.problem != "",
            rx.el.div(
                rx.el.p(state.problem),
                rx.cond(state.open_order != "", link(_("View that order"), state.open_order)),
                class_name="rounded-[10px] border-2 border-bad p-3 text-text",
                data_testid="problem",
            ),
        ),
        role="alert",
    )


def text_button(label: str, on_click: Any, *, classes: str = "", **props: Any) -> rx.Component:
    """Return a button that looks like a link."""
    return rx.el.button(label, type="button", on_click=on_click, class_name=f"{LINK} {classes}", **props)


def empty_state(
    title: str,
    text: str,
    action: str = "",
    href: str = "",
    *,
    drawing: str = "chest",
) -> rx.Component:
    """Return what a page shows in place of content that is missing: what is missing, and a link to go on.

    By default the link leads to the store page. `drawing` is the name of a file in `assets/drawings`.
    """
    return rx.el.div(
        rx.el.img(src=f"/drawings/{drawing}.svg", alt="", custom_attrs={"width": "160", "height": "120"}),
        rx.el.h2(title, class_name="text-xl"),
        rx.el.p(text, class_name="text-muted"),
        link_button(action or _("Browse the store"), href or routes.localized(routes.STORE), primary=True),
        class_name="flex flex-col items-center text-center gap-3 py-8",
    )


def loading() -> rx.Component:
    """Return what a page shows while it waits for its data."""
    return rx.el.div(
        rx.el.p(_("Loading ..."), class_name="sr-only"),
        *(rx.el.div(class_name="panel h-24") for _number in range(4)),
        class_name="flex flex-col gap-4 min-h-[80vh]",
        aria_busy="true",
    )
