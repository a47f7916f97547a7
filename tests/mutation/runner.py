"""`make mutation`: break the store on purpose, one rule at a time, and see that the tests notice.

Each mutant changes one place of a copy of the project; then the tests named with it must fail. The same tests
pass on the copy as it is. Exits non-zero when a mutant survives, or no longer fits the source.
"""

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts import servers
from tests.mutation.mutations import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
# Not part of the project's code; the first two are used where they are.
LINKED = (".venv", ".web")
LEFT_OUT = (".git", ".env", "data", "__pycache__", ".*_cache", ".hypothesis", ".states", "test-results")
SECONDS_FOR_TESTS = 600
GREEN, RED = 0, 1
_FIRST_FAILURE = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


class DoesNotFit(Exception):
    """The text of a mutant is not in its file, or not once."""


@dataclass(frozen=True, slots=True)
class Run:
    """How the tests ended: pytest's exit code, what failed first, what was printed."""

    code: int
    failure: str
    printed: str
    seconds: float


def mutated(mutant: Mutant, root: Path = ROOT) -> str:
    """Return the file of a mutant with its mistake in it.

    Raises:
        DoesNotFit: its text is not there exactly once.
    """
    source = (root / mutant.file).read_text(encoding="utf-8")
    if (times := source.count(mutant.text)) != 1:
        raise DoesNotFit(f"“{mutant.name}”: its text is in {mutant.file} {times} times, not once")
    return source.replace(mutant.text, mutant.instead)


def _copy(folder: Path) -> Path:
    copy = folder / "project"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT, *LINKED))
    for name in LINKED:
        if (ROOT / name).exists():
            (copy / name).symlink_to(ROOT / name)
    return copy


@contextmanager
def _changed(path: Path, source: str) -> Iterator[None]:
    """Have a file say something else meanwhile."""
    before = path.read_text(encoding="utf-8")
    try:
        _write(path, source)
        yield
    finally:
        _write(path, before)


def _write(path: Path, source: str) -> None:
    path.write_text(source, encoding="utf-8")
    # Two versions of one size within a second would be taken for the same.
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
            printed, _ = process.communicate(timeout=SECONDS_FOR_TESTS)
        except subprocess.TimeoutExpired:
            process.terminate()
            printed, _ = process.communicate()
    failure = _FIRST_FAILURE.search(printed)
    return Run(process.returncode, failure[1] if failure else "", printed, time.monotonic() - begin)


def _judge(mutant: Mutant, copy: Path) -> bool:
    """Test one mutant and print its line; whether it was noticed."""
    with _changed(copy / mutant.file, mutated(mutant, copy)):
        run = _test(copy, mutant.tests, "-x")
    noticed = run.code == RED
    result = (
        run.failure.partition("[")[0].rpartition("/")[2]
        if noticed
        else "SURVIVED"
        if run.code == GREEN
        else "TESTS DID NOT RUN"
    )
    print(f"  {mutant.name:<62} {run.seconds:5.0f} s  {result}", flush=True)
    if not noticed:
        print(run.printed[-3000:], file=sys.stderr)
    return noticed


def _chosen(words: Sequence[str]) -> list[Mutant]:
    return [mutant for mutant in MUTANTS if not words or any(word in mutant.name for word in words)]


def hunt(words: Sequence[str]) -> int:
    """Test the mutants whose names contain one of `words` (all, when there are none); return the exit code.

    Raises:
        DoesNotFit: see `mutated`.
    """
    for mutant in MUTANTS:
        mutated(mutant)
    chosen = _chosen(words)
    with tempfile.TemporaryDirectory(prefix="store-mutants-") as folder:
        copy = _copy(Path(folder))
        tests = sorted({test for mutant in chosen for test in mutant.tests})
        healthy = _test(copy, tests, "-n", "auto", "--dist", "loadfile")
        print(f"  {'(nothing is broken)':<62} {healthy.seconds:5.0f} s  exit code {healthy.code}", flush=True)
        if healthy.code != GREEN:
            print(healthy.printed[-5000:], file=sys.stderr)
            return 1
        noticed = [_judge(mutant, copy) for mutant in chosen]
    print(f"\n  {len(chosen)} mutants, {sum(noticed)} noticed, {len(chosen) - sum(noticed)} survived")
    return int(not all(noticed))


def main(argv: Sequence[str] | None = None) -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation.runner", description=__doc__)
    parser.add_argument("words", nargs="*", help="only mutants whose names contain one of these")
    words = parser.parse_args(argv).words
    try:
        servers.provide()
        return hunt(words)
    except (DoesNotFit, servers.Missing) as problem:
        print(problem, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
