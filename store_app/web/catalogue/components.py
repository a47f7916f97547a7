"""What the store page is put together from."""

import reflex as rx

from store_app.catalogue.queries import Sort
from store_app.models import ItemKind
from store_app.web.catalogue.state import ShelfState
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


def _choice(label: str, name: str, options: dict[str, str], chosen: rx.Var) -> rx.Component:
    return rx.el.label(
        rx.el.span(label, class_name="block text-sm text-muted"),
        rx.el.select(
            *(rx.el.option(words, value=value) for value, words in options.items()),
            # A new key when the address chose another value: what the visitor picks is theirs until then.
            key=name + chosen,
            name=name,
            default_value=chosen,
            class_name=INPUT,
        ),
        class_name="grow basis-36 sm:grow-0",
    )


def search_bar() -> rx.Component:
    """Return the search field with its filters; they end up in the address."""
    return rx.el.form(
        rx.el.label(
            rx.el.span("Search", class_name="block text-sm text-muted"),
            rx.el.input(
                key="q" + ShelfState.q,
                name="q",
                type="search",
                default_value=ShelfState.q,
                max_length=100,
                class_name=INPUT,
            ),
            class_name="grow basis-full sm:basis-64",
        ),
        _choice("Kind", "kind", _KINDS, ShelfState.kind),
        _choice("Sort by", "sort", _SORTS, ShelfState.sort),
        rx.el.button("Show", type="submit", class_name=SECONDARY),
        on_submit=ShelfState.search,
        role="search",
        class_name="flex flex-wrap items-end gap-3",
    )


def card(item: rx.Var[CardView]) -> rx.Component:
    """Return an item on the shelf: the whole card is one link."""
    return rx.el.li(
        cover(item.image),
        rx.el.div(
            rx.el.h3(
                rx.el.a(item.name, href=item.href, class_name="card-link text-text no-underline"),
                class_name="font-semibold line-clamp-2",
            ),
            rx.el.p(item.kind, class_name="text-sm text-muted"),
            rx.cond(
                item.owned | (item.owned_once & ShellState.arrived.contains(item.sku)),
                rx.el.p("In your library", class_name="text-good"),
                rx.el.p(item.price, class_name="font-bold"),
            ),
            class_name="p-3 flex flex-col gap-1",
        ),
        class_name="relative rounded-xl overflow-hidden border border-line bg-surface hover:border-accent",
        data_testid="card",
    )
