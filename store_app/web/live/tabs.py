"""The open tabs of this process: the user of each, and which States it shows."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import reflex as rx
from reflex_base.event.processor import EventFuture

from store_app import languages
from store_app.accounts.service import CurrentUser
from store_app.db.outbox import Message
from store_app.live.hub import hub

_open: dict[str, "Tab"] = {}


@dataclass(eq=False, slots=True)
class Tab:
    """A connection to Reflex's event socket.

    Args:
        token: the key of its state. Reflex sends it to the tab, where it is of no use: the guard gives every
            connection a new one.
        current_user: the user of the session cookie; None when signed out.
        address: the client's network address.
        close: ends the connection. The browser reconnects with the cookie that it has by then.
        refresh: shows a message in the tab.
        language: the language of the page that the tab shows.
        watching: the States on the page that messages refresh, with the parameters of their queries.
        is_polling: whether a task of this tab waits for the page's data to change.
        unfinished: its events that were accepted and have not ended.
        event_ended: set when one of them ends.
    """

    token: str
    current_user: CurrentUser | None
    address: str
    close: Callable[[], None]
    refresh: Callable[["Tab", Message], Awaitable[None]]
    language: str = languages.ENGLISH
    watching: dict[type[rx.State], tuple[Any, ...]] = field(default_factory=dict)
    is_polling: bool = False
    unfinished: set[EventFuture] = field(default_factory=set)
    event_ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def user_id(self) -> str:
        """The id of the user; empty when signed out."""
        return self.current_user.user_id if self.current_user else ""

    @property
    def session_hash(self) -> str:
        """The session of the connection; empty when signed out."""
        return self.current_user.session_hash if self.current_user else ""

    def register(self) -> None:
        """Make the tab a listener of its user's messages, or, signed out, of those to everybody."""
        _open[self.token] = self
        hub.add(self)

    def unregister(self) -> None:
        """Remove the tab, whose connection has ended."""
        _open.pop(self.token, None)
        hub.remove(self)

    def add_event(self, future: EventFuture) -> None:
        """Count an event as unfinished until its future is done."""
        self.unfinished.add(future)
        future.add_done_callback(self._remove_event)

    def _remove_event(self, future: EventFuture) -> None:
        self.unfinished.discard(future)
        self.event_ended.set()

    async def send(self, message: Message) -> None:
        """Show a message."""
        await self.refresh(self, message)


def find(token: str) -> Tab | None:
    """Return the tab with this token, if it is still connected."""
    return _open.get(token)


@contextmanager
def polling(token: str) -> Iterator[bool]:
    """Yield whether the caller may poll for this tab: one task at a time, however many a client starts."""
    tab = find(token)
    if tab is None or tab.is_polling:
        yield False
        return
    tab.is_polling = True
    try:
        yield True
    finally:
        tab.is_polling = False
