"""A copy of the project's code, for tests that change it."""

import shutil
from pathlib import Path

from tests.support.processes import ROOT

# Not part of the project's code; the first two are used where they are.
LINKED = (".venv", ".web")
LEFT_OUT = (".git", ".env", "data", "__pycache__", ".*_cache", ".hypothesis", ".states", "test-results")


def copy_project(folder: Path, *, linked: tuple[str, ...] = LINKED) -> Path:
    """Copy the project into `folder`; what is `linked` stays where it is. Return the copy."""
    copy = folder / "project"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT, *LINKED))
    for name in linked:
        if (ROOT / name).exists():
            (copy / name).symlink_to(ROOT / name)
    return copy
