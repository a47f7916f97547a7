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
