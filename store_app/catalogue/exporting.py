"""Writing the items on sale as a catalogue folder, which `importing` reads back without a change."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from sqlmodel import col, select

from store_app.catalogue.folder import FILE, FolderItem, to_csv
from store_app.catalogue.pictures import stored_file
from store_app.db.unit_of_work import read_session
from store_app.errors import Refusal
from store_app.models import Item, ItemStatus


class Exported(NamedTuple):
    """How many items were written, and what had to be left out, in sentences."""

    items: int
    left_out: list[str]


def export(folder: Path) -> Exported:
    """Write the items on sale, in the sequence in which they are listed, and copies of their pictures.

    Raises:
        Refusal: the folder has an `items.csv`, or one of the pictures already, or cannot be written.
    """
    with read_session() as session:
        query = select(Item).where(Item.status == ItemStatus.ACTIVE).order_by(col(Item.id))
        items = session.exec(query).all()
    names = _Names(items)
    rows = to_csv(_as_written(item, names) for item in items)
    try:
        _write(folder, rows, names.files)
    except FileExistsError as error:
        raise Refusal(f"{error.filename} exists already; export into another folder.") from None
    except OSError as error:
        raise Refusal(f"{error.filename or folder} cannot be written: {error.strerror}.") from None
    return Exported(len(items), names.left_out)


class _Names:
    """Gives the picture files readable names: `<sku>.webp` for a cover, `<sku>-2.webp` for the next picture."""

    def __init__(self, items: Iterable[Item]) -> None:
        self.files: dict[str, Path] = {}
        self.left_out: list[str] = []
        self._names: dict[tuple[str, str], str] = {}
        # Covers first, so that `x-2` is free to be the cover of another item.
        for item in items:
            self._add(item.sku, [item.image] if item.image else [], first=1)
        for item in items:
            self._add(item.sku, item.pictures, first=2)

    def of(self, sku: str, addresses: Iterable[str]) -> tuple[str, ...]:
        """Return the names of an item's pictures that were found."""
        return tuple(self._names[sku, address] for address in addresses if (sku, address) in self._names)

    def _add(self, sku: str, addresses: Iterable[str], first: int) -> None:
        for number, address in enumerate(addresses, first):
            file = stored_file(address)
            if file is None:
                self.left_out.append(f"{sku}: {address} is no file of this store")
            elif (sku, address) not in self._names:
                name = self._free(re.sub("[^a-z0-9_-]", "_", sku.lower()), number, file.suffix)
                self.files[name] = file
                self._names[sku, address] = name

    def _free(self, stem: str, number: int, suffix: str) -> str:
        name = f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}"
        return name if name not in self.files else self._free(stem, number + 1, suffix)


def _as_written(item: Item, names: _Names) -> FolderItem:
    return FolderItem(
        sku=item.sku,
        name=item.name,
        price=item.price,
        currency=item.currency,
        kind=item.kind,
        tagline=item.tagline,
        tags=tuple(item.tags),
        description=item.description,
        facts=tuple((label, value) for label, value in item.facts),
        picture="".join(names.of(item.sku, [item.image])),
        pictures=names.of(item.sku, item.pictures),
    )


def _write(folder: Path, rows: bytes, files: dict[str, Path]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _refuse_existing(folder, [FILE, *files])
    for name, file in files.items():
        _create(folder / name, file.read_bytes())
    _create(folder / FILE, rows)


def _refuse_existing(folder: Path, names: Sequence[str]) -> None:
    """Raise FileExistsError before anything is written."""
    for name in names:
        if (folder / name).exists():
            raise FileExistsError(0, "", folder / name)


def _create(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
