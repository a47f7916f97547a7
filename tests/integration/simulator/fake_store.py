"""A small store that is reached over real HTTP: a public item list, and a webhook with scripted responses."""

import asyncio
import json
import socket
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from granian.constants import Interfaces
from granian.server.embed import Server

TIMEOUT_SECONDS = 8.0
POLL_SECONDS = 0.005

# Trusts no certificate and needs none: loading certificates would take most of the time of a test.
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_CLIENT = httpx.Client(trust_env=False, verify=NO_CERTIFICATES)

ITEMS: list[dict[str, Any]] = [
    {"sku": "sword", "name": "Dragon Sword", "price": 999.99, "currency": "USD", "kind": "non_consumable"},
    {"sku": "potion", "name": "Health <Potion>", "price": "1.99", "currency": "USD", "kind": "consumable"},
    {"sku": "badge", "name": "Badge", "price": 0, "currency": "USD", "kind": "non_consumable"},
    {"sku": "yen", "name": "Item in yen", "price": 500, "currency": "JPY", "kind": "consumable"},
]


@dataclass(frozen=True)
class ReceivedDelivery:
    """A delivery as the webhook received it."""

    body: bytes
    authorization: str

    @property
    def json(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed

    @property
    def type(self) -> str:
        return str(self.json["notification_type"])


@dataclass
class FakeStore:
    """Records deliveries; answers with the scripted responses of a notification type first, and then 204."""

    items: list[dict[str, Any]] = field(default_factory=lambda: list(ITEMS))
    received: list[ReceivedDelivery] = field(default_factory=list)
    responses: defaultdict[str, list[Response]] = field(default_factory=lambda: defaultdict(list))
    item_list_requests: int = 0
    url: str = ""

    def will_answer(self, notification_type: str, *statuses: int, code: str = "INVALID_USER") -> None:
        body = {"error": {"code": code, "message": "Because of the test."}}
        self.responses[notification_type] += [JSONResponse(body, status) for status in statuses]

    def of_type(self, notification_type: str) -> list[ReceivedDelivery]:
        return [each for each in self.received if each.type == notification_type]

    def types(self) -> list[str]:
        """Return the types in order of arrival, without user validations."""
        return [each.type for each in self.received if each.type != "user_validation"]

    def wait_for(self, *types: str) -> None:
        wait_until(lambda: self.types() == list(types), self.types)

    def app(self) -> FastAPI:
        app = FastAPI()
        app.add_api_route("/api/webhooks/payment", self._webhook, methods=["POST"])
        app.add_api_route("/api/items", self._list_items, methods=["GET"])
        return app

    async def _webhook(self, request: Request) -> Response:
        delivery = ReceivedDelivery(await request.body(), request.headers["Authorization"])
        self.received.append(delivery)
        scripted = self.responses[delivery.type]
        return scripted.pop(0) if scripted else Response(status_code=204)

    async def _list_items(self, cursor: int = 0) -> Response:
        """Return two items per page, so that the link to the next page is needed."""
        self.item_list_requests += 1
        headers = {}
        if cursor + 2 < len(self.items):
            # Not the host of the request: the simulator may be unable to reach the store's public address.
            headers["Link"] = f'<http://store.invalid/api/items?cursor={cursor + 2}>; rel="next"'
        return JSONResponse(self.items[cursor : cursor + 2], headers=headers)


def wait_until(condition: Callable[[], bool], describe: Callable[[], object]) -> None:
    """Wait until a condition is true; fail with a description of the last state after the timeout."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"timeout, the last state was: {describe()!r}"
        time.sleep(POLL_SECONDS)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def served(app: FastAPI, port: int) -> Iterator[str]:
    """Serve an app over HTTP in a thread of this process."""
    server = Server(app, address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(server.serve()), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: is_successful(f"{url}/openapi.json"), lambda: url)
    try:
        yield url
    finally:
        # The server stops by an asyncio event, which only its own loop may set.
        loop.call_soon_threadsafe(server.stop)
        thread.join(TIMEOUT_SECONDS)
        assert not thread.is_alive()
        loop.close()


def native_thread_count() -> int:
    """Return the number of threads of this process, or 0 where the system does not show it."""
    threads = Path("/proc/self/task")
    return len(list(threads.iterdir())) if threads.exists() else 0


def is_successful(url: str) -> bool:
    try:
        return _CLIENT.get(url).is_success
    except httpx.TransportError:
        return False
