"""The sample configurations of `deploy/`, run in front of a store with a certificate of the test's own."""

import asyncio
import os
import resource
import shutil
import socket
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme

from scripts import servers
from scripts.processes import Child, ChildFailed
from tests.support.ports import free_port
from tests.support.processes import ROOT
from tests.support.store import StoreProcess

HOST = "localhost"
SECONDS_TO_START = 20


class ProxiedStore:
    """A store behind nginx or Caddy; a context manager that always stops both.

    Args:
        kind: "nginx" or "caddy".
        env: settings of the store.
    """

    def __init__(self, kind: str, env: Mapping[str, str] | None = None) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="store-proxy-"))
        self.port, self._plain_port = free_port(), free_port()
        self.url = f"https://{HOST}:{self.port}"
        self._authority = trustme.CA()
        settings = {"PUBLIC_URL": self.url, "TRUSTED_PROXIES": "127.0.0.1", **(env or {})}
        self.store = StoreProcess(env=settings, simulator=True)
        # The simulator plays the provider, which reaches the store through the proxy.
        authority = self._folder / "authority.pem"
        self._authority.cert_pem.write_to_path(str(authority))
        if self.store.simulator:
            self.store.simulator.env |= {"SIMULATOR_STORE_URL": self.url, "SSL_CERT_FILE": str(authority)}
        self._proxy = Child(kind, self._command(kind), env=self._env(), log=self._folder / "log", cwd=self._folder)

    @property
    def tls(self) -> ssl.SSLContext:
        """What a client trusts that connects to this proxy."""
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        return context

    @property
    def pids(self) -> list[int]:
        """The proxy's processes."""
        children = Path(f"/proc/{self._proxy.pid}/task/{self._proxy.pid}/children").read_text(encoding="ascii")
        return [self._proxy.pid, *map(int, children.split())]

    def __enter__(self) -> Self:
        try:
            self.store.start()
            self._proxy.start()
            self._wait_until_it_listens()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.store.show_logs()
            print(self._proxy.tail())
        self._close()

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                self._proxy.raise_if_ended()
                if time.monotonic() > deadline:
                    raise ChildFailed(f"{self._proxy.name} does not listen.\n{self._proxy.tail()}") from None
                time.sleep(0.02)
            else:
                return

    def _close(self) -> None:
        self._proxy.stop()
        self.store.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _env(self) -> dict[str, str]:
        # Where Caddy keeps what it remembers.
        return {**os.environ, "XDG_DATA_HOME": str(self._folder), "XDG_CONFIG_HOME": str(self._folder)}

    def _command(self, kind: str) -> list[str]:
        certificate = self._authority.issue_cert(HOST)
        chain, key = self._folder / "fullchain.pem", self._folder / "privkey.pem"
        certificate.private_key_pem.write_to_path(str(key))
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(str(chain), append=True)
        if kind == "nginx":
            config = self._changed("nginx.conf", self._of_nginx(chain.parent))
            return [_binary(servers.nginx()), "-p", str(self._folder), "-c", str(config), "-g", "daemon off;"]
        config = self._changed("Caddyfile", self._of_caddy(chain, key))
        return [_binary(servers.caddy()), "run", "--config", str(config), "--adapter", "caddyfile"]

    def _of_nginx(self, folder: Path) -> dict[str, str]:
        return {
            "user www-data;": "",
            # An account that is not root's may not raise it.
            "worker_rlimit_nofile 65536;": "",
            "/run/nginx.pid": str(folder / "pid"),
            "/var/log/nginx": str(folder),
            "/etc/letsencrypt/live/shop.example": str(folder),
            "127.0.0.1:8000": f"127.0.0.1:{self.store.port}",
            # This machine may have no IPv6.
            "        listen [::]:80 default_server;\n": "",
            "        listen [::]:443 ssl http2 default_server;\n": "",
            "        listen [::]:443 ssl http2;\n": "",
            "listen 80": f"listen 127.0.0.1:{self._plain_port}",
            "listen 443": f"listen 127.0.0.1:{self.port}",
            "https://shop.example": self.url,
            "shop.example": HOST,
        }

    def _of_caddy(self, chain: Path, key: Path) -> dict[str, str]:
        # Without the administration port, and without a certificate of the internet.
        options = f"{{\n\tadmin off\n\tauto_https disable_certs\n\thttp_port {self._plain_port}\n"
        site = f"{self.url} {{\n\tbind 127.0.0.1\n\ttls {chain} {key}\n"
        return {
            "{\n\tservers": f"{options}\thttps_port {self.port}\n\tservers",
            "\nshop.example {\n": f"\n{site}",
            "127.0.0.1:8000": f"127.0.0.1:{self.store.port}",
        }

    def _changed(self, name: str, changes: dict[str, str]) -> Path:
        """Write a sample with only what differs on this machine changed."""
        text = "\n".join(
            line
            for line in (ROOT / "deploy" / name).read_text(encoding="utf-8").split("\n")
            if not line.startswith("#")
        )
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new)
        path = self._folder / name
        path.write_text(text, encoding="utf-8")
        return path


def _binary(found: Path | None) -> str:
    if found is None:
        raise ChildFailed("The proxy is missing: `make integration` installs it or says how.")
    return str(found)


def allow_many_sockets() -> int:
    """Allow as many open sockets as this account may have; return the number."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


@asynccontextmanager
async def idle_connections(port: int, count: int, sends: bytes = b"") -> AsyncIterator[int]:
    """Keep so many connections open that send this and no more; yield how many there are."""

    async def connect(number: int) -> asyncio.StreamWriter | None:
        with suppress(OSError):
            # Of many addresses: one has too few ports for so many.
            source = f"127.88.{number // 250 % 250}.{number % 250 + 1}"
            _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
            writer.write(sends)
            return writer
        return None

    allow_many_sockets()
    writers: list[asyncio.StreamWriter] = []
    for begin in range(0, count, 500):
        made = await asyncio.gather(*map(connect, range(begin, min(begin + 500, count))))
        writers += [writer for writer in made if writer]
    try:
        yield len(writers)
    finally:
        for writer in writers:
            writer.transport.abort()
