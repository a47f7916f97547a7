"""What one connection to the event socket may ask for: which frames, how many events, how fast.

Any client can open the socket and send anything. What no page of the store sends is dropped before Reflex sees it.
"""

import inspect
import json
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from reflex_base.event.processor import EventProcessor
from reflex_base.registry import RegistrationContext
from starlette.types import Message

from store_app.logs import note_security_event
from store_app.web.live import tabs

MAX_FRAME_CHARACTERS = 64_000
# So many events of a tab are handed to Reflex at a time, and so many wait for that; then no frame is read, and
# TCP slows the client down.
MAX_UNFINISHED_EVENTS, MAX_WAITING_FRAMES = 8, 60
# No page sends more. A client that does is disconnected: slowing it down would leave thousands of events in the
# buffers, to be worked off after it has gone.
EVENTS_PER_SECOND, EVENT_BURST = 20, 60
# Close codes (RFC 6455, 7.4.1).
UNSUPPORTED_DATA, POLICY_VIOLATION, TOO_BIG = 1003, 1008, 1009
# Socket.IO packets: a message ("4" of Engine.IO) that connects, or that is an event of the namespace.
_CONNECT, _EVENT = "40/_event,", "42/_event,"
_WITHOUT_PAYLOAD = {"ping", "client_error"}


class UnwantedFrame(Exception):
    """A frame for which the connection is closed; `code` is the close code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Allowance:
    """A token bucket: so many events at once, and then so many per second."""

    def __init__(self) -> None:
        """Begin full."""
        self._left, self._at = float(EVENT_BURST), time.monotonic()

    def take(self) -> None:
        """Count an event.

        Raises:
            UnwantedFrame: there were too many.
        """
        now = time.monotonic()
        self._left = min(EVENT_BURST, self._left + (now - self._at) * EVENTS_PER_SECOND) - 1
        self._at = now
        if self._left < 0:
            raise UnwantedFrame(POLICY_VIOLATION)


def is_event(message: Message) -> bool:
    """Whether a received message is an event of a page."""
    return str(message.get("text") or "").startswith(_EVENT)


def is_allowed(message: Message) -> bool:
    """Whether a page of the store sends such a message.

    Raises:
        UnwantedFrame: it is binary, or too long.
    """
    if message["type"] != "websocket.receive":
        return True
    text = message.get("text")
    # Binary attachments of Socket.IO ("45", "46") would be kept in memory until all of them have come.
    if text is None or text.startswith(("45", "46")):
        raise UnwantedFrame(UNSUPPORTED_DATA)
    if len(text) > MAX_FRAME_CHARACTERS:
        raise UnwantedFrame(TOO_BIG)
    allowed = _is_allowed_text(text)
    if not allowed:
        note_security_event("dropped_frame", "no page of the store sends such a frame")
    return allowed


def _is_allowed_text(text: str) -> bool:
    if text.startswith(_CONNECT):
        return _is_allowed_boot(text.removeprefix(_CONNECT))
    if not text.startswith("4"):
        return True
    if not text.startswith(_EVENT):
        return text.startswith("41")
    match _parsed(text.removeprefix(_EVENT)):
        case ["event", dict(event)]:
            return _is_allowed_event(event)
        case [str(name), *_]:
            return name in _WITHOUT_PAYLOAD
    return False


def _is_allowed_boot(text: str) -> bool:
    """Whether a connection begins with nothing, or with an event that a page may send."""
    if not text:
        return True
    data = _parsed(text)
    boot = data.get("event") if isinstance(data, dict) else None
    return isinstance(data, dict) and (boot is None or (isinstance(boot, dict) and _is_allowed_event(boot)))


def _is_allowed_event(event: dict[str, Any]) -> bool:
    name, payload = event.get("name"), event.get("payload") or {}
    arguments = _handlers().get(name) if isinstance(name, str) else None
    if arguments is None or not isinstance(payload, dict):
        return False
    return arguments.required <= payload.keys() <= arguments.all


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


class _Arguments(NamedTuple):
    """The names of an event handler's arguments."""

    all: set[str]
    required: set[str]


@lru_cache
def _handlers() -> dict[str, _Arguments]:
    """Return the event handlers of the pages, by name."""
    return {name: _arguments(one.handler.fn) for name, one in RegistrationContext.get().event_handlers.items()}


def _arguments(handler: Callable[..., Any]) -> _Arguments:
    parameters = [one for name, one in inspect.signature(handler).parameters.items() if name != "self"]
    required = {one.name for one in parameters if one.default is one.empty}
    return _Arguments({one.name for one in parameters}, required)


def count_events(processor: EventProcessor) -> None:
    """Count the unfinished events of each tab, so that its connection can wait for them, or drop them."""
    enqueue = processor.enqueue

    async def enqueue_counted(token: str, *arguments: Any, **named: Any) -> Any:
        future = await enqueue(token, *arguments, **named)
        if tab := tabs.find(token):
            tab.add_event(future)
        return future

    processor.enqueue = enqueue_counted  # type: ignore[method-assign]


def drop_unstarted(processor: EventProcessor, tab: tabs.Tab) -> None:
    """Cancel the events of a tab that has gone; what has begun goes on, because it may be a purchase."""
    for future in [*tab.unfinished]:
        # Reflex has no public way to ask whether an event has begun.
        if future.txid not in processor._tasks:  # noqa: SLF001
            future.cancel()
