"""A copy of the project's code, for tests that change it."""

import shutil
from pathlib import Path

from tests.support.processes import ROOT

# Not part of the project's code.
ENVIRONMENT, BUILD = ".venv", ".web"
PACKAGES = "node_modules"
OMITTED = (".git", ".env", "data", "__pycache__", ".*_cache", ".hypothesis", ".states", "external", "test-results")


def copy_project(folder: Path) -> Path:
    """Copy the project to `folder`/project without what was built, and return the copy."""
    copy = folder / "project"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*OMITTED, ENVIRONMENT, BUILD))
    return copy


def link(copy: Path, *names: str) -> None:
    """Let the copy use the environment or the built pages of this project, which it must not change."""
    for name in names:
        if (ROOT / name).exists():
            (copy / name).symlink_to(ROOT / name)


def copy_pages(copy: Path) -> None:
    """Give the copy built pages of its own, and the JavaScript packages to build them again."""
    shutil.copytree(ROOT / BUILD, copy / BUILD, ignore=shutil.ignore_patterns(PACKAGES))
    (copy / BUILD / PACKAGES).symlink_to(ROOT / BUILD / PACKAGES)


def edit(file: Path, old: str, new: str) -> None:
    """Replace a text that must be in the file."""
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{file} has no {old!r}"
    file.write_text(text.replace(old, new), encoding="utf-8")
