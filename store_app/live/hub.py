"""The listeners of this process, by user: open tabs and `/ws` clients. Nothing here outlives the process."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Protocol

from store_app.db.outbox import Message


class Listener(Protocol):
    """An open connection of a signed-in user."""

    @property
    def user_id(self) -> str:
        """The user whose messages it receives."""

    @property
    def session_hash(self) -> str:
        """The session that opened the connection."""

    async def send(self, message: Message) -> None:
        """Send a message to the client, or close the connection if its session has ended."""

    def close(self) -> None:
        """Close the connection."""


class Hub:
    """The listeners of this process."""

    def __init__(self) -> None:
        """Start without listeners."""
        self._by_user: dict[str, set[Listener]] = defaultdict(set)

    def add(self, listener: Listener) -> None:
        """Register a listener for its user's messages."""
        self._by_user[listener.user_id].add(listener)

    def remove(self, listener: Listener) -> None:
        """Remove a listener whose connection has ended."""
        self._by_user[listener.user_id].discard(listener)
        if not self._by_user[listener.user_id]:
            del self._by_user[listener.user_id]

    def of_user(self, user_id: str) -> list[Listener]:
        """Return a user's listeners in this process."""
        return list(self._by_user.get(user_id, ()))

    def all(self) -> list[Listener]:
        """Return all listeners of this process."""
        return [listener for listeners in self._by_user.values() for listener in listeners]

    def end_sessions(self, hashes: Iterable[str]) -> None:
        """Close the connections of sessions that have ended."""
        ended = set(hashes)
        for listener in [listener for listener in self.all() if listener.session_hash in ended]:
            self.remove(listener)
            listener.close()


hub = Hub()
