"""Pages that talk to the address they came from, whichever it is.

Reflex writes the store's port into the pages when it builds them. Ours are built once and served on any
port, behind any proxy, so the browser takes host and port from the page's own address.
"""

from typing import Unpack

from reflex_base.plugins import Plugin
from reflex_base.plugins.base import PreCompileContext

STATE_SCRIPT = "utils/state.js"
# What Reflex says -> what we say: the page's own host with its port, and that port for https too.
CHANGES = {
    "endpoint.hostname = frontend_hostname;": "endpoint.host = window.location.host;",
    'endpoint.port = "";': "endpoint.port = window.location.port;",
}


class PageScriptPlugin(Plugin):
    """Make the pages connect to their own origin (given to Reflex by REFLEX_EXTRA_PLUGINS)."""

    def pre_compile(self, **context: Unpack[PreCompileContext]) -> None:
        context["add_modify_task"](STATE_SCRIPT, use_page_origin)


def is_applied(script: str) -> bool:
    """Tell whether the script already takes the page's own origin."""
    return all(ours in script for ours in CHANGES.values())


def use_page_origin(script: str) -> str:
    """Return Reflex's script with the page's own host and port in place of the built-in port.

    Raises:
        RuntimeError: the script is not as we know it; the pages would only work on one port.
    """
    if is_applied(script):
        return script
    for theirs, ours in CHANGES.items():
        if script.count(theirs) != 1:
            raise RuntimeError(f"Reflex's {STATE_SCRIPT} has changed: adapt scripts/page_script.py to it.")
        script = script.replace(theirs, ours)
    return script
