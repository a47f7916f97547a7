"""The store page and the item page."""

import reflex as rx

from store_app import routes
from store_app.web.catalogue.components import card, is_owned, search_bar
from store_app.web.catalogue.state import ItemListState, ItemState
from store_app.web.ui.components import PANEL, button, cover, empty_state, link, link_button, loading, problem
from store_app.web.ui.layout import heading, page, pay_at_provider
from store_app.web.ui.page import Page


def _items() -> rx.Component:
    return rx.el.section(
        rx.el.ul(
            rx.foreach(ItemListState.cards, card),
            class_name="grid gap-3 sm:gap-4 grid-cols-2 sm:grid-cols-3 lg:grid-cols-4",
        ),
        rx.cond(
            ItemListState.has_more,
            rx.el.div(button("Show more items", ItemListState.load_more), class_name="flex justify-center mt-6"),
        ),
        aria_label="Items",
    )


def store_page() -> rx.Component:
    """Return `/`, the list of items on sale."""
    return page(
        rx.el.div(
            heading("Games and in-game items"),
            search_bar(),
            rx.cond(
                ItemListState.loaded,
                rx.cond(
                    ItemListState.cards.length() > 0,
                    _items(),
                    empty_state(
                        "No items match", "Check the spelling or clear the filters.", "Clear filters", routes.STORE
                    ),
                ),
                loading(),
            ),
            class_name="flex flex-col gap-6",
        )
    )


def _buy_box() -> rx.Component:
    item = ItemState.item
    return rx.cond(
        is_owned(item),
        rx.fragment(
            rx.el.p("This is in your library.", class_name="text-good font-semibold", data_testid="owned"),
            link_button("Open in library", routes.LIBRARY, primary=True),
        ),
        rx.cond(
            item.on_sale,
            rx.fragment(
                rx.el.p(item.price, class_name="text-2xl font-bold", data_testid="price"),
                rx.cond(
                    item.open_order != "",
                    link_button("Payment in progress: view order", item.open_order, primary=True),
                    button("Buy now", ItemState.buy, primary=True),
                ),
                rx.cond(
                    ItemState.in_cart,
                    link_button("View cart", routes.CART),
                    button("Add to cart", ItemState.add_to_cart),
                ),
                rx.el.p(
                    rx.cond(
                        item.owned_once,
                        "Bought once, yours for good. ",
                        "Can be bought as often as you like. ",
                    ),
                    pay_at_provider(),
                    " Tax is added there if your country needs it.",
                    class_name="text-sm text-muted",
                ),
            ),
            rx.el.p("This item is no longer sold. If you own it, it stays in your library."),
        ),
    )


def _item() -> rx.Component:
    item = ItemState.item
    return rx.el.article(
        rx.el.div(
            cover(item.image, eager=True, classes="w-full rounded-xl border border-line"),
            rx.el.p(item.description, class_name="mt-4 max-w-prose whitespace-pre-line"),
            class_name="lg:col-span-2",
        ),
        rx.el.aside(
            heading(item.name),
            rx.el.p(item.kind, class_name="text-muted"),
            problem(ItemState),
            _buy_box(),
            aria_label="Buy",
            class_name=f"{PANEL} flex flex-col gap-4 lg:sticky lg:top-20 self-start",
        ),
        class_name="grid gap-6 lg:grid-cols-3",
    )


def item_page() -> rx.Component:
    """Return `/item/[sku]`."""
    return page(
        rx.el.p(link("All items", routes.STORE), class_name="mb-3"),
        rx.cond(
            ItemState.missing,
            rx.fragment(
                heading("Item not found"),
                empty_state("There is no item at this address", "If you typed the address, check it."),
            ),
            rx.cond(ItemState.loaded, _item(), loading()),
        ),
    )


PAGES = (
    Page(store_page, routes.STORE, on_load=ItemListState.load),
    Page(item_page, routes.ITEM, "Item", ItemState.load),
)
