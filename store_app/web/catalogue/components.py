"""The components of the store page."""

import reflex as rx

from store_app.catalogue.queries import Sort
from store_app.models import ItemKind
from store_app.web.catalogue.state import ItemListState
from store_app.web.catalogue.view import CardView
from store_app.web.ui.components import INPUT, SECONDARY, cover
from store_app.web.ui.shell import ShellState

_SORTS = {
    Sort.FEATURED: "Featured",
    Sort.NEWEST: "Newest",
    Sort.PRICE_LOW: "Price: low to high",
    Sort.PRICE_HIGH: "Price: high to low",
    Sort.NAME: "Name",
}
_KINDS = {"": "All kinds", ItemKind.NON_CONSUMABLE: "Yours for good", ItemKind.CONSUMABLE: "Consumables"}


def _select(label: str, name: str, options: dict[str, str], selected: rx.Var) -> rx.Component:
    return rx.el.label(
        rx.el.span(label, class_name="block text-sm text-muted"),
        rx.el.select(
            *(rx.el.option(text, value=value) for value, text in options.items()),
            # A changed key resets the field to the value from the address; otherwise it keeps the user's choice.
            key=name + selected,
            name=name,
            default_value=selected,
            class_name=INPUT,
        ),
        class_name="grow basis-36 sm:grow-0",
    )


def search_bar() -> rx.Component:
    """Return the search form, whose values become the query string of the page."""
    return rx.el.form(
        rx.el.label(
            rx.el.span("Search", class_name="block text-sm text-muted"),
            rx.el.input(
                key="q" + ItemListState.q,
                name="q",
                type="search",
                default_value=ItemListState.q,
                max_length=100,
                class_name=INPUT,
            ),
            class_name="grow basis-full sm:basis-64",
        ),
        _select("Kind", "kind", _KINDS, ItemListState.kind),
        _select("Sort by", "sort", _SORTS, ItemListState.sort),
        rx.el.button("Show", type="submit", class_name=SECONDARY),
        on_submit=ItemListState.search,
        role="search",
        class_name="flex flex-wrap items-end gap-3",
    )


def is_owned(item: rx.Var[CardView]) -> rx.Var[bool]:
    """Whether the user owns an item and cannot buy it again; also one that was bought while the tab was open."""
    return item.owned | (item.owned_once & ShellState.arrived.contains(item.sku))


def card(item: rx.Var[CardView]) -> rx.Component:
    """Return an item of the list: the whole card is one link."""
    return rx.el.li(
        cover(item.image),
        rx.el.div(
            rx.el.h3(
                rx.el.a(item.name, href=item.href, class_name="card-link text-text no-underline"),
                class_name="font-semibold line-clamp-2",
            ),
            rx.el.p(item.kind, class_name="text-sm text-muted"),
            rx.cond(
                is_owned(item),
                rx.el.p("In your library", class_name="text-good"),
                rx.el.p(item.price, class_name="font-bold"),
            ),
            class_name="p-3 flex flex-col gap-1",
        ),
        class_name="relative rounded-xl overflow-hidden border border-line bg-surface hover:border-accent",
        data_testid="card",
    )
