"""The page for unknown addresses."""

import reflex as rx

from store_app.languages import gettext as _
from store_app.languages import marked
from store_app.web.ui.components import empty_state
from store_app.web.ui.layout import heading, narrow_column, page
from store_app.web.ui.page import Page


def not_found_page() -> rx.Component:
    """Return the page for an unknown address."""
    return page(
        narrow_column(
            heading(_("Page not found")),
            empty_state(
                _("There is nothing at this address"), _("If you typed the address, check it."), drawing="map"
            ),
        )
    )


# Reflex shows the page with this route at every address that no other page has.
PAGES = (Page(not_found_page, "404", marked("Page not found")),)
