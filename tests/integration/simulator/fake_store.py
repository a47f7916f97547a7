"""A tiny store over real HTTP: a public item list, and a webhook whose answers are scripted."""

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

DEADLINE_SECONDS = 8.0

# Trusts nobody, and needs not: loading certificates would take most of the time of a test.
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_PROBE = httpx.Client(trust_env=False, verify=NO_CERTIFICATES)

ITEMS: list[dict[str, Any]] = [
    {"sku": "sword", "name": "Dragon Sword", "price": 999.99, "currency": "USD", "kind": "non_consumable"},
    {"sku": "potion", "name": "Health <Potion>", "price": "1.99", "currency": "USD", "kind": "consumable"},
    {"sku": "badge", "name": "Badge", "price": 0, "currency": "USD", "kind": "non_consumable"},
    {"sku": "yen", "name": "Yen thing", "price": 500, "currency": "JPY", "kind": "consumable"},
]


@dataclass(frozen=True)
class Received:
    """A notification as it arrived."""

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
    """What arrived, and what to answer: the scripted answers of a type first, then 204."""

    items: list[dict[str, Any]] = field(default_factory=lambda: list(ITEMS))
    received: list[Received] = field(default_factory=list)
    answers: defaultdict[str, list[Response]] = field(default_factory=lambda: defaultdict(list))
    list_reads: int = 0
    url: str = ""

    def will_answer(self, notification_type: str, *statuses: int, code: str = "INVALID_USER") -> None:
        body = {"error": {"code": code, "message": "Because of the test."}}
        self.answers[notification_type] += [JSONResponse(body, status) for status in statuses]

    def of_type(self, notification_type: str) -> list[Received]:
        return [each for each in self.received if each.type == notification_type]

    def types(self) -> list[str]:
        """Types in order of arrival, the questions about the buyer left out."""
        return [each.type for each in self.received if each.type != "user_validation"]

    def wait_for(self, *types: str) -> None:
        eventually(lambda: self.types() == list(types), self.types)

    def app(self) -> FastAPI:
        app = FastAPI()
        app.add_api_route("/api/webhooks/payment", self._webhook, methods=["POST"])
        app.add_api_route("/api/items", self._list, methods=["GET"])
        return app

    async def _webhook(self, request: Request) -> Response:
        arrived = Received(await request.body(), request.headers["Authorization"])
        self.received.append(arrived)
        scripted = self.answers[arrived.type]
        return scripted.pop(0) if scripted else Response(status_code=204)

    async def _list(self, cursor: int = 0) -> Response:
        """Two items a page, so that the link to the next one is needed."""
        self.list_reads += 1
        headers = {}
        if cursor + 2 < len(self.items):
            # Another host than the one asked: a public address need not be reachable from the simulator.
            headers["Link"] = f'<http://store.invalid/api/items?cursor={cursor + 2}>; rel="next"'
        return JSONResponse(self.items[cursor : cursor + 2], headers=headers)


def eventually(condition: Callable[[], bool], seen: Callable[[], object]) -> None:
    """Wait until something holds; fails with what was seen at the deadline."""
    give_up_at = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < give_up_at, f"gave up waiting, last seen: {seen()!r}"
        time.sleep(0.005)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def served(app: FastAPI, port: int) -> Iterator[str]:
    """Serve an app over HTTP from a thread of this process."""
    server = Server(app, address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(server.serve()), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{port}"
    eventually(lambda: answers(f"{url}/openapi.json"), lambda: url)
    try:
        yield url
    finally:
        # The server's stop is an asyncio event, which only its own loop may set.
        loop.call_soon_threadsafe(server.stop)
        thread.join(DEADLINE_SECONDS)
        assert not thread.is_alive()
        loop.close()


def native_threads() -> int:
    """Count the threads of this process, where the system tells."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.exists() else 0


def answers(url: str) -> bool:
    try:
        return _PROBE.get(url).is_success
    except httpx.TransportError:
        return False
