"""A catalogue as a folder: `items.csv` and pictures. docs/catalogue.md describes the format.

Nothing here knows the database. Reading finds all mistakes at once, each with its line and column.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from store_app import money
from store_app.catalogue import picture_import
from store_app.catalogue.cells import CELLS, Wrong, currency_code, parse_price, parse_sku, quoted, several
from store_app.catalogue.picture_import import BadPicture
from store_app.errors import Refusal

FILE = "items.csv"
REQUIRED = ("sku", "name", "price", "kind")
DEFAULT_CURRENCY = "USD"
MAX_PICTURES = 5
# What spreadsheet programs take for a formula: they run it, and spoil "+5 Sword" when they save the file. Such a
# text is written after an apostrophe. So is one that begins with apostrophes, or it would be read without one.
_FORMULA = re.compile("'*[=+@\uff1d\uff0b\uff20\uff0d-]")


@dataclass(frozen=True, slots=True)
class FolderItem:
    """A line of `items.csv`. The price is in minor units; pictures are names of files of the folder."""

    sku: str
    name: str
    price: int
    currency: str
    kind: str
    tagline: str = ""
    tags: tuple[str, ...] = ()
    description: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    picture: str = ""
    pictures: tuple[str, ...] = ()


COLUMNS = tuple(column.name for column in fields(FolderItem))


class Problem(NamedTuple):
    """A mistake in `items.csv`."""

    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        column = f", column {self.column}" if self.column else ""
        text = f"{FILE} line {self.line}{column}: {self.reason}"
        # A cell of somebody else's file must not control the terminal.
        return "".join(ascii(char)[1:-1] if unicodedata.category(char) == "Cc" else char for char in text)


class BadCatalogue(Refusal):
    """The folder cannot be imported; the sentence lists every problem, one a line."""

    status = 422
    code = "bad-catalogue"

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a folder says.

    Args:
        items: in the order of the file.
        columns: those that the file has.
        addresses: of the pictures, once they are stored, by file name.
    """

    items: list[FolderItem]
    columns: frozenset[str]
    addresses: Mapping[str, str] = field(default_factory=dict)


class _Row(NamedTuple):
    """A line that has text: the number of its first line in the file, and its cells by column."""

    line: int
    cells: dict[str, str]


# --- reading


def read_folder(folder: Path) -> Catalogue:
    """Read `items.csv` and check every picture that it names.

    Raises:
        BadCatalogue: it cannot be imported.
        Refusal: there is no such file, or it cannot be read.
    """
    try:
        content = (folder / FILE).read_bytes()
    except OSError as error:
        raise Refusal(f"{folder / FILE} cannot be read: {error.strerror}.") from None
    check = _PictureCheck(folder)
    items, columns = _read(content, check)
    return Catalogue(items, columns, check.addresses)


def read_content(content: bytes) -> Catalogue:
    """Read the content of an `items.csv`, without looking for its pictures.

    Raises:
        BadCatalogue: it cannot be imported.
    """
    return Catalogue(*_read(content, lambda _name: None))


def _read(content: bytes, check_picture: Callable[[str], None]) -> tuple[list[FolderItem], frozenset[str]]:
    rows, columns, problems = _rows(_decode(content))
    reader = _Reader(check_picture, problems)
    items = [item for row in rows if (item := reader.item(row)) is not None]
    if problems:
        raise BadCatalogue(sorted(problems, key=lambda problem: problem.line))
    return items, columns


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise BadCatalogue([Problem(line, "", "is not UTF-8; save the file as CSV UTF-8")]) from None


def _rows(text: str) -> tuple[list[_Row], frozenset[str], list[Problem]]:
    """Return the lines that have text, the columns, and what is wrong with the file as a table.

    Raises:
        BadCatalogue: without a usable header nothing else can be read.
    """
    lines, problems = _split(text)
    if not lines:
        raise BadCatalogue(problems or [Problem(1, "", f"is empty; the columns are {', '.join(COLUMNS)}")])
    first_line, header = lines[0]
    columns = _columns(first_line, header)
    rows = []
    for line, cells in lines[1:]:
        if any(cells[len(columns) :]):
            problems.append(Problem(line, "", f"has more than the {len(columns)} cells of the header"))
        rows.append(_Row(line, dict(zip(columns, cells, strict=False))))
    return rows, frozenset(columns), problems


def _split(text: str) -> tuple[list[tuple[int, list[str]]], list[Problem]]:
    """Return the lines that have text as (number, cells), up to the first that is no CSV."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    lines, start = [], 1
    try:
        for cells in reader:
            cleaned = [_clean(cell) for cell in cells]
            if any(cleaned):
                lines.append((start, cleaned))
            start = reader.line_num + 1
    except csv.Error as error:
        return lines, [Problem(start, "", f"is not CSV: {error}")]
    return lines, []


def _clean(cell: str) -> str:
    text = cell.replace("\r\n", "\n").replace("\r", "\n").strip()
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _delimiter(text: str) -> str:
    """Return the delimiter that divides the header into more of the known columns."""
    header = next((line for line in text.splitlines() if line.strip()), "")

    def known(delimiter: str) -> int:
        return len({cell.strip(' "').lower() for cell in header.split(delimiter)} & set(COLUMNS))

    return max(",;", key=known)


def _columns(line: int, header: Sequence[str]) -> list[str]:
    """Return the names of the columns.

    Raises:
        BadCatalogue: one is unknown, missing or there twice.
    """
    names = [name.lower() for name in header]
    while not names[-1]:
        names.pop()
    problems = [
        Problem(line, name, f"there is no such column; the columns are {', '.join(COLUMNS)}")
        for name in names
        if name not in COLUMNS
    ]
    problems += [Problem(line, name, "is there twice") for name in COLUMNS if names.count(name) > 1]
    problems += [Problem(line, name, "is missing") for name in REQUIRED if name not in names]
    if problems:
        raise BadCatalogue(problems)
    return names


class _PictureCheck:
    """Checks that a file of the folder is a picture; a broken one is reported once, however often it is used.

    `addresses` has the addresses of the pictures by their file names.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._checked: set[str] = set()
        self.addresses: dict[str, str] = {}

    def __call__(self, name: str) -> None:
        """Raise BadPicture, at the first use of a file that is no picture."""
        if name != Path(name).name or "\\" in name or name.startswith("."):
            raise BadPicture("is not the name of a file in the folder")
        if name not in self._checked:
            self._checked.add(name)
            self.addresses[name] = picture_import.check(self._folder / name)


class _Reader:
    """Turns rows into items; collects problems, and what must be unique or the same in all rows."""

    def __init__(self, check_picture: Callable[[str], None], problems: list[Problem]) -> None:
        self._check_picture = check_picture
        self._problems = problems
        self._lines_of_skus: dict[str, int] = {}
        self._currency_of_file = ("", 0)

    def item(self, row: _Row) -> FolderItem | None:
        """Return the item of a row; None, with its problems noted, if a cell cannot be used."""
        values: dict[str, Any] = {}
        # The currency says how many decimal places the price may have.
        for column in ("currency", *(name for name in COLUMNS if name != "currency")):
            try:
                values[column] = self._value(column, row, values.get("currency", DEFAULT_CURRENCY))
            except Wrong as wrong:
                self._problems += [Problem(row.line, column, reason) for reason in wrong.args]
        return FolderItem(**values) if len(values) == len(COLUMNS) else None

    def _value(self, column: str, row: _Row, currency: str) -> Any:
        text = row.cells.get(column, "")
        match column:
            case "sku":
                return self._sku(text, row.line)
            case "currency":
                return self._currency(text, row.line)
            case "price":
                return parse_price(text, currency)
            case "picture":
                self._check_pictures([text] if text else [])
                return text
            case "pictures":
                names = several(text, MAX_PICTURES, "further pictures")
                self._check_pictures(names)
                return names
        return CELLS[column](text)

    def _sku(self, text: str, line: int) -> str:
        sku = parse_sku(text)
        first = self._lines_of_skus.setdefault(sku, line)
        if first != line:
            raise Wrong(f"{quoted(sku)} is in line {first} too")
        return sku

    def _currency(self, text: str, line: int) -> str:
        currency = currency_code(text or DEFAULT_CURRENCY)
        if not self._currency_of_file[0]:
            self._currency_of_file = currency, line
        first, first_line = self._currency_of_file
        if currency != first:
            raise Wrong(f"{currency} differs from {first} in line {first_line}; all items have one currency")
        return currency

    def _check_pictures(self, names: Iterable[str]) -> None:
        reasons = []
        for name in names:
            try:
                self._check_picture(name)
            except BadPicture as bad:
                reasons.append(f"{quoted(name)} {bad}")
        if reasons:
            raise Wrong(*reasons)


# --- writing


def to_csv(items: Iterable[FolderItem]) -> bytes:
    """Return `items.csv` as spreadsheet programs read it: with a byte order mark, commas and CRLF."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    writer.writerows(_cells(item) for item in items)
    return file.getvalue().encode("utf-8-sig")


def _cells(item: FolderItem) -> list[str]:
    written = {
        "price": money.decimal_text(item.price, item.currency),
        "tags": "|".join(item.tags),
        "facts": "|".join(f"{label}: {value}" for label, value in item.facts),
        "pictures": "|".join(item.pictures),
    }
    cells = [written[name] if name in written else getattr(item, name) for name in COLUMNS]
    return [f"'{cell}" if _FORMULA.match(cell) else cell for cell in cells]
