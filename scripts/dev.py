"""`make dev`: the store is built and started again whenever a source is saved.

At each save a fresh process imports the sources and compiles the pages (scripts.dev_server). If the compiled pages
changed, Vite builds them. Then the new process takes the place of the one that served until now, and open tabs
connect to it: they reload if they are of another build (scripts/build_id.js). What goes wrong is shown in the
terminal and, by a server in the place of the store (scripts.placeholder), in the open tabs.
"""

import itertools
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

from watchfiles import Change, DefaultFilter, watch

from scripts import pages
from scripts.environment import Plan
from scripts.pages import BuildFailed
from scripts.placeholder import Placeholder
from scripts.processes import Child, ChildFailed, LineServer, port_is_busy

FOLDERS = ("assets", "store_app", "webhook")
FILES = ("brand.env", "rxconfig.py")
SECONDS_TO_START = 60
SECONDS_TO_STOP = 5
# Each build leaves some 10 MB in the process of Vite.
BUILDS_OF_ONE_VITE = 20


class SourceError(Exception):
    """The sources cannot be run; the message is the traceback."""


class Changes:
    """The sources that were saved since the last look, in the background."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._batches: queue.SimpleQueue[set[Path]] = queue.SimpleQueue()
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        # Watch the folder: many editors save by replacing the file.
        self._watch([self._root / name for name in FOLDERS], SourceFilter(), recursive=True)
        self._watch([self._root], lambda _change, path: Path(path).name in FILES, recursive=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()

    def wait(self, seconds: float) -> set[Path]:
        """Return what was saved, or nothing after so many seconds."""
        try:
            found = self._batches.get(timeout=seconds)
        except queue.Empty:
            return set()
        while not self._batches.empty():
            found |= self._batches.get()
        return {path.relative_to(self._root) for path in found}

    def _watch(self, paths: list[Path], wanted: Callable[[Change, str], bool], *, recursive: bool) -> None:
        def run() -> None:
            for batch in watch(*paths, watch_filter=wanted, stop_event=self._stop, recursive=recursive):
                self._batches.put({Path(path) for _change, path in batch})

        threading.Thread(target=run, daemon=True, name="watch").start()


class SourceFilter(DefaultFilter):
    def __call__(self, change: Change, path: str) -> bool:
        # Reflex writes links to the assets of its components there at each start.
        return "external" not in Path(path).parts and super().__call__(change, path)


class DevStore:
    """The store of the newest sources, or in its place a page that says why they do not run."""

    def __init__(self, root: Path, plan: Plan, logs: Path, prepare: Callable[[], None]) -> None:
        """Remember what to start; `prepare` is called before the first start, until it succeeds."""
        self._root = root
        self._plan = plan
        self._logs = logs
        self._prepare: Callable[[], None] | None = prepare
        self._built = ""
        self._builds = 0
        self._starts = itertools.count()
        self._vite: LineServer | None = None
        self._server: LineServer | None = None
        self._next: LineServer | None = None
        self._placeholder: Placeholder | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._take_down()
        for child in (self._next, self._vite):
            if child:
                child.kill()

    def renew(self) -> None:
        """Start the store from the sources as they are now."""
        begin = time.monotonic()
        try:
            self._start()
        except (SourceError, ChildFailed, BuildFailed) as failure:
            self._show(str(failure))
        else:
            print(f"The store runs, after {time.monotonic() - begin:.1f} s.", flush=True)
        # The next start is faster if its process has imported all packages before.
        self._next = self._start_next()

    def show_if_ended(self) -> None:
        """Show why the store has ended, if it has: it was not asked to."""
        if self._server and self._server.exit_code() is not None:
            self._show(f"The store ended by itself:\n{self._server.output()}")

    def _start(self) -> None:
        if self._prepare:
            self._prepare()
            print("Building the pages ...", flush=True)
            pages.prepare(self._root)
            self._prepare = None
        if self._vite is None or self._vite.exit_code() is not None:
            self._vite = self._start_vite()
        server, self._next = self._next or self._start_next(), None
        server.follow()
        try:
            self._request(server, "compile")
            self._take_down()
            self._build(self._vite)
        except BaseException:
            server.kill()
            raise
        self._server = server
        server.tell("serve")
        server.wait_until_answers(f"{self._plan.local_url}/livez", SECONDS_TO_START)

    def _build(self, vite: LineServer) -> None:
        compiled = pages.compiled(self._root)
        if compiled == self._built:
            return
        self._built = ""
        pages.forget(self._root)  # `make run` builds them in another manner
        with closing(Placeholder(self._plan.host, self._plan.port, "Building the pages")):
            self._request(vite, "build")
            pages.finish(self._root)
        self._built = compiled
        self._builds += 1
        if self._builds % BUILDS_OF_ONE_VITE == 0:
            vite.kill()
            self._vite = self._start_vite()

    @staticmethod
    def _request(worker: LineServer, task: str) -> None:
        try:
            traceback_text = str(json.loads(worker.ask(task)))
        except ChildFailed:
            # The process ended without an answer: Reflex ends it when npm fails, for one.
            raise BuildFailed(pages.explain(worker.output())) from None
        if traceback_text:
            raise SourceError(traceback_text)

    def _show(self, problem: str) -> None:
        self._take_down()
        print(f"\n{problem}\nWaiting for the next save.", file=sys.stderr, flush=True)
        self._placeholder = Placeholder(self._plan.host, self._plan.port, "The store does not run", problem)

    def _take_down(self) -> None:
        """Stop what answers on the store's port."""
        if self._server:
            # SIGKILL: with SIGTERM Granian takes longer, and may print a Rust panic about its open connections.
            # Nothing is lost, as after a crash: the provider sends deliveries that were not answered again.
            self._server.kill()
            self._wait_for_the_port()
        if self._placeholder:
            self._placeholder.close()
        self._server = self._placeholder = None

    def _wait_for_the_port(self) -> None:
        # The store's worker process, killed with it, may hold the port for another moment.
        deadline = time.monotonic() + SECONDS_TO_STOP
        while port_is_busy(self._plan.host, self._plan.port) and time.monotonic() < deadline:
            time.sleep(0.01)

    def _start_next(self) -> LineServer:
        """Start the process of the next store, which waits until it is asked to compile.

        At most two are there at once, each with its own log.
        """
        # Python takes a .pyc file for valid while its source has the same size and time, to the second: it would
        # miss the second of two saves within a second.
        env = pages.tool_environment(self._plan.env) | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "scripts.dev_server"]
        return self._worker("store", f"store-{next(self._starts) % 2 + 1}", command, env, self._root)

    def _start_vite(self) -> LineServer:
        # Reflex too has Vite take less memory in this way.
        env = pages.tool_environment(os.environ) | {"NODE_ENV": "production", "MIMALLOC_ARENA_EAGER_COMMIT": "0"}
        command = ["node", str(self._root / "scripts/vite_builder.mjs")]
        return self._worker("page build", "vite", command, env, self._root / ".web")

    def _worker(self, name: str, log_name: str, command: list[str], env: dict[str, str], cwd: Path) -> LineServer:
        log = self._logs / f"{log_name}.log"
        log.unlink(missing_ok=True)
        return LineServer(name, command, env=env, log=log, cwd=cwd).start()


def run(store: DevStore, changes: Changes, others: Sequence[Child]) -> None:
    """Start the store again at each save, until interrupted."""
    while True:
        for child in others:
            child.raise_if_ended()
        saved = changes.wait(0.2)
        if saved:
            names = ", ".join(sorted(path.as_posix() for path in saved)[:3])
            print(f"Saved: {names}{' ...' if len(saved) > 3 else ''}", flush=True)
            store.renew()
        else:
            store.show_if_ended()
