"""Child processes: each runs in its own process group and is stopped with everything that it started."""

import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import weakref
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import IO, Self

# A log larger than this is put aside; the newest ones are kept.
MAX_LOG_BYTES = 10 * 1024 * 1024
OLD_LOGS = 3
# Requests to our own servers must not go through a proxy that the environment names.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


# All are stopped when this process ends, even if the code that started one did not stop it.
_running: weakref.WeakSet["Child"] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    for child in list(_running):
        child.stop(grace=5)


class ChildFailed(Exception):
    """A child process ended, or did not answer in time; the message holds its name and its last lines."""


class Child:
    """One process with its own group and its own log file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        cwd: Path,
        echo: bool = False,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.env = dict(env)
        self.log = log
        self.cwd = cwd
        self.echo = echo
        self.process: subprocess.Popen[bytes] | None = None
        self._begin = 0

    def start(self) -> Self:
        """Start the process; what it prints goes to the log (and, with `echo`, to the terminal)."""
        # For this account alone: a log has names and addresses of users.
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.log.touch(mode=0o600)
        self.log.chmod(0o600)
        with self.log.open("ab") as log:
            self._begin = log.tell()
            self.process = self._open(log)
        _running.add(self)
        if self.echo:
            self.follow()
        return self

    def _open(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command,
            cwd=self.cwd,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def follow(self) -> None:
        """Print to the terminal what the process has printed since its start, and goes on to print."""
        threading.Thread(target=self._echo, args=(self._begin,), daemon=True).start()

    def output(self) -> str:
        """Return everything that it has printed since its start."""
        with self.log.open("rb") as log:
            log.seek(self._begin)
            return log.read().decode("utf-8", "replace")

    @property
    def pid(self) -> int:
        """Return the process id (which is also the group's)."""
        if self.process is None:
            raise ChildFailed(f"{self.name} was not started.")
        return self.process.pid

    def exit_code(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self.process.poll() if self.process else None

    def wait(self) -> int:
        """Wait for the end and return the exit code."""
        if self.process is None:
            raise ChildFailed(f"{self.name} was not started.")
        code = self.process.wait()
        self._kill_group()
        return code

    def wait_until_answers(self, url: str, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Wait until a GET of `url` is answered, whatever the answer below 500.

        Raises:
            ChildFailed: the process ended, or did not answer in time.
        """
        deadline = time.monotonic() + seconds
        while not answers(url):
            self.raise_if_ended()
            meanwhile()
            if time.monotonic() > deadline:
                raise ChildFailed(f"No answer from the {self.name} at {url} after {seconds:.0f} s.\n{self.tail()}")
            time.sleep(0.05)

    def raise_if_ended(self) -> None:
        """Raise ChildFailed when the process has ended."""
        code = self.exit_code()
        if code is not None:
            raise ChildFailed(f"The {self.name} ended with code {code}. Its last lines:\n{self.tail()}")

    def stop(self, grace: float = 15) -> None:
        """Send SIGTERM; after `grace` seconds kill the process. Then kill what is left of its group."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(grace)
        self._kill_group()
        self.process.wait()

    def kill(self) -> None:
        """Kill the process and everything that it started."""
        if self.process is not None:
            self._kill_group()
            self.process.wait()

    def tail(self, lines: int = 25) -> str:
        """Return the last lines of its log."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _rotate_log(self, log: IO[bytes]) -> bytes:
        """Copy a large log away and empty it: the process goes on to write to the same open file.

        Returns what the process has written meanwhile, after the position of `log`.
        """
        old = [self.log.with_name(f"{self.log.name}.{number}") for number in range(1, OLD_LOGS + 1)]
        for newer, older in reversed(list(pairwise(old))):
            if newer.exists():
                newer.replace(older)
        position = log.tell()
        old[0].touch(mode=0o600)
        with old[0].open("wb") as copy:
            log.seek(0)
            shutil.copyfileobj(log, copy)
            while late := log.read():
                copy.write(late)
            # Opened for appending, so the next line of the process goes to the new end.
            os.truncate(self.log, 0)
        log.seek(0)
        self._begin = 0
        with old[0].open("rb") as copy:
            copy.seek(position)
            return copy.read()

    def _echo(self, position: int) -> None:
        process, rest = self.process, b""
        with self.log.open("rb") as log:
            log.seek(position)
            while True:
                ended = process is None or process.poll() is not None
                rest = self._print_lines(rest + log.read())
                if ended:
                    return
                if log.tell() > MAX_LOG_BYTES:
                    rest = self._print_lines(rest + self._rotate_log(log))
                time.sleep(0.1)

    def _print_lines(self, text: bytes) -> bytes:
        """Print the whole lines of a text, and return its beginning of another one."""
        *lines, rest = text.split(b"\n")
        for line in lines:
            print(f"{self.name:>9} | {line.decode('utf-8', 'replace')}", file=sys.stderr, flush=True)
        return rest


class LineServer(Child):
    """A process that answers a line of its standard input with a line of its standard output."""

    def ask(self, request: str) -> str:
        """Send a line and return the answer to it.

        Raises:
            ChildFailed: the process ended instead.
        """
        self.tell(request)
        answer = self._pipes()[1].readline()
        if not answer:
            self.wait()
            self.raise_if_ended()
        return answer.decode("utf-8")

    def tell(self, request: str) -> None:
        """Send a line that has no answer."""
        pipe = self._pipes()[0]
        with contextlib.suppress(BrokenPipeError):  # the process has ended; `wait_until_answers` says so
            pipe.write(f"{request}\n".encode())
            pipe.flush()

    def _open(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command,
            cwd=self.cwd,
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        if self.process is None or self.process.stdin is None or self.process.stdout is None:
            raise ChildFailed(f"{self.name} was not started.")
        return self.process.stdin, self.process.stdout

    def _kill_group(self) -> None:
        super()._kill_group()
        for pipe in self._pipes():
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def answers(url: str) -> bool:
    """Tell whether a GET of `url` is answered with anything below 500."""
    try:
        with _opener.open(url, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except (OSError, ValueError):
        return False


def port_is_busy(host: str, port: int) -> bool:
    """Tell whether a process already listens on this port."""
    for address in {host, "127.0.0.1", "::1"}:
        try:
            with socket.create_connection((address, port), timeout=1):
                return True
        except OSError:
            continue
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do: connections in TIME_WAIT do not keep them from binding.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False
