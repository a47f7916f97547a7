"""The files of the pictures of imported items: under `data/pictures`, named by their content.

A file is never overwritten, because other content has another name. `picture_import` makes them.
"""

import os
import re
import secrets
from pathlib import Path

from store_app.db import private_files

ADDRESS = "/pictures/"
# The covers of the sample items, which pages get from `/covers/`.
COVERS_ADDRESS = "/covers/"
COVERS = Path(__file__).parents[2] / "assets" / "covers"
# Of raster pictures, at most the width of the original.
WIDTHS = (460, 920, 1380, 1840)
_NAME = re.compile(r"[0-9a-f]{16}(?:-[0-9]{1,4}\.webp|\.svg)")
_COVER = re.compile(r"[a-z0-9][a-z0-9_-]*\.svg")


def folder() -> Path:
    """Return the folder of the pictures; it need not exist."""
    return private_files.DATA / "pictures"


def picture_file(name: str) -> Path | None:
    """Return the file of `/pictures/<name>`; None when there is none, whatever the name."""
    if not _NAME.fullmatch(name):
        return None
    path = folder() / name
    return path if path.is_file() else None


def stored_file(address: str) -> Path | None:
    """Return the file that an address of this store shows: an imported picture, or the cover of a sample item."""
    if address.startswith(ADDRESS):
        return picture_file(address.removeprefix(ADDRESS))
    name = address.removeprefix(COVERS_ADDRESS)
    if name == address or not _COVER.fullmatch(name):
        return None
    path = COVERS / name
    return path if path.is_file() else None


def write(name: str, content: bytes) -> None:
    """Write a file for this account alone, so that no reader ever finds half of it."""
    target = folder()
    for made in (private_files.DATA, target):
        made.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = target / f".{name}.{secrets.token_hex(4)}"
    try:
        with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target / name)
    finally:
        temporary.unlink(missing_ok=True)
