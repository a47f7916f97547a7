"""Refreshing open tabs: a State registers what to read from the database when its user is sent a message.

docs/extending.md shows how, under "Live data on a page".
"""

from collections.abc import Callable
from typing import Any

import reflex as rx
from sqlmodel import Session

from store_app import languages
from store_app.accounts.service import session_is_open
from store_app.db.outbox import Message
from store_app.db.threads import read
from store_app.web.live.tabs import Tab

# Called with a database session, the user's id (empty when signed out), and the parameters given to `_watch`.
Query = Callable[..., Any]
# A State, and what its query returned.
_Found = tuple[type[rx.State], Any]
_queries: dict[type[rx.State], Query] = {}
_shown_in_every_tab: list[type[rx.State]] = []


def refresh_on(state: type[rx.State], query: Query, *, in_every_tab: bool = False) -> None:
    """For each message, run `query` and give its result to `state._refresh`, in each tab that watches the State.

    Args:
        state: a State with a method `_refresh(message, found)`; its `_watch` notes that a tab shows it. Clients
            cannot call either, because their names begin with an underscore.
        query: reads what the State shows.
        in_every_tab: the State is part of every page, and need not be watched.
    """
    _queries[state] = query
    if in_every_tab:
        _shown_in_every_tab.append(state)


async def refresh(app: rx.App, tab: Tab, message: Message) -> None:
    """Refresh all that a tab shows, after a message; close the tab if its session has ended."""
    languages.activate(tab.language)
    found = await read(_find, tab)
    if found is None:
        tab.close()
    elif found:
        await _show(app, tab, message, found)


def _find(session: Session, tab: Tab) -> list[_Found] | None:
    """Read all that the tab shows, in one database transaction; None when the tab's session has ended."""
    watching = dict.fromkeys(_shown_in_every_tab, ()) | tab.watching
    if tab.current_user and not session_is_open(session, tab.session_hash):
        return None
    return [(state, _queries[state](session, tab.user_id, *key)) for state, key in watching.items()]


async def _show(app: rx.App, tab: Tab, message: Message, found: list[_Found]) -> None:
    async with app.modify_state(rx.BaseStateToken(ident=tab.token, cls=found[0][0])) as root:
        for state_class, result in found:
            state: Any = await root.get_state(state_class)
            state._refresh(message, result)
