"""The changes that the build makes to Reflex's page script, and the id of each build.

Reflex writes the store's port into the pages when it builds them. Ours are built once and served on any port,
behind any proxy, so the browser takes host and port from the page's own address.

Every page carries the id of its build, and `/build.json` says which build the server has now. The page asks when
its event socket connects, and reloads when the two differ (build_id.js says when).
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from reflex_base import constants
from reflex_base.plugins import Plugin

from scripts import lighter_pages
from store_app.brand import get_brand
from store_app.languages import ENGLISH, known

STATE_SCRIPT = Path("utils/state.js")
BUILD_SCRIPT = Path("utils/build_id.js")
ACTIVITY_SCRIPT = Path("utils/activity.js")
COVERS_SCRIPT = Path(__file__).with_name("covers_nearby.js")
BUILD_FILE = "build.json"
PARTS_FILE = "parts.json"
THEME = "styles/theme.css"
ROUTER_CONFIG = "react-router.config.js"
PRERENDER_ALL = '"prerender": true'
# Language -> its folder among the built pages.
FOLDERS = {language: "" if language == ENGLISH else f"{language}/" for language in known()}
_ITEM_PAGES = ", ".join(f'"/{folder}item/_"' for folder in FOLDERS.values())
PRERENDER_ITEM_TOO = f'"prerender": ({{getStaticPaths}}) => [...getStaticPaths(), {_ITEM_PAGES}]'
# They have their content before any script runs.
SERVED_PAGES = tuple(
    f"{folder}{page}" for folder in FOLDERS.values() for page in ("index.html", "item/_.html", "item/_/index.html")
)
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
        'import { eventAnswered, eventSent, focusHeading, searchOf, showNewVersion } from "$/utils/activity";\n'
    ),
    "    setConnectErrors([]);\n": "    setConnectErrors([]);\n    checkBuild();\n",
    "    setConnectErrors((connectErrors) => [...connectErrors.slice(-9), error]);\n": (
        "    setConnectErrors((connectErrors) => [...connectErrors.slice(-9), error]);\n    connectionFailed();\n"
    ),
    # A page of an older build does not navigate itself: it has the browser load the target.
    "    addEvents(app.onLoadInternalEvent());\n": (
        "    if (reloadInstead()) return;\n    addEvents(app.onLoadInternalEvent());\n    focusHeading();\n"
    ),
    # Remove what the payment provider added to the address, once State knows it.
    '    const search = liveLoc.search ?? "";\n': "    const search = searchOf(liveLoc);\n",
    # Show what waits for the server.
    '    socket.emit("event", encodeFormDataArgs(routed_event));\n': (
        '    socket.emit("event", encodeFormDataArgs(routed_event));\n    eventSent();\n'
    ),
    '  socket.current.on("event", (update) => {\n': (
        '  socket.current.on("event", (update) => {\n    eventAnswered();\n'
    ),
    # Reflex reloads at once when the States changed, and a half-filled form would be lost: offer it instead.
    "socket.current.on(STATE_MISMATCH_EVENT, handleStateMismatch);": (
        "socket.current.on(STATE_MISMATCH_EVENT, showNewVersion);"
    ),
}


class PageScriptPlugin(Plugin):
    """Changes the page's script and marks the build (given to Reflex by REFLEX_EXTRA_PLUGINS)."""

    def get_static_assets(self, **_context: Any) -> Sequence[tuple[Path, str | bytes]]:
        """Return the scripts, to be written over Reflex's own."""
        original = constants.Templates.Dirs.WEB_TEMPLATE / STATE_SCRIPT
        ours = [(path, Path(__file__).with_name(path.name)) for path in (BUILD_SCRIPT, ACTIVITY_SCRIPT)]
        return [
            (STATE_SCRIPT, change(original.read_text(encoding="utf-8"))),
            *((path, source.read_text(encoding="utf-8")) for path, source in ours),
            *lighter_pages.REPLACED.values(),
        ]

    def pre_compile(self, **context: Any) -> None:
        """Have the page of an item built too, for an address that stands for all of them, and smaller scripts."""
        change_file = context["add_modify_task"]
        change_file(ROUTER_CONFIG, with_item_page)
        change_file(lighter_pages.ROOT_SCRIPT, lighter_pages.without_window)
        change_file(lighter_pages.VITE_CONFIG, lighter_pages.lighter_bundle)
        change_file(THEME, with_brand)

    def post_build(self, **context: Any) -> None:
        """Take the parts away, have scripts wait for the served content, and mark the pages that were built."""
        folder = context["static_dir"]
        lighter_pages.refuse_styles(folder.parent.parent)
        finish(folder)
        for page in (folder / name for name in SERVED_PAGES):
            page.write_text(lighter_pages.after_first_paint(page.read_text(encoding="utf-8")), encoding="utf-8")
        mark_build(folder)


def with_item_page(config: str) -> str:
    """Return React Router's configuration with one more page to build.

    Raises:
        RuntimeError: it is not as we know it.
    """
    if config.count(PRERENDER_ALL) != 1:
        raise RuntimeError(f"Reflex's {ROUTER_CONFIG} has changed: adapt scripts/page_script.py to it.")
    return config.replace(PRERENDER_ALL, PRERENDER_ITEM_TOO)


def finish(folder: Path) -> None:
    """Do to the pages that were built what Reflex does not: parts, languages, brand, and the script for covers."""
    cut_parts(folder)
    name_languages(folder)
    put_brand(folder)
    put_in_head(folder)


class _Parts(HTMLParser):
    """Finds the HTML inside the elements that have `data-part`."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=False)
        self._lines = [0]
        for line in text.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self._depth, self._name, self._begin = 0, "", 0
        self._text = text
        self.found: dict[str, str] = {}
        self.feed(text)

    def _position(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "div":
            return
        if self._name:
            self._depth += 1
        elif name := dict(attrs).get("data-part"):
            self._name, self._depth = name, 1
            self._begin = self._position() + len(self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "div" and self._name:
            self._depth -= 1
            if not self._depth:
                self.found[self._name] = self._text[self._begin : self._position()]
                self._name = ""


def cut_parts(folder: Path) -> None:
    """Keep the HTML of the parts beside the pages, and remove their page.

    Raises:
        RuntimeError: the build has no such page.
    """
    found = {language: _cut_parts(folder / name) for language, name in FOLDERS.items()}
    (folder.parent / PARTS_FILE).write_text(json.dumps(found), encoding="utf-8")


def _cut_parts(folder: Path) -> dict[str, str]:
    page = next((found for found in (folder / "parts.html", folder / "parts/index.html") if found.exists()), None)
    if page is None:
        raise RuntimeError("The pages were built without their parts: adapt scripts/page_script.py.")
    found = _Parts(page.read_text(encoding="utf-8")).found
    for path in folder.glob("parts.html*"):
        path.unlink()
    shutil.rmtree(folder / "parts", ignore_errors=True)
    return found


def name_languages(folder: Path) -> None:
    """Write the language of each page into its HTML: Reflex gives all pages the same one."""
    for language in FOLDERS.keys() - {ENGLISH}:
        for page in (folder / f"{language}.html", *(folder / language).rglob("*.html")):
            text = page.read_text(encoding="utf-8")
            page.write_text(text.replace('<html lang="en"', f'<html lang="{language}"', 1), encoding="utf-8")


def put_in_head(folder: Path) -> None:
    """Put the script that loads covers into the head of every page, behind what React looks for there."""
    lines = COVERS_SCRIPT.read_text(encoding="utf-8").splitlines()
    script = "\n".join(line.strip() for line in lines if not line.lstrip().startswith("//"))
    for page in folder.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace("</head>", f"<script>{script}</script></head>", 1), encoding="utf-8")


def put_brand(folder: Path) -> None:
    """Put the brand's logo and colors in place of the store's own."""
    # `make dev` builds the pages many times in one process.
    get_brand.cache_clear()
    brand = get_brand()
    if brand.logo:
        for name in ("logo.svg", "favicon.svg"):
            shutil.copy(brand.logo, folder / name)
    # For plain pages; the others have it in their bundle.
    theme = folder / "theme.css"
    theme.write_text(with_brand(theme.read_text(encoding="utf-8")), encoding="utf-8")


def with_brand(theme: str) -> str:
    """Return the theme followed by the colors of the brand, which override its own."""
    own = get_brand().css
    return theme.removesuffix(own) + own


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
