"""The store page and the item page."""

import json
from collections.abc import Callable
from typing import Any

import reflex as rx

from store_app import routes
from store_app.brand import get_brand
from store_app.languages import gettext as _
from store_app.routes import localized
from store_app.web.catalogue import parts
from store_app.web.catalogue.components import (
    GRID,
    add_form,
    buy_form,
    card,
    hero,
    is_owned,
    served,
    shelf,
    sort_choice,
    tag_link,
)
from store_app.web.catalogue.state import ItemListState, ItemState
from store_app.web.catalogue.view import CardView, FactView, ItemView, TagView
from store_app.web.ui.components import (
    PANEL,
    PRIMARY,
    button,
    cover,
    empty_state,
    link,
    link_button,
    plain_link,
    problem,
    sentence,
)
from store_app.web.ui.layout import heading, page, pay_at_provider
from store_app.web.ui.page import Page
from store_app.web.ui.shell import ShellState
from store_app.web.ui.stepper import stepper


def _list(tags: Any, cards: Any, *more: rx.Component, sort: rx.Component) -> rx.Component:
    return rx.el.section(
        rx.el.div(
            rx.el.ul(tags, class_name="flex flex-wrap gap-2", aria_label=_("Narrow the list")),
            sort,
            class_name="flex flex-wrap items-center justify-between gap-3 mb-4",
        ),
        rx.el.h2(_("Items"), class_name="sr-only"),
        cards,
        *more,
    )


def _items() -> rx.Component:
    return _list(
        rx.foreach(ItemListState.tags, lambda tag: tag_link(tag, is_chosen=tag.chosen)),
        rx.cond(
            ItemListState.cards.length() > 0,
            rx.el.ul(rx.foreach(ItemListState.cards, card), class_name=GRID, aria_label=_("Items")),
            _nothing_found(),
        ),
        rx.cond(
            ItemListState.has_more,
            rx.el.div(
                button(_("Show more items"), ItemListState.load_more), class_name="flex justify-center mt-6"
            ),
        ),
        sort=sort_choice(),
    )


def _nothing_found() -> rx.Component:
    return empty_state(
        _("No items match"),
        _("Check the spelling or clear the filters."),
        _("Clear filters"),
        localized(routes.STORE),
        drawing="shelf",
    )


def _shelf(title: str, cards: rx.Var[list[CardView]]) -> rx.Component:
    return rx.cond(cards.length() > 0, shelf(title, rx.foreach(cards, card)))


def _storefront(*content: Any) -> rx.Component:
    return rx.el.div(*content, class_name="flex flex-col gap-8 sm:gap-10")


def store_page() -> rx.Component:
    """Return `/`: the featured item, shelves, and the list of items on sale."""
    return page(
        heading(_("Games and in-game items"), classes="sr-only", tab_index=-1),
        problem(ItemListState),
        rx.cond(
            ItemListState.loaded,
            _storefront(
                rx.cond(
                    ~ItemListState.is_narrowed & (ItemListState.featured.sku != ""),
                    rx.fragment(
                        hero(ItemListState.featured),
                        _shelf(_("New"), ItemListState.newest),
                        _shelf(_("Best sellers"), ItemListState.best_sellers),
                    ),
                ),
                _items(),
            ),
            rx.cond(ItemListState.problem == "", served("items")),
        ),
    )


def _buy_box(item: rx.Var[ItemView]) -> rx.Component:
    return rx.cond(
        is_owned(item),
        rx.fragment(
            rx.el.p(_("This is in your library."), class_name="text-good font-semibold", data_testid="owned"),
            link_button(_("Open in library"), localized(routes.LIBRARY), primary=True),
        ),
        rx.cond(
            item.on_sale,
            rx.fragment(
                rx.el.p(item.price, class_name="display amount text-[32px]", data_testid="price"),
                rx.cond(
                    item.open_order != "",
                    link_button(_("Not paid yet: finish or cancel"), item.open_order, primary=True),
                    rx.fragment(
                        buy_form(routes.BUY, _("Buy now"), ItemState.buy, item.sku, primary=True),
                        rx.cond(ItemState.in_cart > 0, _in_cart(item), add_form(ItemState.add_to_cart, item.sku)),
                    ),
                ),
                rx.el.p(
                    rx.cond(
                        item.owned_once,
                        _("Bought once, yours for good.") + " ",
                        _("Can be bought as often as you like.") + " ",
                    ),
                    pay_at_provider(),
                    " " + _("Tax is added there if your country requires it."),
                    class_name="text-sm text-muted",
                ),
            ),
            rx.el.p(_("This item is no longer sold. If you own it, it stays in your library.")),
        ),
    )


def _in_cart(item: rx.Var[ItemView]) -> rx.Component:
    return rx.fragment(
        rx.cond(
            ~item.owned_once,
            stepper(
                item.sku,
                item.name,
                ItemState.in_cart,
                one_fewer=ItemState.one_fewer,
                one_more=ItemState.one_more,
                next_path=item.href,
            ),
        ),
        link_button(_("View cart"), localized(routes.CART)),
    )


def _picture(image: rx.Var[str], number: rx.Var[str], *, is_first: bool = False) -> rx.Component:
    return rx.el.li(
        cover(image, eager=is_first, classes="w-full rounded-2xl"),
        id="picture-" + number,
        class_name="art rounded-2xl snap-start",
    )


def _picture_or_first(image: rx.Var[str], number: rx.Var[str]) -> rx.Component:
    return rx.cond(number == "1", _picture(image, number, is_first=True), _picture(image, number))


def _thumb(image: rx.Var[str], number: rx.Var[str]) -> rx.Component:
    return rx.el.li(
        plain_link(
            cover(image, classes="w-full rounded-[10px]"),
            "#picture-" + number,
            aria_label=sentence(_("Picture {number}"), number=number),
        )
    )


def _numbered(pictures: rx.Var[list[str]], show: Callable[[rx.Var[str], rx.Var[str]], rx.Component]) -> Any:
    return rx.foreach(pictures, lambda image, index: show(image, (index + 1).to_string()))


def _pictures(pictures: Any, thumbs: Any) -> rx.Component:
    """Return several pictures, one at a time, with small ones that lead to them."""
    return rx.fragment(
        rx.el.ul(pictures, class_name="pictures", tab_index=0, aria_label=_("Pictures")),
        rx.el.ul(thumbs, class_name="grid grid-cols-4 sm:grid-cols-6 gap-2 mt-2"),
    )


def _fact(fact: rx.Var[FactView]) -> rx.Component:
    return rx.el.div(
        rx.el.dt(fact.label, class_name="text-muted"),
        rx.el.dd(fact.value, class_name="text-right"),
        class_name="flex justify-between gap-4 py-2 border-b border-line",
    )


def _item(item: rx.Var[ItemView], pictures: Any, facts: Any, related: Any) -> rx.Component:
    return rx.el.article(
        rx.el.div(cover(item.image, classes=""), class_name="ambient", aria_hidden="true"),
        rx.el.div(pictures, class_name="lg:col-span-2"),
        rx.el.aside(
            heading(item.name, tab_index=-1),
            rx.el.p(item.tags, class_name="text-muted"),
            rx.cond(item.tagline != "", rx.el.p(item.tagline, class_name="text-[17px]")),
            problem(ItemState),
            _buy_box(item),
            rx.el.dl(facts, class_name="text-sm empty:hidden"),
            aria_label=_("Buy"),
            id="buy",
            class_name=f"{PANEL} flex flex-col gap-4 lg:sticky lg:top-20 lg:row-span-2 self-start",
        ),
        rx.el.section(
            rx.el.h2(_("About"), class_name="text-xl mb-2"),
            rx.el.p(item.description, class_name="max-w-[68ch] whitespace-pre-line"),
            class_name="lg:col-span-2",
        ),
        rx.el.div(related, class_name="lg:col-span-3 pt-4 empty:hidden"),
        rx.cond(
            item.on_sale & ~is_owned(item),
            rx.el.div(
                rx.el.span(item.price, class_name="display amount text-xl"),
                plain_link(_("Buy"), "#buy", class_name=f"{PRIMARY} px-8", aria_label=_("To the buy button")),
                class_name="buy-bar",
            ),
        ),
        class_name="grid gap-6 lg:gap-8 lg:grid-cols-3 lg:grid-rows-[auto_1fr]",
    )


def _one_picture(item: rx.Var[ItemView]) -> rx.Component:
    return rx.el.div(cover(item.image, eager=True, classes="w-full rounded-2xl"), class_name="art rounded-2xl")


def _live_item() -> rx.Component:
    item = ItemState.item
    return _item(
        item,
        rx.cond(
            item.pictures.length() > 0,
            _pictures(_numbered(item.pictures, _picture_or_first), _numbered(item.pictures, _thumb)),
            _one_picture(item),
        ),
        rx.foreach(item.facts, _fact),
        _shelf(_("Goes well with it"), ItemState.related),
    )


def item_page() -> rx.Component:
    """Return `/item/[sku]`."""
    return page(
        rx.el.p(link(_("All items"), localized(routes.STORE)), class_name="mb-3"),
        rx.cond(
            ItemState.missing,
            rx.fragment(
                heading(_("Item not found")),
                empty_state(
                    _("There is no item at this address"), _("If you typed the address, check it."), drawing="map"
                ),
            ),
            rx.cond(ItemState.loaded, _live_item(), served("item")),
        ),
    )


def parts_page() -> rx.Component:
    """Return the parts of these pages with placeholders; see `parts`."""
    shown = {
        parts.HOME: _storefront(parts.slot("hero"), parts.slot("shelves"), parts.slot("list")),
        parts.LIST: _list(
            parts.slot("tags"),
            rx.el.ul(parts.slot("cards"), class_name=GRID, aria_label=_("Items")),
            sort=rx.fragment(),
        ),
        parts.EMPTY: _nothing_found(),
        parts.HERO: hero(parts.with_placeholders(CardView)),
        parts.SHELF: shelf("__title__", parts.slot("cards")),
        parts.TAG: tag_link(parts.with_placeholders(TagView), is_chosen=False),
        parts.CHOSEN_TAG: tag_link(parts.with_placeholders(TagView), is_chosen=True),
        parts.CARD: card(parts.with_placeholders(CardView)),
        parts.FACT: _fact(parts.with_placeholders(FactView)),
        parts.FIRST_PICTURE: _picture(rx.Var.create("/__image__"), rx.Var.create("__number__"), is_first=True),
        parts.PICTURE: _picture(rx.Var.create("/__image__"), rx.Var.create("__number__")),
        parts.THUMB: _thumb(rx.Var.create("/__image__"), rx.Var.create("__number__")),
        parts.PICTURES: _pictures(parts.slot("pictures"), parts.slot("thumbs")),
        parts.ONE_PICTURE: _one_picture(parts.with_placeholders(ItemView)),
    } | {
        name: _item(
            parts.with_placeholders(ItemView, open_order="", **given),
            parts.slot("media"),
            parts.slot("facts"),
            parts.slot("related"),
        )
        for name, given in parts.ITEMS.items()
    }
    return rx.el.main(*(rx.el.div(part, data_part=name) for name, part in shown.items()))


def _store_title() -> rx.Var:
    return rx.cond(ShellState.q != "", ShellState.q + f" - {get_brand().name}", get_brand().name)


def _item_title() -> rx.Var:
    # Until the item is known, the title that the server wrote stays.
    title = json.dumps(_("Item") + f" - {get_brand().name}")
    served_title = f"(globalThis.document?.title || {title})"
    return rx.cond(
        ItemState.loaded & ~ItemState.missing,
        ItemState.item.name + f" - {get_brand().name}",
        rx.Var(served_title, _var_type=str),
    )


PAGES = (
    Page(store_page, routes.STORE, _store_title, ItemListState.load),
    Page(item_page, routes.ITEM, _item_title, ItemState.load),
)
