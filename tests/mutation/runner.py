"""Runs the mutation tests: breaks one rule of the store at a time, and checks that tests fail.

Each mutation changes one place in a copy of the project; then the tests named with it must fail. The same tests
must pass on the unchanged copy. The exit code is non-zero when a mutation survives or no longer fits the source.
"""

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts import servers
from tests.mutation.mutations import MUTATIONS, Mutation
from tests.support.project import BUILD, ENVIRONMENT, copy_project, link

ROOT = Path(__file__).resolve().parents[2]
TEST_TIMEOUT_SECONDS = 600
# Exit codes of pytest.
PASSED, FAILED = 0, 1
_FIRST_FAILURE = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


class DoesNotFit(Exception):
    """The text of a mutation is not in its file exactly once."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run of tests: pytest's exit code, the first failure, and the output."""

    code: int
    first_failure: str
    output: str
    seconds: float


def mutated(mutation: Mutation, root: Path = ROOT) -> str:
    """Return the source of a mutation's file with the mutation applied.

    Raises:
        DoesNotFit: the text of the mutation is not in the file exactly once.
    """
    source = (root / mutation.file).read_text(encoding="utf-8")
    if (times := source.count(mutation.text)) != 1:
        raise DoesNotFit(f"“{mutation.name}”: its text is in {mutation.file} {times} times instead of once")
    return source.replace(mutation.text, mutation.instead)


@contextmanager
def _changed(path: Path, source: str) -> Iterator[None]:
    """Give a file another content for the duration of the block."""
    before = path.read_text(encoding="utf-8")
    try:
        _write(path, source)
        yield
    finally:
        _write(path, before)


def _write(path: Path, source: str) -> None:
    path.write_text(source, encoding="utf-8")
    # Python would reuse the bytecode of another version with the same size and modification second.
    Path(importlib.util.cache_from_source(path)).unlink(missing_ok=True)


def _test(copy: Path, tests: Sequence[str], *options: str) -> Run:
    command = [str(copy / ".venv/bin/python"), "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider"]
    begin = time.monotonic()
    with subprocess.Popen(
        [*command, *options, *tests],
        cwd=copy,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=TEST_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.terminate()
            output, _ = process.communicate()
    failure = _FIRST_FAILURE.search(output)
    return Run(process.returncode, failure[1] if failure else "", output, time.monotonic() - begin)


def _is_killed(mutation: Mutation, copy: Path) -> bool:
    """Run the tests of a mutation and print its line; return whether they failed."""
    with _changed(copy / mutation.file, mutated(mutation, copy)):
        run = _test(copy, mutation.tests, "-x")
    print(f"  {mutation.name:<62} {run.seconds:5.0f} s  {_result(run)}", flush=True)
    if run.code != FAILED:
        print(run.output[-3000:], file=sys.stderr)
    return run.code == FAILED


def _result(run: Run) -> str:
    if run.code == FAILED:
        return run.first_failure.partition("[")[0].rpartition("/")[2]
    return "SURVIVED" if run.code == PASSED else "TESTS DID NOT RUN"


def _chosen(names: Sequence[str]) -> list[Mutation]:
    return [mutation for mutation in MUTATIONS if not names or any(name in mutation.name for name in names)]


def run_all(names: Sequence[str]) -> int:
    """Test the mutations whose names contain one of `names` (all, when there are none); return the exit code.

    Raises:
        DoesNotFit: see `mutated`.
    """
    for mutation in MUTATIONS:
        mutated(mutation)
    chosen = _chosen(names)
    with tempfile.TemporaryDirectory(prefix="store-mutations-") as folder:
        copy = copy_project(Path(folder))
        link(copy, ENVIRONMENT, BUILD)
        tests = sorted({test for mutation in chosen for test in mutation.tests})
        unchanged = _test(copy, tests, "-n", "auto", "--dist", "loadfile")
        print(f"  {'(no mutation)':<62} {unchanged.seconds:5.0f} s  exit code {unchanged.code}", flush=True)
        if unchanged.code != PASSED:
            print(unchanged.output[-5000:], file=sys.stderr)
            return 1
        killed = [_is_killed(mutation, copy) for mutation in chosen]
    print(f"\n  {len(chosen)} mutations, {sum(killed)} killed, {len(chosen) - sum(killed)} survived")
    return int(not all(killed))


def main(argv: Sequence[str] | None = None) -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation.runner", description=__doc__)
    parser.add_argument("names", nargs="*", help="only mutations whose names contain one of these")
    arguments = parser.parse_args(argv)
    try:
        servers.provide()
        return run_all(arguments.names)
    except (DoesNotFit, servers.Missing) as problem:
        print(problem, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
