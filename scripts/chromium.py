"""Find Chromium for the end-to-end tests, or install it where that is possible."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class Missing(Exception):
    """There is no Chromium; the message says how to get one."""


def find() -> Path | None:
    """Return a Chromium that starts: CHROMIUM, one on PATH, or Playwright's own."""
    named = os.environ.get("CHROMIUM")
    if named:
        return _if_it_starts(shutil.which(named))
    for name in NAMES:
        found = _if_it_starts(shutil.which(name))
        if found:
            return found
    return _if_it_starts(_from_playwright())


def provide() -> Path:
    """Return a Chromium, installing one when there is none.

    Raises:
        Missing: there is none and it cannot be installed here.
    """
    found = find()
    if found:
        return found
    if os.environ.get("CHROMIUM"):
        raise Missing(f"CHROMIUM={os.environ['CHROMIUM']} does not start: name one that does, or unset it.")
    print("No Chromium here: installing one ...", flush=True)
    for command in _ways_to_install():
        subprocess.call(command, stdin=subprocess.DEVNULL)
        found = find()
        if found:
            return found
    raise Missing(
        "The browser tests need Chromium: install it (Debian: sudo apt install chromium; elsewhere: "
        ".venv/bin/playwright install --with-deps chromium), or set CHROMIUM to where it is."
    )


def _ways_to_install() -> list[list[str]]:
    playwright = [sys.executable, "-m", "playwright", "install"]
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return [[*playwright, "chromium"]]
    ways = [[*playwright, "--with-deps", "chromium"]]
    if shutil.which("apt-get"):
        apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
        debian = [[*apt, "update", "-q"], [*apt, "install", "-y", "-q", "chromium"]]
        # Debian's package includes every library; on Ubuntu the package of that name only installs a snap.
        ways = [*debian, *ways] if _is_debian() else [*ways, *debian]
    return ways


def _is_debian() -> bool:
    try:
        return "\nID=debian" in "\n" + Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return False


def _from_playwright() -> str | None:
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only installed for development
    except ImportError:
        return None
    with sync_playwright() as playwright:
        return shutil.which(playwright.chromium.executable_path)


def _if_it_starts(path: str | None) -> Path | None:
    if not path:
        return None
    try:
        done = subprocess.run([path, "--version"], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Path(path) if done.returncode == 0 else None
