"""The changes that the build makes to Reflex's page script, and the id of each build.

Reflex writes the store's port into the pages when it builds them. Ours are built once and served on any port,
behind any proxy, so the browser takes host and port from the page's own address.

Every page carries the id of its build, and `/build.json` says which build the server has now. The page asks when
its event socket connects, and reloads when the two differ (build_id.js says when).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reflex_base import constants
from reflex_base.plugins import Plugin

STATE_SCRIPT = Path("utils/state.js")
BUILD_SCRIPT = Path("utils/build_id.js")
BUILD_FILE = "build.json"
# Text in Reflex's script -> its replacement.
CHANGES = {
    # The page's own host with its port, and that port for https too.
    "endpoint.hostname = frontend_hostname;": "endpoint.host = window.location.host;",
    'endpoint.port = "";': "endpoint.port = window.location.port;",
    # Import only the version: the file also holds the time of Reflex's last run, which would make every build
    # differ.
    'import reflexEnvironment from "$/reflex.json";\n': (
        'import { version as reflexVersion } from "$/reflex.json";\n'
        "const reflexEnvironment = { version: reflexVersion };\n"
    ),
    # Ask for the newest build when the event socket connects, and when it cannot.
    'import { app, eventLoop } from "$/utils/context-registry";\n': (
        'import { app, eventLoop } from "$/utils/context-registry";\n'
        'import { checkBuild, connectionFailed, reloadInstead } from "$/utils/build_id";\n'
    ),
    "    setConnectErrors([]);\n": "    setConnectErrors([]);\n    checkBuild();\n",
    "    setConnectErrors((connectErrors) => [...connectErrors.slice(-9), error]);\n": (
        "    setConnectErrors((connectErrors) => [...connectErrors.slice(-9), error]);\n    connectionFailed();\n"
    ),
    # A page of an older build does not navigate itself: it has the browser load the target.
    "    addEvents(app.onLoadInternalEvent());\n": (
        "    if (reloadInstead()) return;\n    addEvents(app.onLoadInternalEvent());\n"
    ),
    # Reflex reloads at once when the States changed, and a half-filled form would be lost: offer it instead.
    "socket.current.on(STATE_MISMATCH_EVENT, handleStateMismatch);": (
        "socket.current.on(STATE_MISMATCH_EVENT, showNewVersionBanner);"
    ),
}


class PageScriptPlugin(Plugin):
    """Changes the page's script and marks the build (given to Reflex by REFLEX_EXTRA_PLUGINS)."""

    def get_static_assets(self, **_context: Any) -> Sequence[tuple[Path, str | bytes]]:
        """Return the scripts, to be written over Reflex's own."""
        original = constants.Templates.Dirs.WEB_TEMPLATE / STATE_SCRIPT
        build_script = Path(__file__).with_name(BUILD_SCRIPT.name)
        return [
            (STATE_SCRIPT, change(original.read_text(encoding="utf-8"))),
            (BUILD_SCRIPT, build_script.read_text(encoding="utf-8")),
        ]

    def post_build(self, **context: Any) -> None:
        """Mark the pages that were built."""
        mark_build(context["static_dir"])


def change(script: str, changes: Mapping[str, str] = CHANGES) -> str:
    """Return Reflex's script with our changes.

    Raises:
        RuntimeError: the script is not as we know it; the pages would not work as they should.
    """
    for original, replacement in changes.items():
        if script.count(original) != 1:
            raise RuntimeError(f"Reflex's {STATE_SCRIPT} has changed: adapt scripts/page_script.py to it.")
        script = script.replace(original, replacement)
    return script


def mark_build(folder: Path, *, reload_at_once: bool = False) -> None:
    """Write the id of this build into every page of it, and into `build.json`.

    Args:
        folder: What was built.
        reload_at_once: Have open tabs reload as soon as they learn of a newer build, not when they navigate.
    """
    build = _hash(folder)
    when = ' data-reload="at-once"' if reload_at_once else ""
    for page in folder.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace("</head>", f'<meta name="build" content="{build}"{when}/></head>', 1))
    (folder / BUILD_FILE).write_text(json.dumps({"build": build}), encoding="utf-8")


def _hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
