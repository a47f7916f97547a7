"""The list of all pages."""

from importlib import import_module

from store_app.web.ui.page import Page

# The modules of `store_app.web` that declare pages. Adding one takes one line here.
MODULES = (
    "accounts.page",
    "catalogue.page",
    "checkout.page",
    "library.page",
    "orders.page",
    "ui.not_found",
)
PAGES: tuple[Page, ...] = tuple(
    page for module in MODULES for page in import_module(f"store_app.web.{module}").PAGES
)
