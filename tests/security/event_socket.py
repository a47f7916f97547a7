"""A raw client of Reflex's event socket: it sends anything, and keeps every frame that it receives."""

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Self
from urllib.parse import parse_qsl, quote, urlsplit

import socketio

NAMESPACE = "/_event"
STATE = "reflex___state____state"
SHELF = f"{STATE}.store_app___web___catalogue___state____item_list_state"
LIBRARY = f"{STATE}.store_app___web___library___state____library_state"
ORDER = f"{STATE}.store_app___web___orders___state____order_state"
CART = f"{STATE}.store_app___web___checkout___state____cart_state"
ITEM = f"{STATE}.store_app___web___catalogue___state____item_state"
SHELL = f"{STATE}.store_app___web___ui___shell____shell_state"
TIMEOUT_SECONDS = 15


class Tab:
    """A connection to the event socket; a context manager that disconnects at the end."""

    def __init__(
        self, url: str, *, cookie: str = "", token: str | None = None, origin: str = "", cart: str = ""
    ) -> None:
        self.url = url
        self.cookie = cookie
        self.cart = cart
        self.token = secrets.token_hex(16) if token is None else token
        self.origin = origin
        self.frames: list[str] = []
        self.is_closed = False
        self._changed = asyncio.Condition()
        # The server may disconnect at any moment; tests look at the frames received until then.
        self._client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        self._client.on("*", self._on_event, namespace=NAMESPACE)
        self._client.on("disconnect", self._on_disconnect, namespace=NAMESPACE)

    async def __aenter__(self) -> Self:
        cookies = [f"{name}={value}" for name, value in (("session", self.cookie), ("cart", self.cart)) if value]
        headers = {"Cookie": "; ".join(cookies)} if cookies else {}
        if self.origin:
            headers["Origin"] = self.origin
        await self._client.connect(
            f"{self.url}?token={quote(self.token, safe='')}",
            headers=headers,
            transports=["websocket"],
            socketio_path="/_event",
            namespaces=[NAMESPACE],
            wait_timeout=TIMEOUT_SECONDS,
        )
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._client.disconnect()
        await self._client.shutdown()

    async def _on_event(self, event: str, *data: Any) -> None:
        async with self._changed:
            self.frames.append(json.dumps([event, *data]))
            self._changed.notify_all()

    async def _on_disconnect(self, *_reason: object) -> None:
        async with self._changed:
            self.is_closed = True
            self._changed.notify_all()

    @property
    def received(self) -> str:
        """Everything received so far, as text."""
        return "\n".join(self.frames)

    async def emit(self, event: str, data: object) -> None:
        """Send any socket event."""
        await self._client.emit(event, data, namespace=NAMESPACE)

    async def call(
        self,
        handler: str,
        payload: Mapping[str, Any] | None = None,
        *,
        path: str = "/",
        router_data: Mapping[str, Any] | None = None,
    ) -> None:
        """Call an event handler as the page at `path` would; `router_data` adds what a page would not."""
        where = {"pathname": urlsplit(path).path, "asPath": path, "query": dict(parse_qsl(urlsplit(path).query))}
        event = {"name": handler, "payload": dict(payload or {}), "router_data": {**where, **(router_data or {})}}
        await self.emit("event", {**event, "token": self.token})

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition on the received frames holds."""
        async with self._changed, asyncio.timeout(TIMEOUT_SECONDS):
            await self._changed.wait_for(condition)

    async def wait_for_text(self, text: str) -> None:
        """Wait until this text was received."""
        await self.wait_for(lambda: text in self.received)

    async def wait_until_closed(self) -> None:
        """Wait until the server has disconnected."""
        await self.wait_for(lambda: self.is_closed)

    async def settle(self) -> None:
        """Wait until everything sent so far was handled: the server handles a tab's events in order."""
        mark = f"mark-{secrets.token_hex(6)}"
        await self.call(f"{SHELF}.load", path=f"/?q={mark}")
        await self.wait_for_text(mark)
