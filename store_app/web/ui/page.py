"""What a page declares about itself: one `Page`, beside the function that returns its components."""

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
        component: returns what the page shows.
        route: its address; a part in brackets stands for any text, as in "/item/[sku]".
        title: shown in the browser before the name of the site; empty: the name of the site alone.
        on_load: the event that loads the page's own data, after that of the header.
    """

    component: Callable[[], rx.Component]
    route: str
    title: str = ""
    on_load: Any = None  # mypy sees no common type of the events of States

    @property
    def full_title(self) -> str:
        """The title as browsers show it."""
        return f"{self.title} - {SITE_NAME}" if self.title else SITE_NAME

    @property
    def events(self) -> list[Any]:
        """The events that load the page."""
        return [ShellState.load] if self.on_load is None else [ShellState.load, self.on_load]

    @property
    def is_file(self) -> bool:
        """Whether the page is built as a file named after its route; the route of such a page is its address."""
        return self.route.startswith("/") and self.route != "/" and "[" not in self.route
