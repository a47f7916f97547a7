"""A raw HTTP/1.1 client: it sends requests that no client library would, over keep-alive connections."""

import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from types import TracebackType
from typing import Self

Headers = tuple[tuple[bytes, bytes], ...]
TIMEOUT_SECONDS = 30
# HTTP allows only these bytes in a header's value and in a target: the server itself refuses all others.
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_TARGET = re.compile(rb"/[\x21-\x7e]*")
# With malformed values of these headers, servers may disagree on where a request ends.
_FRAMING = {b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect", b"host"}
# The server accepts 100 headers of about 400 kB in all; everything well below that must reach the store.
_MAX_HEADER_BYTES = 350_000


@dataclass(frozen=True, slots=True)
class Request:
    """A request, as it is sent."""

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
        """Whether it is valid HTTP, so that it must reach the store."""
        headers_are_valid = all(
            _VALUE.fullmatch(value) and name.isascii() and name.lower() not in _FRAMING
            for name, value in self.headers
        )
        size = sum(len(name) + len(value) for name, value in self.headers)
        return headers_are_valid and size < _MAX_HEADER_BYTES and bool(_TARGET.fullmatch(self.target))


@dataclass(frozen=True, slots=True)
class Response:
    """A response; status 0 when the server closed the connection without one."""

    status: int = 0
    content_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def kind(self) -> str:
        """Return the class of the status: `2xx` and so on."""
        return f"{self.status // 100}xx" if self.status else "closed"


class RawClient:
    """A connection to a server on this machine, opened again when the server closes it."""

    def __init__(self, port: int) -> None:
        """Connect to this port when the first request is sent."""
        self._port = port
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(self, request: Request) -> Response:
        """Send a request and return the response."""
        if not request.is_http:
            return self._send_alone(request)
        for _ in range(2):
            was_open = self._socket is not None
            response = self._exchange(request)
            # A server may close an idle connection at any moment; then it has not read the request.
            if response.status or not was_open:
                return response
        return response

    def _send_alone(self, request: Request) -> Response:
        """Send a request over a connection of its own, whose end marks the end of the request."""
        self.close()
        response = self._exchange(request, shut_down=True)
        self.close()
        return response

    def _exchange(self, request: Request, *, shut_down: bool = False) -> Response:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), TIMEOUT_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):
            # The server may respond and close the connection before it has read everything.
            self._socket.sendall(bytes(request))
            if shut_down:
                self._socket.shutdown(socket.SHUT_WR)
        try:
            return self._read(self._socket, request.method)
        except (OSError, HTTPException):
            self.close()
            return Response()

    def _read(self, connection: socket.socket, method: bytes) -> Response:
        parsed = HTTPResponse(connection, method=method.decode("latin-1"))
        try:
            parsed.begin()
            body = parsed.read()
            if parsed.will_close:
                self.close()
            headers = tuple((name.lower(), value) for name, value in parsed.getheaders())
            return Response(parsed.status, dict(headers).get("content-type", ""), headers, body)
        finally:
            parsed.close()
