"""A network between the store and one of its servers, which can be slow, or drop everything silently."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

LOOPBACK = "127.0.0.1"


@dataclass
class _Connection:
    """A connection from the client through to the server; once it lost data, it passes nothing anymore."""

    client: socket.socket
    server: socket.socket
    is_dead: bool = False


class Network:
    """A TCP proxy that passes what is sent to `port` on to a server's port.

    As a black hole it still accepts connections and data, but drops the data. A connection that lost data stays
    dead, as behind a firewall that forgot it: neither end notices, not even when the other end closes it.
    """

    def __init__(self, server_port: int) -> None:
        """Listen on a free port and forward to `server_port`."""
        self.delay = 0.0
        self._server_port = server_port
        self._is_black_hole = False
        self._connections: list[_Connection] = []
        self._listener = socket.create_server((LOOPBACK, 0), backlog=100)
        self.port = int(self._listener.getsockname()[1])
        _start_thread(self._accept)

    @contextmanager
    def black_hole(self) -> Iterator[None]:
        """Drop everything that is sent in the meantime."""
        self._is_black_hole = True
        try:
            yield
        finally:
            self._is_black_hole = False

    @contextmanager
    def slow(self, delay: float) -> Iterator[None]:
        """Delay everything by so many seconds, in both directions."""
        self.delay = delay
        try:
            yield
        finally:
            self.delay = 0.0

    def dead_connections(self) -> int:
        """Return how many connections have lost data."""
        return sum(connection.is_dead for connection in self._connections)

    def close(self) -> None:
        """Close every connection."""
        _shut_down(self._listener)
        for connection in self._connections:
            _shut_down(connection.client)
            _shut_down(connection.server)

    def _accept(self) -> None:
        while True:
            client, _address = self._listener.accept()
            try:
                server = socket.create_connection((LOOPBACK, self._server_port))
            except ConnectionRefusedError:
                _shut_down(client)
                continue
            connection = _Connection(client, server)
            self._connections.append(connection)
            for end in (connection.client, connection.server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _start_thread(partial(self._pass_on, connection, connection.client, connection.server))
            _start_thread(partial(self._pass_on, connection, connection.server, connection.client))

    def _pass_on(self, connection: _Connection, source: socket.socket, sink: socket.socket) -> None:
        while data := source.recv(65_536):
            if self.delay:
                time.sleep(self.delay)  # the simulated latency
            connection.is_dead = connection.is_dead or self._is_black_hole
            if not connection.is_dead:
                sink.sendall(data)
        if not (connection.is_dead or self._is_black_hole):
            _shut_down(sink)


def _start_thread(work: Callable[[], None]) -> None:
    def run_until_closed() -> None:
        with suppress(OSError):
            work()

    threading.Thread(target=run_until_closed, daemon=True, name="network").start()


def _shut_down(end: socket.socket) -> None:
    # `close` alone does not wake the thread that blocks in `recv`.
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextmanager
def network_to(server_port: int) -> Iterator[Network]:
    """Yield a network in front of a server's port on the loopback interface."""
    network = Network(server_port)
    try:
        yield network
    finally:
        network.close()
