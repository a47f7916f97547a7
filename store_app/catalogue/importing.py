"""Importing a catalogue folder: compare it with the database, then write all of it or nothing."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlmodel import Session, col, select

from store_app import money
from store_app.catalogue import picture_import
from store_app.catalogue.folder import FILE, Catalogue, FolderItem, read_folder
from store_app.catalogue.pictures import stored_file
from store_app.catalogue.queries import CATALOGUE_CHANGED
from store_app.db.outbox import EVERYBODY
from store_app.db.unit_of_work import UnitOfWork, read_session, unit_of_work
from store_app.errors import Conflict, Refusal
from store_app.models import Item, ItemStatus

# How much of a value a preview shows.
MAX_SHOWN = 60
# Columns of the table by column of the file, in the sequence in which a preview shows them.
_COLUMNS = {
    "name": "name",
    "price": "price",
    "currency": "currency",
    "kind": "kind",
    "tagline": "tagline",
    "tags": "tags",
    "description": "description",
    "facts": "facts",
    "picture": "image",
    "pictures": "pictures",
}


class Change(NamedTuple):
    """A column of an item that differs; both values as a preview shows them."""

    sku: str
    column: str
    old: str
    new: str


@dataclass(slots=True)
class Plan:
    """What an import changes.

    Args:
        new: SKUs of the items that are not in the database yet.
        changes: of items that are.
        withdrawn: SKUs of the items that are no longer on sale.
        pictures: names of the files that are not stored yet.
        unchanged: how many items of the file are in the database as they are.
    """

    new: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    pictures: set[str] = field(default_factory=set)
    unchanged: int = 0

    @property
    def changed(self) -> int:
        """How many items have changes."""
        return len({change.sku for change in self.changes})

    @property
    def is_empty(self) -> bool:
        """Whether the database has all that the folder says."""
        return not (self.new or self.changes or self.withdrawn)


def preview(folder: Path, *, withdraw_missing: bool = False) -> Plan:
    """Return what an import would change.

    Raises:
        BadCatalogue: the folder cannot be imported.
        Refusal: there is no such folder, or it does not fit what else is on sale.
    """
    wanted = _Import(folder, read_folder(folder), withdraw_missing)
    with read_session() as session:
        return wanted.compare(session)


def apply(folder: Path, *, withdraw_missing: bool = False) -> Plan:
    """Import a folder; return what changed. Open pages show it at once. A repeat changes nothing.

    Raises:
        BadCatalogue: the folder cannot be imported.
        Refusal: there is no such folder, it does not fit what else is on sale, or a picture cannot be stored.
        Conflict: another import changed the same items meanwhile.
    """
    wanted = _Import(folder, read_folder(folder), withdraw_missing)
    with read_session() as session:
        planned = wanted.compare(session)
    # Before the database transaction, which must be short. Files that nothing refers to do no harm.
    wanted.store(planned.pictures)
    if planned.is_empty:
        return planned
    with unit_of_work() as work:
        _lock_items(work)
        done = wanted.compare(work)
        if not done.pictures <= planned.pictures:
            raise Conflict("The catalogue was changed meanwhile. Nothing was written; run it again.")
        work.messages.append((EVERYBODY, {"event": CATALOGUE_CHANGED}))
    return done


def _lock_items(work: UnitOfWork) -> None:
    """Let other imports wait, but not orders. SQLite has one writer anyway."""
    if work.dialect == "postgresql":
        work.execute(text("LOCK TABLE items IN SHARE ROW EXCLUSIVE MODE"))


class _Import:
    """A folder that is compared with the database, twice: for the plan, and when it is written."""

    def __init__(self, folder: Path, catalogue: Catalogue, withdraw_missing: bool) -> None:
        if withdraw_missing and not catalogue.items:
            raise Refusal(f"{folder / FILE} has no items: nothing would be on sale.")
        self._folder = folder
        self._catalogue = catalogue
        self._withdraw_missing = withdraw_missing
        self._digests: dict[Path, bytes] = {}

    def compare(self, session: Session) -> Plan:
        """Return what differs. The items of the database session have the new values afterwards.

        Raises:
            Refusal: items that stay on sale have another currency, or the file silently changes it.
        """
        plan = Plan()
        items = {item.sku: item for item in session.exec(select(Item).order_by(col(Item.id)))}
        for wanted in self._catalogue.items:
            item = items.pop(wanted.sku, None)
            if item is None:
                session.add(Item(sku=wanted.sku, **self._values(wanted, plan)))
                plan.new.append(wanted.sku)
            elif changes := self._update(item, wanted, plan):
                plan.changes += changes
            else:
                plan.unchanged += 1
        self._treat_missing([item for item in items.values() if item.status == ItemStatus.ACTIVE], plan)
        return plan

    def store(self, names: Iterable[str]) -> None:
        """Write the files of pictures.

        Raises:
            Refusal: they cannot be written, or changed since they were checked.
        """
        for name in sorted(names):
            try:
                address = picture_import.store(self._folder / name)
            except OSError as error:
                raise Refusal(f"{name} cannot be stored: {error.strerror}. Nothing was written.") from None
            if address != self._catalogue.addresses[name]:
                raise Refusal(f"{name} was changed during the import. Nothing was written; run it again.")

    def _update(self, item: Item, wanted: FolderItem, plan: Plan) -> list[Change]:
        """Give an item the values of its line; return what differed.

        Raises:
            Refusal: its currency would change without a column that says so.
        """
        if "currency" not in self._catalogue.columns and item.currency != wanted.currency:
            raise Refusal(
                f"{FILE} has no column currency, which means {wanted.currency}, but {item.sku} is sold in "
                f"{item.currency}. Add the column."
            )
        old = {column: getattr(item, column) for column in _COLUMNS.values()}
        new = old | self._values(wanted, plan, item)
        changes = [
            Change(item.sku, name, *_excerpts(_shown(name, old), _shown(name, new)))
            for name, column in _COLUMNS.items()
            if old[column] != new[column]
        ]
        if item.status != ItemStatus.ACTIVE:
            changes.append(Change(item.sku, "status", item.status, ItemStatus.ACTIVE))
            item.status = ItemStatus.ACTIVE
        for column, value in new.items():
            if old[column] != value:
                setattr(item, column, value)
        return changes

    def _values(self, wanted: FolderItem, plan: Plan, item: Item | None = None) -> dict[str, Any]:
        """Return a line's values by column of the table; for an existing item only those that the file has."""
        current = [item.image, *item.pictures] if item else []
        values = {
            **{
                name: getattr(wanted, name)
                for name in ("name", "price", "currency", "kind", "tagline", "description")
            },
            "tags": list(wanted.tags),
            "facts": [list(fact) for fact in wanted.facts],
            "picture": self._address(wanted.picture, current, plan) if wanted.picture else "",
            "pictures": [self._address(name, current, plan) for name in wanted.pictures],
        }
        has = self._catalogue.columns
        return {_COLUMNS[name]: value for name, value in values.items() if item is None or name in has}

    def _address(self, name: str, current: Sequence[str], plan: Plan) -> str:
        """Return the address of a picture: one that the item has, if it is the same file, as after an export."""
        file = self._folder / name
        for address in current:
            stored = stored_file(address)
            if stored and self._digest(stored) == self._digest(file):
                return address
        address = self._catalogue.addresses[name]
        if stored_file(address) is None:
            plan.pictures.add(name)
        return address

    def _digest(self, file: Path) -> bytes:
        if file not in self._digests:
            self._digests[file] = hashlib.sha256(file.read_bytes()).digest()
        return self._digests[file]

    def _treat_missing(self, active: Sequence[Item], plan: Plan) -> None:
        """Withdraw the items that the file lacks, or check that they fit it."""
        if self._withdraw_missing:
            for item in active:
                item.status = ItemStatus.WITHDRAWN
                plan.withdrawn.append(item.sku)
        elif self._catalogue.items:
            currency = self._catalogue.items[0].currency
            others = [item for item in active if item.currency != currency]
            if others:
                other = f"{others[0].sku} is on sale in {others[0].currency}"
                raise Refusal(
                    f"The items of {FILE} are in {currency}, but {other}: all items have one currency. "
                    "Add it to the file, or use --withdraw-missing."
                )


def _shown(name: str, values: Mapping[str, Any]) -> str:
    """Return a value as the file has it, on one line."""
    value = values[_COLUMNS[name]]
    match name:
        case "price":
            return money.decimal_text(value, values["currency"])
        case "facts":
            value = "|".join(": ".join(fact) for fact in value)
        case "tags" | "pictures":
            value = "|".join(value)
    return " ".join(value.split())


def _excerpts(old: str, new: str) -> tuple[str, str]:
    """Return two texts that differ, or the parts of long ones in which the difference begins."""
    start = 0
    if max(len(old), len(new)) > MAX_SHOWN:
        pairs = enumerate(zip(old, new, strict=False))
        same = next((place for place, (one, other) in pairs if one != other), min(len(old), len(new)))
        start = max(0, same - 20)
    return _excerpt(old, start), _excerpt(new, start)


def _excerpt(text: str, start: int) -> str:
    part = text[start : start + MAX_SHOWN]
    before, after = "..." if start else "", "..." if len(text) > start + MAX_SHOWN else ""
    return before + part + after or '""'
