"""`make test`: every check in order, each as its own command; a summary at the end says what failed."""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from scripts import chromium, pages, servers

ROOT = Path(__file__).resolve().parent.parent
TOOLS = Path(sys.executable).parent
# Unit and integration tests run on every core: each test process has its own files, ports and databases.
PYTEST = ("pytest", "-rsX", "--durations=5", "--durations-min=5")
SECONDS_TO_CLEAN_UP = 30
PARALLEL = ("-n", "auto", "--dist", "loadfile")
# Tests with servers wait for them a third of the time. Those that take longest are in files of their own, which
# would come last in the order of their number of tests.
WAITING = ("-n", str(round(1.5 * (os.cpu_count() or 1))), "--dist", "loadfile", "--no-loadscope-reorder")


class Terminated(BaseException):
    """A signal asked the tests to end."""


@dataclass(frozen=True)
class Step:
    """One check: its name, and a command of .venv with its arguments."""

    name: str
    command: Sequence[str]
    needs: Sequence[Callable[[], None]] = field(default=())


@dataclass(frozen=True)
class Result:
    """How a check ended."""

    name: str
    seconds: float
    problem: str


def _build_pages() -> None:
    pages.build(ROOT)


def _find_chromium() -> None:
    os.environ["CHROMIUM"] = str(chromium.provide())


def _with_servers() -> list[str]:
    # Every folder of tests must run: those that hold neither unit nor browser tests run here.
    folders = {path.parent.relative_to(ROOT).parts[1] for path in ROOT.glob("tests/*/**/test_*.py")}
    return [f"tests/{folder}" for folder in sorted(folders - {"unit", "e2e"})] or ["tests/integration"]


def _workflows() -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(".github/workflows/*.y*ml"))


def steps(extra: Sequence[str] = ()) -> dict[str, list[Step]]:
    """Return the checks by group, in the order they run in."""
    whole_store = (servers.provide, _build_pages, _find_chromium)
    return {
        "lint": [
            Step("style", ("ruff", "check", "--quiet", ".")),
            Step("format", ("ruff", "format", "--check", "--quiet", ".")),
            Step("types", ("mypy",)),
            Step("imports", ("lint-imports", "--no-logo")),
            Step(
                "compose schema",
                ("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"),
            ),
            Step(
                "workflow schema",
                ("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *_workflows()),
            ),
            Step(
                "workflow audit",
                ("zizmor", "--quiet", "--offline", "--strict-collection", "--pedantic", *_workflows()),
            ),
        ],
        "unit": [Step("unit tests", (*PYTEST, *PARALLEL, "tests/unit", *extra))],
        "integration": [
            Step("integration tests", (*PYTEST, *WAITING, *_with_servers(), *extra), (servers.provide,))
        ],
        "e2e": [Step("browser tests", (*PYTEST, "tests/e2e", *extra), whole_store)],
        "benchmark": [Step("benchmarks", ("python", "-m", "benchmarks"), whole_store)],
    }


def main(groups: Sequence[str]) -> int:
    """Run these groups of checks (all but the benchmarks, when none is named); return the exit code."""
    known = steps(shlex.split(os.environ.get("ARGS", "")))
    chosen = groups or [group for group in known if group != "benchmark"]
    unknown = [group for group in chosen if group not in known]
    if unknown:
        print(f"No such group of checks: {unknown[0]}. There are: {', '.join(known)}.", file=sys.stderr)
        return 2
    begin = time.monotonic()
    results = [_run(step) for group in chosen for step in known[group]]
    return _report(results, time.monotonic() - begin)


def _run(step: Step) -> Result:
    print(f"\n== {step.name}", flush=True)
    begin = time.monotonic()
    problem = _prepare(step)
    if not problem:
        code = _call([str(TOOLS / step.command[0]), *step.command[1:]])
        problem = f"exit code {code}" if code else ""
    else:
        print(problem, file=sys.stderr, flush=True)
    return Result(step.name, time.monotonic() - begin, problem)


def _call(command: Sequence[str]) -> int:
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL) as process:
        try:
            return process.wait()
        except (KeyboardInterrupt, Terminated) as reason:
            # At Ctrl-C the terminal interrupts pytest too, which then stops its servers.
            if isinstance(reason, Terminated):
                process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(SECONDS_TO_CLEAN_UP)
            process.kill()
            raise


def _prepare(step: Step) -> str:
    try:
        for need in step.needs:
            need()
    except (pages.BuildFailed, chromium.Missing, servers.Missing) as problem:
        return str(problem)
    return ""


def _report(results: Iterable[Result], seconds: float) -> int:
    print("\n== summary", flush=True)
    failed = False
    for result in results:
        failed = failed or bool(result.problem)
        state = f"FAILED ({result.problem.splitlines()[0]})" if result.problem else "ok"
        print(f"  {result.name:<20} {result.seconds:6.1f} s  {state}")
    print(f"  {'all':<20} {seconds:6.1f} s  {'FAILED' if failed else 'ok'}", flush=True)
    return int(failed)


def _terminate(_number: int, _frame: object) -> NoReturn:
    raise Terminated


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminate)
    # A shell starts background commands with SIGINT ignored, and pytest would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sys.exit(main(sys.argv[1:]))
    except (KeyboardInterrupt, Terminated):
        sys.exit(130)
