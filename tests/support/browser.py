"""The browser of the end-to-end tests, and the options that it is started with."""

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


def launch_options() -> dict[str, Any]:
    """Return the keyword arguments for Playwright's `chromium.launch`."""
    path = find()
    if path is None:
        raise RuntimeError("Chromium is missing: `make e2e` installs it or says how.")
    return {"executable_path": str(path), "args": list(ARGUMENTS), "headless": True}
