"""The store as it runs for users: what `python -m store_app serve` does (make run, the container, the tests).

One port serves pages, API and websockets. The application is imported here once and the workers are forked
from this process, so that they start fast and share its memory.
"""

import gc
import importlib
import logging
import multiprocessing
import os
import resource
import socket
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server import MPServer
from reflex_base.constants import Env
from reflex_base.environment import environment

from store_app.logs import GRANIAN_LOGGING
from store_app.payments.registry import default_provider
from store_app.settings import BadSettings, get_settings

MODULE = "store_app.store_app"
PAGES = Path(".web/build/client/index.html")
MIN_WORKERS, MAX_DEFAULT_WORKERS = 3, 5
# A worker that was asked to end has this long to finish what it does.
SECONDS_TO_DRAIN = 10
# Connections waiting to be accepted, and open ones in a worker. A browser keeps several open while it does
# nothing, and those count: Granian's default (backlog / workers) would have new connections wait for old ones.
WAITING_CONNECTIONS = 2_048
OPEN_CONNECTIONS = 10_000


@dataclass(frozen=True)
class Bind:
    """Where to listen, with how many workers."""

    host: str
    port: int
    workers: int

    @classmethod
    def read(cls, environ: Mapping[str, str], *, several_workers: bool) -> Self:
        """Read HOST, PORT and WORKERS.

        Raises:
            BadSettings: one of them is not possible; the message says which.
        """
        port = _number(environ, "PORT", 8000, most=65_535)
        usual = max(MIN_WORKERS, min(2 * (os.cpu_count() or 1) + 1, MAX_DEFAULT_WORKERS))
        workers = _number(environ, "WORKERS", usual if several_workers else 1, most=64)
        if workers > 1 and not several_workers:
            raise BadSettings("WORKERS above 1 needs REDIS_URL: else each worker would keep its own state")
        return cls(environ.get("HOST") or "127.0.0.1", port, workers)


def main() -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    try:
        bind = Bind.read(os.environ, several_workers=bool(get_settings().redis_url))
        default_provider()
        _refuse_busy_port(bind)
    except BadSettings as problem:
        print(f"The store cannot start: {problem}", file=sys.stderr)
        return 1
    run(bind)
    return 0


def run(bind: Bind) -> None:
    """Serve until SIGINT or SIGTERM."""
    _allow_many_sockets()
    _configure_reflex()
    _import_before_forking()
    _server(bind).serve()


def _allow_many_sockets() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * OPEN_CONNECTIONS if hard == resource.RLIM_INFINITY else min(2 * OPEN_CONNECTIONS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _configure_reflex() -> None:
    built = PAGES.exists()
    environment.REFLEX_ENV_MODE.set(Env.PROD)
    environment.REFLEX_SKIP_COMPILE.set(True)
    environment.REFLEX_MOUNT_FRONTEND_COMPILED_APP.set(built)
    environment.REFLEX_BACKEND_ONLY.set(not built)
    environment.REFLEX_USE_NPM.set(True)
    os.environ["REFLEX_TELEMETRY_ENABLED"] = "false"


def _import_before_forking() -> None:
    if multiprocessing.get_start_method() not in {"fork", "forkserver"}:
        return  # where the platform does not fork, each worker imports for itself
    multiprocessing.set_start_method("fork", force=True)
    importlib.import_module(MODULE)
    if threading.active_count() > 1:
        # A lock that another thread holds now would stay locked in the workers forever.
        multiprocessing.set_start_method("spawn", force=True)
        return
    # The collector must not touch the shared pages, or each worker would get its own copy of them.
    gc.collect()
    gc.freeze()


def _server(bind: Bind) -> MPServer:
    server = MPServer(
        f"{MODULE}:app",
        factory=True,
        interface=Interfaces.ASGI,
        address=bind.host,
        port=bind.port,
        workers=bind.workers,
        workers_kill_timeout=SECONDS_TO_DRAIN,
        respawn_failed_workers=True,
        # Only a proxy would use HTTP/2 without TLS; for others it is a way past limits of connections.
        http=HTTPModes.http1,
        backlog=WAITING_CONNECTIONS,
        backpressure=OPEN_CONNECTIONS,
        websockets=True,
        log_level=LogLevels.warning,
        log_dictconfig=GRANIAN_LOGGING,
        log_access=False,
    )
    # Few cores and several workers are what we want: a worker that waits for the database frees its core.
    logging.getLogger("_granian").addFilter(lambda record: "CPU cores" not in record.getMessage())
    return server


def _refuse_busy_port(bind: Bind) -> None:
    family = socket.AF_INET6 if ":" in bind.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind.host, bind.port))
        except OSError as error:
            raise BadSettings(f"it cannot listen on {bind.host}:{bind.port} ({error.strerror})") from None


def _number(environ: Mapping[str, str], name: str, default: int, *, most: int) -> int:
    text = environ.get(name, "")
    if not text:
        return default
    if not (text.isdecimal() and 1 <= int(text) <= most):
        raise BadSettings(f"{name} must be a number from 1 to {most}, not {text!r}")
    return int(text)
