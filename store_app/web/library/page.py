"""The library page."""

import reflex as rx

from store_app import routes
from store_app.languages import gettext as _
from store_app.languages import marked
from store_app.routes import localized
from store_app.web.checkout.payment_check import check_payments_box
from store_app.web.library.state import LibraryState
from store_app.web.library.view import PurchaseView
from store_app.web.ui.components import button, chip, cover, empty_state, link, loading, sentence
from store_app.web.ui.layout import heading, page
from store_app.web.ui.page import Page
from store_app.web.ui.shell import ShellState

_CARD = "panel overflow-hidden flex flex-col"


def _card(row: rx.Var[PurchaseView]) -> rx.Component:
    return rx.el.li(
        rx.el.div(cover(row.image), class_name="art"),
        rx.el.div(
            rx.el.h2(
                rx.el.a(
                    row.name,
                    href=row.href,
                    class_name="text-text no-underline hover:underline inline-block min-h-6",
                ),
                rx.cond(row.quantity > 1, rx.el.span(" x ", row.quantity)),
                rx.cond(
                    LibraryState.fresh.contains(row.key),
                    rx.el.span(_("New"), class_name="badge ml-2 px-2 text-sm"),
                ),
                class_name="text-base leading-snug",
            ),
            rx.el.p(sentence(_("Bought {time}"), time=row.bought), class_name="text-[13px] text-muted"),
            rx.el.p(_("Order") + " ", link(row.order_number, row.order_href), class_name="text-[13px] text-muted"),
            rx.el.div(chip(row.status, row.tone), class_name="mt-auto pt-2"),
            class_name="p-3 flex flex-col gap-1 grow",
        ),
        key=row.key,
        class_name=rx.cond(LibraryState.fresh.contains(row.key), f"arrive {_CARD}", _CARD),
        data_testid="purchase",
    )


def _owned() -> rx.Component:
    return rx.cond(
        (LibraryState.owned.length() > 0) | (LibraryState.gone.length() > 0),
        rx.fragment(
            rx.el.ul(rx.foreach(LibraryState.owned, _card), aria_label=_("What you own"), class_name="grid-cards"),
            rx.cond(
                LibraryState.gone.length() > 0,
                rx.el.details(
                    rx.el.summary(
                        _("No longer yours"),
                        " (",
                        LibraryState.gone.length(),
                        ")",
                        class_name="cursor-pointer py-2",
                    ),
                    rx.el.ul(
                        rx.foreach(LibraryState.gone, _card),
                        aria_label=_("No longer yours"),
                        class_name="grid-cards",
                    ),
                    data_testid="gone",
                ),
            ),
            rx.cond(LibraryState.has_more, button(_("Show more"), LibraryState.load_more)),
        ),
        rx.cond(
            ShellState.username != "",
            empty_state(_("Nothing here yet"), _("What you buy appears here in seconds."), drawing="shelf"),
            empty_state(
                _("Sign in to see your library"),
                _("Everything you bought is kept with your account."),
                _("Sign in"),
                routes.login(localized(routes.LIBRARY)),
                drawing="lantern",
            ),
        ),
    )


def library_page() -> rx.Component:
    """Return `/library`."""
    return page(
        rx.el.div(
            heading(_("Your library")),
            rx.cond(LibraryState.loaded, _owned(), loading()),
            rx.cond(LibraryState.loaded & (ShellState.username != ""), check_payments_box(LibraryState)),
            class_name="flex flex-col gap-4 items-stretch",
        )
    )


PAGES = (Page(library_page, routes.LIBRARY, marked("Library"), LibraryState.load),)
