"""Child processes of tests: `running` starts one, waits until it responds, and always stops it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.processes import Child, ChildFailed

ROOT = Path(__file__).resolve().parent.parent.parent
SECONDS_TO_START = 60

__all__ = ["ROOT", "Child", "ChildFailed", "running", "show_log"]


@contextmanager
def running(child: Child, url: str, *, seconds: float = SECONDS_TO_START) -> Iterator[Child]:
    """Start a child and wait until `url` responds; stop it afterwards, and show its log when a test fails."""
    try:
        child.start().wait_until_answers(url, seconds)
        yield child
    except BaseException:
        show_log(child)
        raise
    finally:
        child.stop()


def show_log(child: Child, lines: int = 200) -> None:
    """Print the end of a child's log, where pytest shows it beside the failure."""
    print(f"\n--- the end of {child.log.name} ({child.name})\n{child.tail(lines)}\n---", file=sys.stderr)
