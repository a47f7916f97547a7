"""Open tabs of this process: which user each belongs to and what it shows."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from store_app.accounts.service import CurrentUser
from store_app.db.outbox import Message
from store_app.live.hub import hub

_open: dict[str, "Tab"] = {}


@dataclass(eq=False, slots=True)
class Tab:
    """A connection of Reflex's websocket. `token` names its state. Reflex tells the tab, but it opens nothing:
    the guard gives every connection a new one.

    `watching` says what the page shows that a message may change: "library", or "order:<id>".
    """

    token: str
    current_user: CurrentUser | None
    disconnect: Callable[[], Awaitable[None]]
    watching: str = ""
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
        await _push[-1](self, message)

    async def close(self) -> None:
        """End the connection; the browser connects again, as whoever it is by then."""
        await self.disconnect()


async def _nobody_pushes(tab: Tab, message: Message) -> None:
    """Do nothing: there is no Reflex app in this process."""


_push: list[Callable[[Tab, Message], Awaitable[None]]] = [_nobody_pushes]


def push_with(push: Callable[[Tab, Message], Awaitable[None]]) -> None:
    """Use `push` to show messages in tabs."""
    _push.append(push)


def watch(token: str, what: str) -> None:
    """Note what the tab with this state shows."""
    if tab := _open.get(token):
        tab.watching = what


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
