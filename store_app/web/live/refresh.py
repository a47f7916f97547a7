"""Refreshing open tabs: a State registers what to read from the database when its user is sent a message.

class LibraryState(SessionMixin, rx.State):
    async def load(self) -> None:
        ...
        self._watch()

    def _refresh(self, message: Message, purchases: list[Purchase]) -> None:
        self.rows = ...

refresh_on(LibraryState, list_purchases)
"""

from collections.abc import Callable
from typing import Any, Protocol, cast

import reflex as rx
from sqlmodel import Session

from store_app.accounts.service import session_is_open
from store_app.db.outbox import Message
from store_app.db.threads import read
from store_app.web.live.tabs import Tab

# Called with a database session, the user's id, and the parameters that the State gave to `_watch`.
Query = Callable[..., Any]
# A State, and what its query returned.
_Found = tuple[type[rx.State], Any]
_queries: dict[type[rx.State], Query] = {}
_shown_in_every_tab: list[type[rx.State]] = []


class _Refreshable(Protocol):
    """A registered State. Clients cannot call the method, because its name begins with an underscore."""

    def _refresh(self, message: Message, found: Any) -> None:
        """Show a message, and the result of the State's query."""


def refresh_on(state: type[rx.State], query: Query, *, in_every_tab: bool = False) -> None:
    """For each message, run `query` and give its result to `state._refresh`, in each tab that watches the State.

    Args:
        state: a State with a method `_refresh`; its `_watch` notes that a tab shows it.
        query: reads what the State shows.
        in_every_tab: the State is part of every page, and need not be watched.
    """
    _queries[state] = query
    if in_every_tab:
        _shown_in_every_tab.append(state)


async def refresh(app: rx.App, tab: Tab, message: Message) -> None:
    """Refresh all that a tab shows, after a message; close the tab if its session has ended."""
    found = await read(_find, tab)
    if found is None:
        tab.close()
    elif found:
        await _show(app, tab, message, found)


def _find(session: Session, tab: Tab) -> list[_Found] | None:
    """Read all that the tab shows, in one database transaction; None when the tab's session has ended."""
    watching = dict.fromkeys(_shown_in_every_tab, ()) | tab.watching
    if not session_is_open(session, tab.session_hash):
        return None
    return [(state, _queries[state](session, tab.user_id, *key)) for state, key in watching.items()]


async def _show(app: rx.App, tab: Tab, message: Message, found: list[_Found]) -> None:
    async with app.modify_state(rx.BaseStateToken(ident=tab.token, cls=found[0][0])) as root:
        for state_class, result in found:
            state = cast(_Refreshable, await root.get_state(state_class))
            state._refresh(message, result)
