"""The declaration of a page, written beside the function that returns its components."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import reflex as rx

from store_app import languages, routes
from store_app.brand import get_brand
from store_app.languages import gettext as _
from store_app.web.ui.shell import ShellState


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the site.

    Args:
        component: returns the components of the page.
        route: its address, where a segment in brackets matches any text, as in "/item/[sku]".
        title: what browsers show before the name of the site, marked for translation; a function returns the whole
            title, in the current language.
        on_load: the event that loads the data of the page, after those of the header.
    """

    component: Callable[[], rx.Component]
    route: str
    title: str | Callable[[], rx.Var]
    on_load: Any = None  # an event of a State; for mypy they have no common type

    @property
    def full_title(self) -> str | rx.Var:
        """The title that browsers show, in the current language."""
        return f"{_(self.title)} - {get_brand().name}" if isinstance(self.title, str) else self.title()

    def component_in(self, language: str) -> Callable[[], rx.Component]:
        """Return the function for Reflex that returns the components in a language."""

        @wraps(self.component)
        def component() -> rx.Component:
            with languages.override(language):
                return self.component()

        # Reflex names the file of components after the module: browsers load that of one page and language.
        component.__module__ = f"{self.component.__module__}_{self.component.__name__}_{language}"
        return component

    def route_in(self, language: str) -> str:
        """Return the address of the page in a language."""
        if self.route.startswith("/"):
            return routes.in_language(self.route, language)
        # The page for unknown addresses: in English Reflex knows it by its name.
        return self.route if language == languages.ENGLISH else f"/{language}/[[...splat]]"

    @property
    def events(self) -> list[Any]:
        """The events that load the page."""
        return [ShellState.load] if self.on_load is None else [ShellState.load, self.on_load]

    @property
    def is_file(self) -> bool:
        """Whether the page is built as a file of its own, named after its route."""
        return self.route.startswith("/") and self.route != "/" and "[" not in self.route
