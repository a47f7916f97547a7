"""The store as its users reach it: a process with its own database, port and secrets."""

import atexit
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from store_app.settings import Settings
from tests.support.ports import free_port
from tests.support.processes import ROOT, Child, ChildFailed, show_log

SECONDS_TO_START = 60
LIMITS = [name.upper() for name in Settings.model_fields if name.startswith("limit_")]
# Variables of the developer's environment with these prefixes must not reach the store under test.
SETTING_PREFIXES = (
    "XSOLLA_",
    "SIMULATOR_",
    "REFLEX_",
    "GRANIAN_",
    "REDIS_",
    "DATABASE_",
    "LANGUAGES",
    "SELLER",
    "STORE_",
    "LOG_",
    "MAX_",
    "LIMIT_",
)


class StoreProcess:
    """A store, and optionally a simulator; a context manager that always stops both.

    Args:
        env: settings that override the defaults of tests.
        simulator: also start the payment simulator.
        database_url: a PostgreSQL database (see `fresh_database`); by default SQLite in `data_dir`.
        redis_url: a Redis server; with it the store runs several workers.
        workers: the number of workers, with Redis.
        samples: load the sample items.
        data_dir: the folder of its files; by default a temporary one, removed at the end.
        port, simulator_port: by default free ones.
        root: the project to run, with its own `.venv` if it has one; by default this one.
    """

    def __init__(
        self,
        *,
        env: Mapping[str, str] | None = None,
        simulator: bool = False,
        database_url: str | None = None,
        redis_url: str = "",
        workers: int | None = None,
        samples: bool = True,
        data_dir: Path | None = None,
        port: int | None = None,
        simulator_port: int | None = None,
        root: Path = ROOT,
    ) -> None:
        self.root = root
        own_python = root / ".venv/bin/python"
        self._python = str(own_python) if own_python.exists() else sys.executable
        self._own_folder = data_dir is None
        self.data_dir = data_dir or Path(tempfile.mkdtemp(prefix="store-"))
        self.port = port or free_port()
        self.url = f"http://localhost:{self.port}"
        self.simulator_port = simulator_port or free_port()
        self.simulator_url = f"http://localhost:{self.simulator_port}"
        self.database_url = database_url or _sqlite(self.data_dir)
        self.samples = samples
        self.log_path = self.data_dir / "store.log"
        self.simulator_log_path = self.data_dir / "simulator.log"
        self.env = _clean(os.environ) | self._settings(redis_url, workers) | dict(env or {})
        self.store = self._child("store", "store_app", self.log_path, "serve")
        self.simulator: Child | None = None
        if simulator:
            self.simulator = self._child("simulator", "simulator", self.simulator_log_path, "serve")

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.show_logs()
        self.close()

    def start(self) -> Self:
        """Migrate, load the samples, start, and wait until everything responds."""
        self.prepare()
        if self.simulator is not None:
            self.simulator.start()
        self.start_store()
        if self.simulator is not None:
            self.simulator.wait_until_answers(self.simulator_url, SECONDS_TO_START)
        return self

    def prepare(self) -> None:
        """Migrate the database and load the samples, or copy what another store of these tests did."""
        is_new = self.database_url == _sqlite(self.data_dir) and not (self.data_dir / "store.db").exists()
        if is_new and self.samples and self.root == ROOT:
            shutil.copytree(_prepared_folder(), self.data_dir, dirs_exist_ok=True)
        else:
            self.migrate()

    def migrate(self) -> None:
        """Migrate the database and load the samples."""
        self.run("alembic", "upgrade", "head")
        if self.samples:
            self.run("store_app", "items", "samples")

    def start_store(self) -> None:
        """Start the store's process and wait until it responds."""
        try:
            self.store.start().wait_until_answers(f"{self.url}/livez", SECONDS_TO_START)
        except ChildFailed:
            show_log(self.store)
            raise

    def stop(self) -> None:
        """Stop the store as a deployment does."""
        self.store.stop()

    def restart(self) -> None:
        """Stop the store as a deployment does, and start it again."""
        self.stop()
        self.start_store()

    def kill(self) -> None:
        """Kill the store with all its workers at once (SIGKILL), as a power failure would."""
        self.store.kill()

    def worker_pids(self) -> list[int]:
        """Return the process ids of the workers (Linux only)."""
        pid = self.store.pid
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        return [int(child) for child in text.split()]

    def kill_worker(self) -> int:
        """Kill one worker (SIGKILL) and return its process id."""
        pid = self.worker_pids()[0]
        os.kill(pid, signal.SIGKILL)
        return pid

    def run(self, module: str, *arguments: str) -> str:
        """Run `python -m module` with the store's settings and return what it printed."""
        done = subprocess.run(
            [self._python, "-m", module, *arguments],
            cwd=self.root,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ChildFailed(f"{module} failed ({done.returncode}):\n{done.stdout}{done.stderr}")
        return done.stdout

    def log(self) -> str:
        """Return everything the store has logged."""
        return self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""

    def show_logs(self) -> None:
        """Print the ends of the logs, where pytest shows them beside a failure."""
        show_log(self.store)
        if self.simulator is not None:
            show_log(self.simulator)

    def close(self) -> None:
        """Stop everything and remove the temporary folder."""
        self.store.stop()
        if self.simulator is not None:
            self.simulator.stop()
        if self._own_folder:
            shutil.rmtree(self.data_dir, ignore_errors=True)

    def _settings(self, redis_url: str, workers: int | None) -> dict[str, str]:
        # Every setting is given, so that none is read from a developer's .env.
        return {
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "WORKERS": str(workers) if workers else "",
            "PUBLIC_URL": self.url,
            "ENVIRONMENT": "development",
            "DATABASE_URL": self.database_url,
            "REDIS_URL": redis_url,
            "XSOLLA_WEBHOOK_SECRET": secrets.token_urlsafe(24),
            "XSOLLA_API_KEY": secrets.token_urlsafe(24),
            "XSOLLA_PROJECT_ID": "236932",
            "XSOLLA_MERCHANT_ID": "121326",
            "XSOLLA_SANDBOX": "true",
            "XSOLLA_TOKEN": "catalogue",
            "XSOLLA_STORE_API_URL": self.simulator_url,
            "XSOLLA_MERCHANT_API_URL": self.simulator_url,
            "XSOLLA_PAYSTATION_URL": self.simulator_url,
            "LANGUAGES": "en,de",
            "SELLER": "Northlight Games, 1 Harbor Street, Portland",
            "ORDER_EXPIRES_MINUTES": "1440",
            "TRUSTED_PROXIES": "",
            # Everything in a test comes from one address.
            **dict.fromkeys(LIMITS, ""),
            # Names differ from test to test. A window that ends during a test would let one more try through.
            "LIMIT_SIGN_INS_PER_NAME": "10/day",
            "LIMIT_PAYMENT_CHECKS": "1/hour",
            "MAX_SOCKETS_PER_ADDRESS": "0",
            "MAX_SOCKETS_PER_USER": "0",
            "MAX_OPEN_ORDERS": "100",
            "WEBHOOK_ALLOWED_NETWORKS": "",
            "OPEN_DOCS": "false",
            "METRICS_TOKEN": "",
            "LOG_LEVEL": "INFO",
            "LOG_FORMAT": "text",
            "SIMULATOR_HOST": "127.0.0.1",
            "SIMULATOR_PORT": str(self.simulator_port),
            "SIMULATOR_STORE_URL": self.url,
        }

    def _child(self, name: str, module: str, log: Path, *arguments: str) -> Child:
        return Child(name, [self._python, "-m", module, *arguments], env=self.env, log=log, cwd=self.root)


def _sqlite(folder: Path) -> str:
    return f"sqlite:///{folder / 'store.db'}"


@cache
def _prepared_folder() -> Path:
    """Return the folder of a store that has never run: its database is migrated and has the samples."""
    folder = Path(tempfile.mkdtemp(prefix="store-prepared-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    StoreProcess(data_dir=folder).migrate()
    return folder


def _clean(environ: Mapping[str, str]) -> dict[str, str]:
    env = {name: value for name, value in environ.items() if not name.startswith(SETTING_PREFIXES)}
    hosts = [env[name] for name in ("NO_PROXY", "no_proxy") if env.get(name)]
    env["NO_PROXY"] = env["no_proxy"] = ",".join([*hosts, "localhost", "127.0.0.1"])
    return env
