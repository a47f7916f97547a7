"""A network between the store and one of its servers, which can be slow, or lose everything without a word."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

LOOPBACK = "127.0.0.1"


@dataclass
class _Line:
    """One connection; once something of it was lost, nothing passes any more."""

    near: socket.socket
    far: socket.socket
    mute: bool = False


class Network:
    """Passes what is sent to `port` on to a server's port.

    In a black hole connections are opened and bytes are taken, as far as either end can see, but nothing
    arrives. A connection that lost bytes stays mute for ever, as behind a firewall that forgot it: neither end
    is told, not even that the other has hung up.
    """

    def __init__(self, server_port: int) -> None:
        """Listen on a free port, and lead to this one."""
        self.delay = 0.0
        self._server_port = server_port
        self._is_black_hole = False
        self._lines: list[_Line] = []
        self._door = socket.create_server((LOOPBACK, 0), backlog=100)
        self.port = int(self._door.getsockname()[1])
        _in_thread(self._accept)

    @contextmanager
    def black_hole(self) -> Iterator[None]:
        """Lose everything that is sent in the meantime."""
        self._is_black_hole = True
        try:
            yield
        finally:
            self._is_black_hole = False

    @contextmanager
    def slow(self, delay: float) -> Iterator[None]:
        """Let everything take longer, by so many seconds each way."""
        self.delay = delay
        try:
            yield
        finally:
            self.delay = 0.0

    def mute_lines(self) -> int:
        """Return how many connections have lost something."""
        return sum(line.mute for line in self._lines)

    def close(self) -> None:
        """End every connection."""
        _shut_down(self._door)
        for line in self._lines:
            _shut_down(line.near)
            _shut_down(line.far)

    def _accept(self) -> None:
        while True:
            near, _address = self._door.accept()
            try:
                far = socket.create_connection((LOOPBACK, self._server_port))
            except ConnectionRefusedError:
                _shut_down(near)
                continue
            line = _Line(near, far)
            self._lines.append(line)
            for end in (line.near, line.far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _in_thread(partial(self._pass_on, line, line.near, line.far))
            _in_thread(partial(self._pass_on, line, line.far, line.near))

    def _pass_on(self, line: _Line, source: socket.socket, sink: socket.socket) -> None:
        while data := source.recv(65_536):
            if self.delay:
                time.sleep(self.delay)  # this is the slow network
            line.mute = line.mute or self._is_black_hole
            if not line.mute:
                sink.sendall(data)
        if not (line.mute or self._is_black_hole):
            _shut_down(sink)


def _in_thread(work: Callable[[], None]) -> None:
    def until_closed() -> None:
        with suppress(OSError):
            work()

    threading.Thread(target=until_closed, daemon=True, name="network").start()


def _shut_down(end: socket.socket) -> None:
    # Closing alone would not wake the thread that reads from it.
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextmanager
def network_to(server_port: int) -> Iterator[Network]:
    """Yield a network that leads to a server's port on the loopback interface."""
    network = Network(server_port)
    try:
        yield network
    finally:
        network.close()
