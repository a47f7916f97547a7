"""Build the pages, when their sources changed: Python components become static files in `.web/build/client`."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from dotenv import dotenv_values

from scripts import page_script
from scripts.page_script import BUILD_FILE, mark_build
from scripts.processes import Child
from store_app import brand

OUTPUT = Path(".web/build/client")
STAMP = Path(".web/pages.stamp")
LOG = Path("data/logs/pages.log")
SOURCES = (
    "store_app/**/*.py",
    "store_app/locale/*.po",
    "assets/**/*",
    "scripts/page_script.py",
    "scripts/lighter_pages.py",
    "scripts/*.js",
)
SOURCE_FILES = ("rxconfig.py", "requirements.txt", "constraints.txt")
LOCK_FILE = "reflex.lock/package-lock.json"
# npm's codes for a network that does not lead to its registry.
NETWORK_CODES = ("ECONNREFUSED", "ECONNRESET", "EAI_AGAIN", "ENETUNREACH", "ENOTFOUND", "ETIMEDOUT")
MAX_ERROR_LINES = 20
# In .web beside the compiled pages: what is installed and built there, and notes of Reflex and of ours.
NOT_COMPILED = {".react-router", "backend", "build", "lighthouse", "node_modules", "pages.stamp", "reflex.json"}
# Pages are the same for everybody: nothing of this machine's settings may get into them.
SETTINGS_WHILE_BUILDING = {
    "XSOLLA_WEBHOOK_SECRET": "not-used-while-building",
    "XSOLLA_API_KEY": "",
    "XSOLLA_PROJECT_ID": "0",
    "XSOLLA_MERCHANT_ID": "0",
    "PUBLIC_URL": "http://localhost:8000",
    "ENVIRONMENT": "development",
    "DATABASE_URL": "sqlite:///:memory:",
    "REDIS_URL": "",
}


class BuildFailed(Exception):
    """The pages could not be built; the message says why."""


def fingerprint(root: Path) -> str:
    """Return a hash of all sources of the pages."""
    return _hash(root, [*_sources(root), *root.glob(LOCK_FILE)], _brand(root))


def _brand(root: Path) -> str:
    """Return what makes the brand: its settings, and the content of its logo, which may be in any folder."""
    given = {**dotenv_values(root / brand.FILE), **os.environ}
    settings = {name: value or "" for name, value in given.items() if name.startswith(brand.PREFIX)}
    logo = root / settings.get(f"{brand.PREFIX}LOGO", "")
    drawn = hashlib.sha256(logo.read_bytes()).hexdigest() if logo.is_file() else ""
    return json.dumps([settings, drawn], sort_keys=True)


def _hash(root: Path, paths: Iterable[Path], more: str = "") -> str:
    digest = hashlib.sha256(more.encode())
    for path in sorted(paths):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def are_built(root: Path) -> bool:
    """Tell whether the pages are built, from the sources as they are now."""
    try:
        stamp = (root / STAMP).read_text(encoding="ascii")
    except OSError:
        return False
    return (root / OUTPUT / "index.html").exists() and stamp == fingerprint(root)


def build(root: Path, environ: Mapping[str, str] = os.environ) -> bool:
    """Build the pages unless they are built.

    Returns:
        Whether there was anything to build.

    Raises:
        BuildFailed: Reflex could not build them.
    """
    if are_built(root):
        return False
    with _exclusive_lock(root):
        if are_built(root):  # another process built them while we waited
            return False
        before = _hash(root, _sources(root), _brand(root))
        forget(root)
        _export(root, environ)
        # The build may change the lock file. A source that was edited meanwhile requires another build.
        if before == _hash(root, _sources(root), _brand(root)):
            (root / STAMP).write_text(fingerprint(root), encoding="ascii")
    return True


def forget(root: Path) -> None:
    """Have the next `build` build the pages again."""
    (root / STAMP).unlink(missing_ok=True)


def prepare(root: Path) -> None:
    """Have Reflex and npm install what building needs, unless it is there.

    Raises:
        BuildFailed: they could not.
    """
    try:
        installed = json.loads((root / ".web/reflex.json").read_text(encoding="utf-8"))["version"]
    except (OSError, ValueError, KeyError):
        installed = ""
    if installed != version("reflex") or not (root / ".web/node_modules/vite").exists():
        build(root)


def compiled(root: Path) -> str:
    """Return a hash over the compiled pages, what Vite builds from, and the brand that is put on the result."""
    web = root / ".web"
    paths = (path for folder in web.iterdir() if folder.name not in NOT_COMPILED for path in _files(folder))
    return _hash(web, paths, _brand(root))


def finish(root: Path) -> None:
    """Finish Vite's output as `reflex export` does, without compressing it.

    Mark it so that open tabs reload at once.
    """
    client = root / OUTPUT
    for page in client.rglob("*/index.html"):
        shutil.copy(page, page.parent.with_suffix(".html"))
    page_script.finish(client)
    mark_build(client, reload_at_once=True)
    shutil.copy(client / "__spa-fallback.html", client / "404.html")


def _files(path: Path) -> Iterator[Path]:
    yield from (found for found in path.rglob("*") if found.is_file()) if path.is_dir() else [path]


def explain(output: str) -> str:
    """Return why a build failed: npm's own errors where npm failed, else the end of what the build printed."""
    errors = _npm_errors(output)
    if not errors:
        end = "\n".join(output.splitlines()[-60:])
        return f"The pages could not be built. The build said:\n{end}"
    if any(code in line for code in NETWORK_CODES for line in errors):
        reason = "No network: npm cannot reach its registry; connect this machine and run this again."
    else:
        reason = "npm could not install the JavaScript packages that the pages need."
    return "\n".join([reason, *(f"npm error {line}" for line in errors[:MAX_ERROR_LINES])])


def _npm_errors(output: str) -> list[str]:
    # Reflex runs npm with its most verbose log and repeats each line of it: once escaped, once wrapped.
    lines = re.findall(r"npm error (.+?)(?:\\n)?$", output, re.MULTILINE)
    whole = [line for line in dict.fromkeys(lines) if not line.lstrip().startswith("at ")]
    return [line for line in whole if not any(other != line and other.startswith(line) for other in whole)]


def tool_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which Reflex uses our own Node.js, asks nothing and reports nothing."""
    tools = str(Path(sys.executable).parent)
    return dict(environ) | {
        "PATH": os.pathsep.join([tools, environ.get("PATH", os.defpath)]),
        "REFLEX_USE_NPM": "1",
        "REFLEX_TELEMETRY_ENABLED": "false",
        "REFLEX_CHECK_LATEST_VERSION": "false",
        "REFLEX_EXTRA_PLUGINS": "scripts.page_script.PageScriptPlugin",
        "NO_COLOR": "1",
        "CI": "1",
        # Without this npm writes the registry's address of each package that Reflex names, and every build
        # changes the committed lock file.
        "npm_config_omit_lockfile_registry_resolved": "true",
    }


def _export(root: Path, environ: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "reflex", "export", "--frontend-only", "--no-zip"]
    env = tool_environment(environ) | SETTINGS_WHILE_BUILDING
    log = root / LOG
    log.unlink(missing_ok=True)
    child = Child("page build", command, env=env, log=log, cwd=root)
    with _lock_files_restored(root):
        try:
            code = child.start().wait()
        finally:
            child.kill()
        if code or not (root / OUTPUT / "index.html").exists():
            output = log.read_text(encoding="utf-8", errors="replace")
            raise BuildFailed(f"{explain(output)}\n(All that the build said: {LOG})")
    if not (root / OUTPUT / BUILD_FILE).exists():
        raise BuildFailed(f"The pages would work on one port only: Reflex left out our plugin (see {LOG}).")


@contextmanager
def _lock_files_restored(root: Path) -> Iterator[None]:
    """Restore the committed lock files if the build fails or is stopped."""
    before = {path: path.read_bytes() for path in root.glob("reflex.lock/*")}
    try:
        yield
    except BaseException:
        for path, content in before.items():
            path.write_bytes(content)
        raise


@contextmanager
def _exclusive_lock(root: Path) -> Iterator[None]:
    lock = root / "data" / "pages.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sources(root: Path) -> Iterator[Path]:
    for pattern in SOURCES:
        yield from (path for path in root.glob(pattern) if path.is_file() and "external" not in path.parts)
    yield from (path for name in SOURCE_FILES if (path := root / name).is_file())


if __name__ == "__main__":
    try:
        build(Path(__file__).resolve().parent.parent)
    except BuildFailed as failure:
        sys.exit(str(failure))
