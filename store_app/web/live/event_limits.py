"""What one connection to the event socket may ask for: which frames, how many of them, how fast.

Any client can open the socket and send anything. What no page of the store sends is dropped before Reflex sees it.
"""

import asyncio
import inspect
import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import reflex as rx
from aiolimiter import AsyncLimiter
from reflex.istate.manager import StateManager
from reflex.istate.manager.memory import StateManagerMemory
from reflex.istate.manager.token import BaseStateToken
from reflex_base.event.processor import EventProcessor
from reflex_base.registry import RegistrationContext
from starlette.types import Message

from store_app.addresses import address_group
from store_app.logs import note_security_event
from store_app.web.live import tabs
from store_app.web.live.unfinished_messages import length

MAX_FRAME_CHARACTERS, MAX_ROUTER_DATA_CHARACTERS = 64_000, 8_000
# A longer frame counts as several, as more work.
CHARACTERS_OF_A_FRAME = 4_000
# So many events of a tab are handed to Reflex at a time, and so many frames wait for that. A client that sends
# more is disconnected.
MAX_UNFINISHED_EVENTS, MAX_WAITING_FRAMES = 8, 60
# No page sends more. A client that does is disconnected: slowing it down would leave thousands of events in the
# buffers, to be worked off after it has gone.
FRAMES_PER_SECOND, FRAME_BURST = 20, 60
# Of all tabs of a family or an office together; more of them wait.
FRAMES_PER_SECOND_OF_ADDRESS = 100
# Close codes (RFC 6455, 7.4.1).
UNSUPPORTED_DATA, POLICY_VIOLATION, TOO_BIG = 1003, 1008, 1009
# Socket.IO packets: a message ("4" of Engine.IO) that connects, or that is an event of the namespace.
_CONNECT, _EVENT = "40/_event,", "42/_event,"
_PING_PONG = {"2", "3"}
_WITHOUT_PAYLOAD = {"ping", "client_error"}


class UnwantedFrame(Exception):
    """A frame for which the connection is closed; `code` is the close code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


_of_address: WeakValueDictionary[str, AsyncLimiter] = WeakValueDictionary()


def connection_limiter() -> AsyncLimiter:
    """Return what limits the frames of one connection."""
    return AsyncLimiter(FRAME_BURST, FRAME_BURST / FRAMES_PER_SECOND)


def address_limiter(address: str) -> AsyncLimiter:
    """Return what limits the frames of all connections of a network address in this process."""
    group = address_group(address)
    limiter = _of_address.get(group)
    if limiter is None:
        limiter = _of_address[group] = AsyncLimiter(FRAMES_PER_SECOND_OF_ADDRESS, 1)
    return limiter


def frame_count(message: Message) -> int:
    """Return as how many frames a received message counts; the end of the connection is none."""
    return 1 + length(message) // CHARACTERS_OF_A_FRAME if is_frame(message) else 0


async def count_frame(limiter: AsyncLimiter, message: Message) -> None:
    """Count a frame of a connection, whatever it is: each costs work.

    Raises:
        UnwantedFrame: there were too many.
    """
    if not limiter.has_capacity(frame_count(message)):
        note_security_event("too_many_frames", "a connection was closed")
        raise UnwantedFrame(POLICY_VIOLATION)
    await limiter.acquire(frame_count(message))


def is_frame(message: Message) -> bool:
    """Whether a received message is a frame of the client, not the end of the connection."""
    return bool(message["type"] == "websocket.receive")


def check_form(message: Message) -> None:
    """Check what can be seen of a frame without reading it.

    Raises:
        UnwantedFrame: it is binary, or too long.
    """
    text = message.get("text")
    # Binary attachments of Socket.IO ("45", "46") would be kept in memory until all of them have come; "b" is
    # binary data in letters.
    if text is None or text.startswith(("45", "46", "b")):
        raise UnwantedFrame(UNSUPPORTED_DATA)
    if len(text) > MAX_FRAME_CHARACTERS:
        raise UnwantedFrame(TOO_BIG)


def is_allowed(message: Message) -> bool:
    """Whether a page of the store sends such a message; `check_form` has found nothing against it."""
    if not is_frame(message) or _is_allowed_text(message["text"]):
        return True
    note_security_event("dropped_frame", "no page of the store sends such a frame")
    return False


def _is_allowed_text(text: str) -> bool:
    if text.startswith(_CONNECT):
        return _is_allowed_boot(text.removeprefix(_CONNECT))
    if not text.startswith("4"):
        return text in _PING_PONG
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
    name, payload = event.get("name"), event.get("payload", {})
    arguments = _handlers().get(name) if isinstance(name, str) else None
    if arguments is None or not isinstance(payload, dict) or not _is_router_data(event.get("router_data", {})):
        return False
    return arguments.required <= payload.keys() <= arguments.all


def _is_router_data(data: Any) -> bool:
    """Whether this is router data as pages send it; Reflex would log a traceback for anything else."""
    if not isinstance(data, dict) or not isinstance(data.get("query", {}), dict):
        return False
    # The answer repeats it several times.
    if len(str(data)) > MAX_ROUTER_DATA_CHARACTERS:
        return False
    return all(_is_path(data.get(name, "/")) for name in ("pathname", "asPath"))


def _is_path(path: Any) -> bool:
    if not isinstance(path, str) or not path.startswith("/"):
        return False
    try:
        # "//[" begins a host, which is none.
        return bool(urlsplit(path))
    except ValueError:
        return False


def _parsed(text: str) -> Any:
    """Return the data of a frame; None if it is none, or could not be sent back."""
    try:
        data = json.loads(text)
        if "\\ud" in text.lower():
            # Half a surrogate cannot be written: an answer that repeats it would never leave.
            json.dumps(data, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return data


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


async def forget_state(manager: StateManager, tab: tabs.Tab) -> None:
    """Remove the state of a tab that has gone, after its last event: no other connection can name it.

    Reflex would keep it for an hour, and memory would grow with every page that is opened. In Redis it expires.
    """
    while tab.unfinished:
        await asyncio.wait(tab.unfinished)
    if isinstance(manager, StateManagerMemory):
        manager._purge_token(BaseStateToken(ident=tab.token, cls=rx.State))  # noqa: SLF001 - there is no other way
