"""Keeps the SQLite database from other accounts of the machine: it has password hashes and orders."""

import os
from contextlib import suppress
from pathlib import Path

# The folder that only the store uses. Another one, which DATABASE_URL names, may hold files of others.
DATA = Path("data")


def make_private(database: Path) -> None:
    """Create a database file, and its folder, for this account alone; close existing ones to others."""
    # Where that is not possible, SQLite says so when it opens the file, as for every database.
    with suppress(OSError):
        _make_private(database)


def _make_private(database: Path) -> None:
    folder = database.parent
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True)
    elif folder.resolve() == DATA.resolve():
        _restrict(folder, 0o700)
    # SQLite gives its other files the mode of this one.
    os.close(os.open(database, os.O_CREAT | os.O_RDWR, 0o600))
    for suffix in ("", "-wal", "-shm"):
        _restrict(database.with_name(database.name + suffix), 0o600)


def _restrict(path: Path, mode: int) -> None:
    # Another account's file is that account's matter; the other files need not exist.
    with suppress(FileNotFoundError, PermissionError):
        path.chmod(mode)
