"""Who is listening in this process: open tabs and `/ws` clients, by user. Nothing here outlives the process."""

import logging
from collections import defaultdict
from collections.abc import Iterable
from typing import Protocol

from store_app.db.outbox import Message

logger = logging.getLogger(__name__)


class Listener(Protocol):
    """An open connection of a signed-in user."""

    @property
    def user_id(self) -> str:
        """Whose messages it hears."""

    @property
    def session_hash(self) -> str:
        """The session it came with."""

    async def send(self, message: Message) -> None:
        """Pass a message on to the client, or close when its session has ended."""

    def close(self) -> None:
        """End the connection."""


class Hub:
    """The listeners of this process."""

    def __init__(self) -> None:
        """Start with nobody."""
        self._by_user: dict[str, set[Listener]] = defaultdict(set)

    def add(self, listener: Listener) -> None:
        """Let a listener hear its user's messages."""
        self._by_user[listener.user_id].add(listener)

    def remove(self, listener: Listener) -> None:
        """Forget a listener whose connection is gone."""
        listeners = self._by_user.get(listener.user_id, set())
        listeners.discard(listener)
        if not listeners:
            self._by_user.pop(listener.user_id, None)

    def of_user(self, user_id: str) -> list[Listener]:
        """Return a user's listeners in this process."""
        return list(self._by_user.get(user_id, ()))

    def end_sessions(self, hashes: Iterable[str]) -> None:
        """Close the connections of sessions that ended."""
        ended = set(hashes)
        listeners = [one for listeners in self._by_user.values() for one in listeners if one.session_hash in ended]
        for listener in listeners:
            self.remove(listener)
            listener.close()


hub = Hub()
