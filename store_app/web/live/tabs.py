"""Open tabs of this process: which user each belongs to and what it shows."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import reflex as rx

from store_app.accounts.service import CurrentUser
from store_app.db.outbox import Message
from store_app.live.hub import hub

_open: dict[str, "Tab"] = {}


@dataclass(eq=False, slots=True)
class Tab:
    """A connection of Reflex's websocket. `token` names its state. Reflex tells the tab, but it opens nothing:
    the guard gives every connection a new one.

    `watching` holds the States of the page that messages refresh, each with what its query is called with.
    """

    token: str
    current_user: CurrentUser | None
    disconnect: Callable[[], None]
    refresh: Callable[["Tab", Message], Awaitable[None]]
    watching: dict[type[rx.State], tuple[str, ...]] = field(default_factory=dict)
    waiting: bool = False

    @property
    def user_id(self) -> str:
        """The user the connection belongs to; empty when signed out."""
        return self.current_user.user_id if self.current_user else ""

    @property
    def session_hash(self) -> str:
        """The session the connection came with; empty when signed out."""
        return self.current_user.session_hash if self.current_user else ""

    def open(self) -> None:
        """Let the tab hear its user's messages."""
        _open[self.token] = self
        if self.current_user:
            hub.add(self)

    def gone(self) -> None:
        """Forget the tab."""
        _open.pop(self.token, None)
        hub.remove(self)

    async def send(self, message: Message) -> None:
        """Show a message."""
        await self.refresh(self, message)

    def close(self) -> None:
        """End the connection; the browser connects again, as whoever it is by then."""
        self.disconnect()


def watch(token: str, state: type[rx.State], *key: str) -> None:
    """Note that the tab with this token shows `state`, and with what its query is called."""
    if tab := _open.get(token):
        tab.watching[state] = key


def watch_nothing(token: str) -> None:
    """Note that the tab with this token is about to show another page."""
    if tab := _open.get(token):
        tab.watching.clear()


def is_open(token: str) -> bool:
    """Whether the tab with this state is still connected."""
    return token in _open


@contextmanager
def waiting(token: str) -> Iterator[bool]:
    """Yield whether the caller may wait for this tab: one does at a time, however often a client asks."""
    tab = _open.get(token)
    if tab is None or tab.waiting:
        yield False
        return
    tab.waiting = True
    try:
        yield True
    finally:
        tab.waiting = False
