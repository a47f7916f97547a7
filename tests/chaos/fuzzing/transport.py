"""HTTP/1.1 as bytes: a client that sends what no client library would, over connections that stay open."""

import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from types import TracebackType
from typing import Self

Headers = tuple[tuple[bytes, bytes], ...]
SECONDS_TO_ANSWER = 30
# HTTP itself allows no more in a header's value and in an address: the server refuses it, and asks nobody.
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_TARGET = re.compile(rb"/[\x21-\x7e]*")
# Where other values of these are sent, where a request ends is a matter of opinion.
_FRAMING = {b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect", b"host"}
# The server takes 100 headers and somewhat over 400 kB of them; far below it everything must reach the store.
_LARGEST_HEAD = 350_000


@dataclass(frozen=True, slots=True)
class Request:
    """A request, as it goes over the wire."""

    method: bytes
    target: bytes
    headers: Headers = ()
    body: bytes = b""

    def __bytes__(self) -> bytes:
        lines = [self.method + b" " + self.target + b" HTTP/1.1", b"Host: localhost"]
        lines += [name + b": " + value for name, value in self.headers]
        if self.body or self.method in {b"POST", b"PUT", b"PATCH"}:
            lines.append(b"Content-Length: %d" % len(self.body))
        return b"\r\n".join([*lines, b"", b""]) + self.body

    @property
    def is_http(self) -> bool:
        """Whether HTTP allows it, so that it must reach the store."""
        fine = all(
            _VALUE.fullmatch(value) and name.isascii() and name.lower() not in _FRAMING
            for name, value in self.headers
        )
        size = sum(len(name) + len(value) for name, value in self.headers)
        return fine and size < _LARGEST_HEAD and bool(_TARGET.fullmatch(self.target))


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; status 0 when the server hung up."""

    status: int = 0
    content_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def kind(self) -> str:
        """Return the class of the status: `2xx` and so on."""
        return f"{self.status // 100}xx" if self.status else "hung up"


class Wire:
    """A connection to a server on this machine, opened again when the server closes it."""

    def __init__(self, port: int) -> None:
        """Talk to this port."""
        self._port = port
        self._open: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def ask(self, request: Request) -> Answer:
        """Send a request and return the answer."""
        if not request.is_http:
            return self._ask_once(request)
        for _ in range(2):
            was_open = self._open is not None
            answer = self._ask(request)
            # A server may close an idle connection at any moment: then the request was never read.
            if answer.status or not was_open:
                return answer
        return answer

    def _ask_once(self, request: Request) -> Answer:
        """Ask over a connection of its own, whose end is the request's end."""
        self.close()
        answer = self._ask(request, ends=True)
        self.close()
        return answer

    def _ask(self, request: Request, *, ends: bool = False) -> Answer:
        if self._open is None:
            self._open = socket.create_connection(("127.0.0.1", self._port), SECONDS_TO_ANSWER)
            self._open.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):
            # The server may answer, and hang up, while we still send.
            self._open.sendall(bytes(request))
            if ends:
                self._open.shutdown(socket.SHUT_WR)
        try:
            return self._read(self._open, request.method)
        except (OSError, HTTPException):
            self.close()
            return Answer()

    def _read(self, connection: socket.socket, method: bytes) -> Answer:
        response = HTTPResponse(connection, method=method.decode("latin-1"))
        try:
            response.begin()
            body = response.read()
            if response.will_close:
                self.close()
            headers = tuple((name.lower(), value) for name, value in response.getheaders())
            return Answer(response.status, dict(headers).get("content-type", ""), headers, body)
        finally:
            response.close()
