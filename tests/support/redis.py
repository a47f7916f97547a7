"""A private Redis server in a temporary folder, removed after the tests."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from scripts import servers
from scripts.processes import Child, ChildFailed
from tests.support.ports import free_port

SECONDS_TO_START = 10


@dataclass
class RedisServer:
    """A server that may be stopped and started again on the same port; its data is lost."""

    child: Child
    port: int

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start the server and wait until it responds."""
        self.child.start()
        deadline = time.monotonic() + SECONDS_TO_START
        with Redis.from_url(self.url) as client:
            while True:
                try:
                    client.ping()
                except RedisConnectionError:
                    self.child.raise_if_ended()
                    if time.monotonic() > deadline:
                        raise ChildFailed(f"Redis does not respond.\n{self.child.tail()}") from None
                    time.sleep(0.02)
                else:
                    return

    def stop(self) -> None:
        """Stop gracefully."""
        self.child.stop(grace=5)

    def kill(self) -> None:
        """Stop at once, as a crash would."""
        self.child.kill()


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Yield a private server; `url` is its address."""
    folder = Path(tempfile.mkdtemp(prefix="store-redis-"))
    port = free_port()
    command = [_binary(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--save", "", "--appendonly", "no", "--daemonize", "no"]
    server = RedisServer(Child("redis", command, env=dict(os.environ), log=folder / "redis.log", cwd=folder), port)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _binary() -> str:
    binary = servers.redis()
    if binary is None:
        raise ChildFailed("Redis is missing: `make integration` installs it or says how.")
    return str(binary)
