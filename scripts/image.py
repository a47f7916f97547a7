"""`make image`: build the container image, start the store and the simulator from it, and wait for their answers.

IMAGE names the image; IMAGE_BUILD_ARGS holds more arguments for the engine's `build` command.
"""

import contextlib
import http.client
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.processes import Child, ChildFailed

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "data" / "logs"
ENGINES = ("docker", "podman", "buildah")
SECONDS_FOR_INFO = 30
SECONDS_TO_START = 120


class ImageFailed(Exception):
    """The image cannot be built, or does not work; the message says why."""


@dataclass(frozen=True)
class Server:
    """One of the programs in the image: how it is started, and where it must answer."""

    name: str
    command: tuple[str, ...]
    host_setting: str
    port_setting: str
    path: str


STORE = Server("store", ("sh", "scripts/container.sh"), "HOST", "PORT", "/health")
SIMULATOR = Server("simulator", ("python", "-m", "simulator", "serve"), "SIMULATOR_HOST", "SIMULATOR_PORT", "/")


@dataclass(frozen=True)
class Engine:
    """A container engine. Buildah runs commands in a container of its own, the others in one for each command."""

    command: str

    @property
    def is_buildah(self) -> bool:
        """Whether this is Buildah, which has other options than Docker and Podman, which have the same ones."""
        return self.command == "buildah"

    def build(self, image: str, arguments: Sequence[str]) -> None:
        """Build the image.

        Raises:
            ImageFailed: the engine could not.
        """
        # The OCI format, the default of Podman and Buildah, has no HEALTHCHECK.
        docker_format = [] if self.command == "docker" else ["--format", "docker"]
        command = [self.command, "build", *docker_format, "--tag", image, *arguments, "."]
        if subprocess.call(command, cwd=ROOT, stdin=subprocess.DEVNULL):
            raise ImageFailed(f"{self.command} could not build the image: its last lines say why.")

    @contextmanager
    def container(self, image: str, name: str) -> Iterator[str]:
        """Make what Buildah needs before it can run anything, and remove the container at the end."""
        try:
            if self.is_buildah:
                _output([self.command, "from", "--name", name, image])
            yield name
        finally:
            remove = ["rm"] if self.is_buildah else ["rm", "--force"]
            subprocess.run([self.command, *remove, name], capture_output=True, check=False)

    def run(self, image: str, name: str, env: Mapping[str, str], command: Sequence[str], port: int) -> list[str]:
        """Return the command that runs `command` in a container, its port open on this machine only."""
        settings = [f"--env={key}={value}" for key, value in env.items()]
        if self.is_buildah:
            return [self.command, "run", "--network", "host", *settings, name, "--", *command]
        publish = f"--publish=127.0.0.1:{port}:{port}"
        return [self.command, "run", "--rm", "--name", name, publish, *settings, image, *command]


def find_engine() -> Engine:
    """Return the first container engine that works.

    Raises:
        ImageFailed: there is none; the message says what to install.
    """
    for command in ENGINES:
        if shutil.which(command) and _works(command):
            return Engine(command)
    raise ImageFailed(
        "The image needs docker, podman or buildah, and none of them works here: install one (Debian, Ubuntu: "
        "sudo apt install podman), or start Docker if it is installed."
    )


def _works(command: str) -> bool:
    # The client of Docker may be there without its server: `info` asks the server.
    try:
        done = subprocess.run([command, "info"], capture_output=True, timeout=SECONDS_FOR_INFO, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def check(engine: Engine, image: str, server: Server) -> None:
    """Start a server from the image, wait until it answers, and stop it.

    Raises:
        ImageFailed: it runs as root, or answers with an error.
        ChildFailed: it ended, or does not answer in time.
    """
    port = _free_port()
    with engine.container(image, f"store-image-check-{server.name}-{os.getpid()}") as name:
        user = _output(engine.run(image, name, {}, ["id", "-u"], port))
        if user == "0":
            raise ImageFailed("The image runs as root: it must have a user of its own.")
        child = Child(
            server.name,
            engine.run(image, name, _settings(engine, server, port), server.command, port),
            env=os.environ,
            log=LOGS / f"image-{server.name}.log",
            cwd=ROOT,
        )
        child.log.unlink(missing_ok=True)
        begin = time.monotonic()
        try:
            child.start().wait_until_answers(f"http://127.0.0.1:{port}{server.path}", SECONDS_TO_START)
            seconds = time.monotonic() - begin
            status, body = _get(port, server.path)
        finally:
            child.stop()
    if status != http.HTTPStatus.OK:
        raise ImageFailed(f"The {server.name} in the image answers {server.path} with {status}: {body[:300]}")
    said = f" {body}" if len(body) < 100 else ""
    print(f"The {server.name} runs as user {user}: {server.path} answered {status}{said} after {seconds:.1f} s.")


def _settings(engine: Engine, server: Server, port: int) -> dict[str, str]:
    return {
        "XSOLLA_WEBHOOK_SECRET": secrets.token_hex(16),
        "XSOLLA_API_KEY": secrets.token_hex(16),
        "XSOLLA_PROJECT_ID": "1",
        "XSOLLA_MERCHANT_ID": "1",
        # With Buildah the server listens on this machine itself.
        server.host_setting: "127.0.0.1" if engine.is_buildah else "0.0.0.0",  # noqa: S104 - inside a container
        server.port_setting: str(port),
    }


def _get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace").strip()


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise ImageFailed(f"`{shlex.join(command)}` failed: {done.stderr.strip()}")
    return done.stdout.strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> int:
    """Build and check the image; return the exit code."""
    image = os.environ.get("IMAGE") or "digital-game-store"
    begin = time.monotonic()
    try:
        engine = find_engine()
        print(f"Building {image} with {engine.command} ...", flush=True)
        engine.build(image, shlex.split(os.environ.get("IMAGE_BUILD_ARGS", "")))
        print(f"Built in {time.monotonic() - begin:.0f} s.", flush=True)
        for server in (STORE, SIMULATOR):
            check(engine, image, server)
    except (ImageFailed, ChildFailed) as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    # Leave through the `finally` blocks, which stop what was started.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))
    sys.exit(main())
