"""What the build leaves out of Reflex's pages, and when their scripts start.

Each change fails the build when the generated files no longer look as it expects: half a change would break pages.
"""

import json
import re
from pathlib import Path

ROOT_SCRIPT = "app/root.jsx"
VITE_CONFIG = "vite.config.js"
# Packages that the store's pages import but do not need, and what stands for each: the components have classes and
# no styles of their own, no State is kept in a cookie, and no page uploads a file.
REPLACED = {
    "@emotion/react": (
        Path("utils/plain_jsx.js"),
        'export { createElement as jsx, Fragment } from "react";\n',
    ),
    "universal-cookie": (
        Path("utils/no_cookies.js"),
        "export default class { get() {} set() {} remove() {} }\n",
    ),
    "mergician": (
        # Merges the styles of other packages' components into ours: there are none.
        Path("utils/plain_merge.js"),
        "export const mergician = (...objects) => Object.assign({}, ...objects);\n",
    ),
    "$/utils/helpers/upload": (
        Path("utils/no_upload.js"),
        'export const uploadFiles = () => { throw new Error("No page uploads files."); };\n',
    ),
}
# Reflex connects by websocket only.
_WEBSOCKET_ONLY = r"""{
      name: "websocket-only", enforce: "pre", load(id) {
        if (/engine\.io-client\/build\/esm\/transports\/index\.js$/.test(id))
          return 'import { WS } from "./websocket.js"; export const transports = { websocket: WS };';
      },
    },"""
_EMOTION_PROPERTY = re.compile(r"\bcss:")


class PagesChanged(RuntimeError):
    """Reflex generates other files than those that we change."""

    def __init__(self, file: str) -> None:
        super().__init__(f"Reflex's {file} has changed: adapt scripts/lighter_pages.py to it.")


def without_window(root: str) -> str:
    """Return the root component without what only components made at run time need: it keeps every export."""
    root, effects = re.subn(
        r"  useEffect\(\(\) => \{\s*// Make contexts.*?\}, \[\]\);\n", "", root, flags=re.DOTALL
    )
    root, imports = re.subn(r'import \* as \w+ from "[^"]+";\n', "", root)
    if effects != 1 or imports < 2:
        raise PagesChanged(ROOT_SCRIPT)
    return root


def lighter_bundle(config: str) -> str:
    """Return Vite's configuration without CSS in JavaScript, and without transports that are not used."""
    if config.count("alias: [\n") != 1 or config.count("  plugins: [\n") != 1:
        raise PagesChanged(VITE_CONFIG)
    aliases = "".join(
        f'      {{ find: "{package}", replacement: fileURLToPath(new URL("./{file}", import.meta.url)) }},\n'
        for package, (file, _script) in REPLACED.items()
    )
    config = config.replace("alias: [\n", f"alias: [\n{aliases}")
    return config.replace("  plugins: [\n", f"  plugins: [\n    {_WEBSOCKET_ONLY}\n")


def refuse_styles(folder: Path) -> None:
    """Make sure that no compiled component has a style of its own: without `@emotion/react` it would be lost.

    Raises:
        RuntimeError: one has; the message names its file.
    """
    for pattern in ("app/**/*.jsx", "app_components/**/*.jsx"):
        for file in folder.glob(pattern):
            if _EMOTION_PROPERTY.search(file.read_text(encoding="utf-8")):
                raise RuntimeError(
                    f"A component in {file.name} has a style (style=, color=, _hover= ...): use a class instead."
                )


def after_first_paint(page: str) -> str:
    """Return a page whose scripts are loaded once its own content is on the screen.

    Raises:
        PagesChanged: it is not as we know it.
    """
    preloaded = re.findall('<link rel="modulepreload" href="([^"]+)"/>', page)
    script = re.search('<script type="module" async="">(.*?)</script>', page, re.DOTALL)
    parts = script and re.fullmatch(
        r'import "(?P<manifest>[^"]+)";\s*(?P<routes>(?:import \* as \w+ from "[^"]+";\s*)+)(?P<rest>.*)',
        script[1],
        re.DOTALL,
    )
    if not preloaded or script is None or parts is None:
        raise PagesChanged("page (its module script)")
    routes = re.findall(r'import \* as (\w+) from "([^"]+)"', parts["routes"])
    names = ", ".join(name for name, _ in routes)
    modules = ", ".join(f"import({json.dumps(address)})" for _, address in routes)
    start = f"""const start = async () => {{
  for (const href of {json.dumps(preloaded)}) {{
    document.head.append(Object.assign(document.createElement("link"), {{ rel: "modulepreload", href }}));
  }}
  await import({json.dumps(parts["manifest"])});
  const [{names}] = await Promise.all([{modules}]);
  {parts["rest"].strip()}
}};
// A tab in the background paints nothing.
document.hidden ? start() : requestAnimationFrame(() => setTimeout(start));
"""
    page = re.sub('<link rel="modulepreload" href="[^"]+"/>', "", page)
    return page.replace(script[0], f'<script type="module" async="">{start}</script>', 1)
