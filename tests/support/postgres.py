"""A private PostgreSQL server in a temporary folder, removed after the tests."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psycopg2
from psycopg2 import sql

from scripts import servers
from scripts.processes import ChildFailed
from tests.support.ports import free_port

SECONDS_TO_START = 30
NOT_DURABLE = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")


@dataclass
class PostgresServer:
    """A server; `url` is the address of its maintenance database."""

    folder: Path
    binaries: Path
    port: int
    password: str
    durable: bool
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        options = [
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=200",
            "shared_buffers=64MB",
            *(() if self.durable else NOT_DURABLE),
        ]
        arguments = [part for option in options for part in ("-c", option)]
        with (self.folder / "postgres.log").open("ab") as log:
            self.process = _as_server_user(
                [str(self.binaries / "postgres"), "-D", str(self.folder / "data"), *arguments],
                self.folder,
                log,
            )
        self._wait()

    def stop(self) -> None:
        """Close every connection and stop."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # "fast" shutdown: does not wait for clients
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """Stop at once, as a crash would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while True:
            try:
                psycopg2.connect(self.url, connect_timeout=2).close()
            except psycopg2.OperationalError as error:
                ended = self.process is None or self.process.poll() is not None
                if ended or time.monotonic() > deadline:
                    log = (self.folder / "postgres.log").read_text(errors="replace")
                    raise ChildFailed(f"PostgreSQL did not start: {error}\n{log[-3000:]}") from None
                time.sleep(0.05)
            else:
                return


@contextmanager
def postgres(*, durable: bool = False) -> Iterator[PostgresServer]:
    """Yield a private server, which may be stopped and started.

    Args:
        durable: flush to the disk, as in production; benchmarks and crash tests need it, other tests do not.
    """
    folder = Path(tempfile.mkdtemp(prefix="store-postgres-"))
    try:
        server = _create(folder, durable=durable)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgres_server() -> Iterator[str]:
    """Yield the address of a private server, for `fresh_database`."""
    with postgres() as server:
        yield server.url


def fresh_database(url: str) -> str:
    """Create an empty database on the server and return its address."""
    name = f"store_{secrets.token_hex(6)}"
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    finally:
        connection.close()
    return f"{url.rpartition('/')[0]}/{name}"


def _create(folder: Path, *, durable: bool) -> PostgresServer:
    folder.chmod(0o755)
    (folder / "data").mkdir(mode=0o700)
    password = secrets.token_hex(16)
    password_file = folder / "password"
    password_file.write_text(password)
    password_file.chmod(0o600)
    user = _server_user()
    if user:
        for path in (folder, folder / "data", password_file):
            shutil.chown(path, user)
    server = PostgresServer(folder, _binaries(folder), free_port(), password, durable)
    command = [str(server.binaries / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "--no-sync"]
    command += ["-E", "UTF8", "--locale=C.UTF-8", "-A", "scram-sha-256", f"--pwfile={password_file}"]
    with (folder / "initdb.log").open("wb") as log:
        code = _as_server_user(command, folder, log).wait()
    if code:
        raise ChildFailed(f"initdb failed:\n{(folder / 'initdb.log').read_text(errors='replace')}")
    return server


def _binaries(folder: Path) -> Path:
    binaries = servers.postgres()
    if binaries is None:
        raise ChildFailed("PostgreSQL is missing: `make integration` installs it or says how.")
    return _reachable(binaries.parent, folder) / "bin"


def _reachable(installation: Path, folder: Path) -> Path:
    """Return the installation, or a copy of it when the server's user may not read its folder."""
    if _server_user() is None:
        return installation
    if all(parent.stat().st_mode & 0o001 for parent in installation.resolve().parents):
        return installation
    # A wheel keeps its libraries beside the package, and finds them by a relative path.
    package = installation.parent
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    return Path(shutil.copytree(installation, folder / package.name / installation.name, symlinks=True))


def _server_user() -> str | None:
    """Return the user to run the server as; None: the current one. PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _as_server_user(command: Sequence[str], folder: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
    user = _server_user()
    group = pwd.getpwnam(user).pw_gid if user else None
    other_groups: list[int] | None = [] if user else None
    return subprocess.Popen(
        command,
        cwd=folder,
        env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        user=user,
        group=group,
        extra_groups=other_groups,
    )
