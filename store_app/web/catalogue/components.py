"""The components of the store page and of the pages of items."""

from typing import Any

import reflex as rx

from store_app import routes
from store_app.catalogue.queries import Sort
from store_app.languages import gettext as _
from store_app.languages import marked
from store_app.routes import localized
from store_app.web.catalogue.state import ItemListState
from store_app.web.catalogue.view import CardView, TagView
from store_app.web.ui import icons
from store_app.web.ui.components import PRIMARY, SECONDARY, cover, cover_nearby, hidden, post_form, sentence
from store_app.web.ui.shell import ShellState

GRID = "grid-cards"
_SORTS = {
    Sort.FEATURED: marked("Featured"),
    Sort.NEWEST: marked("Newest"),
    Sort.PRICE_LOW: marked("Price: low to high"),
    Sort.PRICE_HIGH: marked("Price: high to low"),
    Sort.NAME: marked("Name"),
}


def sort_choice() -> rx.Component:
    """Return the choice of how the list is sorted, which applies at once."""
    return rx.el.label(
        rx.el.span(_("Sort by"), class_name="sr-only"),
        rx.el.select(
            *(rx.el.option(_(text), value=value) for value, text in _SORTS.items()),
            # A changed key resets the field to the value from the address; otherwise it keeps the user's choice.
            key="sort" + ItemListState.sort,
            default_value=ItemListState.sort,
            on_change=ItemListState.sort_by,
            class_name="min-h-9 px-3 rounded-[10px] bg-transparent text-muted border border-edge",
        ),
    )


def tag_link(tag: rx.Var[TagView], *, is_chosen: rx.Var[bool] | bool) -> rx.Component:
    """Return a link that narrows the list to a tag."""
    return rx.el.li(
        rx.el.a(
            tag.name,
            rx.el.span(tag.number, class_name="text-sm opacity-75"),
            href=tag.href,
            aria_current=rx.cond(is_chosen, "true", rx.Var("undefined")),
            class_name="chip",
        ),
        data_testid="tag",
    )


def buy_form(
    action: str, label: str | rx.Var, event: Any, sku: rx.Var[str], *, primary: bool = False
) -> rx.Component:
    """Return a button that also works before the page's scripts run: the browser then posts the form."""
    return rx.el.form(
        hidden("sku", sku),
        rx.el.button(label, type="submit", class_name=f"{PRIMARY if primary else SECONDARY} w-full"),
        on_submit=event,
        action=localized(action),
        method="post",
    )


def add_form(event: Any, sku: rx.Var[str]) -> rx.Component:
    """Return the button that adds an item to the cart: live for a user, posted by the browser for a visitor."""
    label = _("Add to cart")
    return rx.cond(
        ShellState.username != "",
        buy_form(routes.ADD_TO_CART, label, event, sku),
        post_form(
            hidden("sku", sku),
            rx.el.button(label, type="submit", class_name=f"{SECONDARY} w-full"),
            action=localized(routes.ADD_TO_CART),
        ),
    )


def hero(item: rx.Var[CardView]) -> rx.Component:
    """Return the one item that the store page shows large."""
    return rx.el.section(
        cover(item.image, eager=True, classes=""),
        rx.el.div(
            rx.el.p(_("Featured"), class_name="display text-accent"),
            rx.el.h2(item.name),
            rx.el.p(item.tagline, class_name="text-[17px] max-w-[40ch]"),
            rx.el.div(
                rx.cond(
                    is_owned(item),
                    rx.el.a(_("Open in library"), href=localized(routes.LIBRARY), class_name=PRIMARY),
                    buy_form(
                        routes.BUY,
                        sentence(_("Buy for {price}"), price=item.price),
                        ItemListState.buy_featured,
                        item.sku,
                        primary=True,
                    ),
                ),
                rx.el.a(_("View details"), href=item.href, class_name=SECONDARY),
                class_name="flex flex-wrap gap-3 pt-2",
            ),
            class_name="flex flex-col gap-3 p-6 sm:p-12",
        ),
        aria_label=_("Featured"),
        class_name="hero",
    )


def shelf(title: str, *cards: rx.Component | str) -> rx.Component:
    """Return a row of cards under a heading, which scrolls sideways where it does not fit."""
    return rx.el.section(
        rx.el.h2(title, class_name="text-xl mb-3"),
        rx.el.ul(*cards, class_name="shelf", tab_index=0, aria_label=title),
        data_testid="shelf",
    )


def is_owned(item: rx.Var[CardView]) -> rx.Var[bool]:
    """Whether the user owns an item and cannot buy it again; also one that was bought while the tab was open."""
    return item.owned | (item.owned_once & ShellState.arrived.contains(item.sku))


def card(item: rx.Var[CardView]) -> rx.Component:
    """Return an item of the list: the whole card is one link."""
    return rx.el.li(
        rx.el.div(cover_nearby(item.image), class_name="art"),
        rx.el.div(
            rx.el.h3(
                rx.el.a(item.name, href=item.href, class_name="card-link text-text no-underline"),
                class_name="text-base leading-snug line-clamp-2",
            ),
            rx.el.p(item.tags, class_name="text-[13px] text-muted line-clamp-1"),
            rx.cond(
                is_owned(item),
                rx.el.p(
                    icons.check(),
                    _("In your library"),
                    class_name="mt-auto pt-1 flex items-center gap-1 text-good",
                ),
                rx.el.p(item.price, class_name="display amount mt-auto pt-1 text-[17px]"),
            ),
            class_name="p-3 flex flex-col gap-1 grow",
        ),
        class_name=rx.cond(is_owned(item), "card panel owned", "card panel"),
        data_testid="card",
    )


def served(name: str) -> rx.Component:
    """Return the place in a page where the server puts its content (`served.py`); the live one replaces it.

    React does not compare the HTML that `dangerouslySetInnerHTML` names with what it finds.
    """
    return rx.el.div(
        class_name="served",
        data_waiting="true",
        custom_attrs={
            "dangerouslySetInnerHTML": {"__html": f"<!--{name}-->"},
            "suppressHydrationWarning": True,
        },
    )
