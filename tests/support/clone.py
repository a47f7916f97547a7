"""A copy of the tree in a folder of its own, as a fresh clone would be, for tests that edit or build it."""

import shutil
from pathlib import Path

from tests.support.processes import ROOT

# What the store runs from; nothing that was built.
FOLDERS = ("alembic", "assets", "reflex.lock", "scripts", "simulator", "store_app", "webhook")
FILES = ("alembic.ini", "constraints.txt", "requirements.txt", "rxconfig.py")


def clone_into(folder: Path) -> Path:
    """Copy what the store runs from into this folder, and return it."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "external"))
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    return folder


def clone_with_pages_into(folder: Path) -> Path:
    """The same with the pages as they are built here, and with the JavaScript packages to build them again."""
    clone_into(folder)
    packages = ROOT / ".web" / "node_modules"
    shutil.copytree(ROOT / ".web", folder / ".web", ignore=shutil.ignore_patterns(packages.name))
    (folder / ".web" / packages.name).symlink_to(packages)
    return folder


def edit(file: Path, old: str, new: str) -> None:
    """Replace a text that must be in the file."""
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{file} has no {old!r}"
    file.write_text(text.replace(old, new), encoding="utf-8")
