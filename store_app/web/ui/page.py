"""The declaration of a page, written beside the function that returns its components."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import reflex as rx

from store_app.web.ui.shell import ShellState

SITE_NAME = "Digital Game Store"


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the site.

    Args:
        component: returns the components of the page.
        route: its address, where a segment in brackets matches any text, as in "/item/[sku]".
        title: what browsers show before the name of the site; by default, the name of the site alone.
        on_load: the event that loads the data of the page, after those of the header.
    """

    component: Callable[[], rx.Component]
    route: str
    title: str = ""
    on_load: Any = None  # an event of a State; for mypy they have no common type

    @property
    def full_title(self) -> str:
        """The title that browsers show."""
        return f"{self.title} - {SITE_NAME}" if self.title else SITE_NAME

    @property
    def events(self) -> list[Any]:
        """The events that load the page."""
        return [ShellState.load] if self.on_load is None else [ShellState.load, self.on_load]

    @property
    def is_file(self) -> bool:
        """Whether the page is built as a file of its own, named after its route."""
        return self.route.startswith("/") and self.route != "/" and "[" not in self.route
