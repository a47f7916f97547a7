"""The browser of the end-to-end tests and how it is started."""

from pathlib import Path
from typing import Any

from scripts.chromium import find

ARGUMENTS = (
    "--no-sandbox",  # the tests may run as root, where Chromium's sandbox does not work
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> Path | None:
    """Return a Chromium that starts, if there is one."""
    return find()


def launch_options() -> dict[str, Any]:
    """Return the keyword arguments for Playwright's `chromium.launch`."""
    path = find_chromium()
    if path is None:
        raise RuntimeError("There is no Chromium: `make e2e` installs one or says how.")
    return {"executable_path": str(path), "args": list(ARGUMENTS), "headless": True}
