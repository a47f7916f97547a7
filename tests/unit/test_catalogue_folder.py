"""Reading `items.csv` as spreadsheet programs write it: all mistakes are found, each with line and column."""

import csv
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store_app.catalogue.folder import BadCatalogue, FolderItem, read_content, read_folder, to_csv
from store_app.errors import Refusal

SWORD = FolderItem("dragon-sword", "Dragon Sword", 99_999, "USD", "non_consumable")
LINE = "dragon-sword,Dragon Sword,999.99,non_consumable"
HEADER = "sku,name,price,kind"


def _read(text: str) -> list[FolderItem]:
    return read_content(text.encode()).items


def _problems(text: str | bytes) -> list[str]:
    with pytest.raises(BadCatalogue) as refused:
        read_content(text if isinstance(text, bytes) else text.encode())
    return str(refused.value).splitlines()


def _one(**cells: str) -> str:
    """Return a file with one item, which has these cells."""
    row = {"sku": "x", "name": "X", "price": "1", "kind": "consumable", **cells}
    quoted = ('"' + cell.replace('"', '""') + '"' for cell in row.values())
    return f"{','.join(row)}\n{','.join(quoted)}\n"


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\n{LINE}\n",
        f"\ufeff{HEADER}\r\n{LINE}\r\n",
        f"{HEADER}\r{LINE}\r",
        "sku;name;price;kind\ndragon-sword;Dragon Sword;999,99;non_consumable",
        'sku;name;price;kind;;\r\n"dragon-sword";"Dragon Sword";"999,99";non_consumable;;\r\n;;;;;\r\n\r\n',
        "kind,SKU, Price ,name\nnon_consumable, dragon-sword ,999.99,Dragon Sword",
        "sku,name,price,kind,currency,tags\ndragon-sword,Dragon Sword,999.99,non_consumable,usd",
    ],
    ids=["plain", "excel", "old mac", "semicolons", "empty cells", "other order", "short line"],
)
def test_the_formats_of_spreadsheet_programs_are_read(text: str) -> None:
    assert _read(text) == [SWORD]


def test_every_column_is_read() -> None:
    cells = {
        "tagline": "Hot.",
        "tags": "Gear| Fire |",
        "facts": "Players: 1 to 4|Site: https://x|",
        "currency": "EUR",
    }
    (item,) = _read(_one(**cells, description="One\r\ntwo; 3,5", picture="a b.png", pictures="b.png|c.svg"))
    assert item == FolderItem(
        sku="x",
        name="X",
        price=100,
        currency="EUR",
        kind="consumable",
        tagline="Hot.",
        tags=("Gear", "Fire"),
        description="One\ntwo; 3,5",
        facts=(("Players", "1 to 4"), ("Site", "https://x")),
        picture="a b.png",
        pictures=("b.png", "c.svg"),
    )


@pytest.mark.parametrize(
    "name", ["سيف التنين", "🐉 Dragon 👩‍👩‍👧", "<script>alert(1)</script>", "=1+1", 'The "Sword"', "剣"]
)
def test_names_are_texts_of_any_kind(name: str) -> None:
    assert _read(_one(name=name))[0].name == name


@pytest.mark.parametrize(
    ("price", "currency", "minor"),
    [("0", "USD", 0), ("12.5", "USD", 1250), ("12,50", "USD", 1250), ("500", "JPY", 500), ("1,234", "KWD", 1234)],
)
def test_prices_have_a_comma_or_a_point(price: str, currency: str, minor: int) -> None:
    assert _read(_one(price=price, currency=currency))[0].price == minor


@pytest.mark.parametrize(
    ("price", "currency"),
    [
        *[
            (price, "USD")
            for price in ("", "abc", "-1", "1e3", "NaN", "inf", "$5", "1,000", "1.000", "12.345", "١٢")
        ],
        *[(price, "USD") for price in ("1,234.56", "1 000", "9" * 40, ".5", "5.")],
        ("1.5", "JPY"),
        ("1.2345", "KWD"),
    ],
)
def test_what_is_no_amount_is_refused(price: str, currency: str) -> None:
    (problem,) = _problems(_one(price=price, currency=currency))
    assert problem.startswith(f'items.csv line 2, column price: "{price}" is not an amount in {currency}')


@pytest.mark.parametrize(
    ("column", "text", "reason"),
    [
        ("sku", "Dragon Sword", "is not 1 to 64 of a-z"),
        ("sku", "a" * 65, "is not 1 to 64 of a-z"),
        ("sku", "../x", "is not 1 to 64 of a-z"),
        ("name", " ", "is empty"),
        ("name", "n" * 201, "has 201 characters; at most 200"),
        ("name", "a\nb", "contains a line break"),
        ("name", "a\0b", "contains the control character U+0000"),
        ("name", "a\x1b[2J", "contains the control character U+001B"),
        ("description", "a\0b", "contains the control character U+0000"),
        ("description", "d" * 20_001, "has 20001 characters; at most 20000"),
        ("tagline", "t" * 161, "has 161 characters; at most 160"),
        ("tags", "a|b|c|d|e|f|g", "has 7 tags; at most 6"),
        ("tags", "t" * 31, "has 31 characters; at most 30"),
        ("facts", "|".join(f"a{n}: b" for n in range(13)), "has 13 facts; at most 12"),
        ("facts", "Players", '"Players" is not "Label: value"'),
        ("facts", "Players:", '"Players:" is not "Label: value"'),
        ("facts", "l" * 41 + ": x", "has 41 characters; at most 40"),
        ("facts", "x: " + "v" * 201, "has 201 characters; at most 200"),
        ("kind", "weapon", '"weapon" is not one of non_consumable, consumable'),
        ("kind", "", '"" is not one of non_consumable, consumable'),
        ("currency", "dollars", '"dollars" is not a currency'),
        ("pictures", "a|b|c|d|e|f", "has 6 further pictures; at most 5"),
    ],
)
def test_what_breaks_a_rule_is_named(column: str, text: str, reason: str) -> None:
    (problem,) = _problems(_one(**{column: text}))
    assert problem.startswith(f"items.csv line 2, column {column}: ")
    assert reason in problem
    assert len(problem) < 200


@pytest.mark.parametrize(
    "text", [_one(name="a\x1b]0;title\x07b"), _one(kind="\x9b2J"), _one(sku="\x08"), "sku,name,\x1b[31mprice\n"]
)
def test_no_problem_controls_the_terminal_that_shows_it(text: str) -> None:
    for problem in _problems(text):
        assert problem.isprintable()


def test_all_problems_are_found_at_once() -> None:
    text = f'{HEADER},description\n{LINE},"two\nlines"\ndragon-sword,,abc,weapon\n\ny,Y,1,consumable,,more\n'
    assert _problems(text) == [
        'items.csv line 4, column sku: "dragon-sword" is in line 2 too',
        "items.csv line 4, column name: is empty",
        'items.csv line 4, column price: "abc" is not an amount in USD',
        'items.csv line 4, column kind: "weapon" is not one of non_consumable, consumable',
        "items.csv line 6: has more than the 5 cells of the header",
    ]


def test_all_items_have_one_currency() -> None:
    assert _problems("sku,name,price,kind,currency\na,A,1,consumable,EUR\nb,B,1,consumable,\n") == [
        "items.csv line 3, column currency: USD differs from EUR in line 2; all items have one currency"
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ["items.csv line 1: is empty; the columns are sku, "]),
        (b"\r\n \r\n", ["items.csv line 1: is empty; the columns are sku, "]),
        (b"sku,name,price,kind,colour\n", ["items.csv line 1, column colour: there is no such column; "]),
        (
            b"sku,name,sku,kind\n",
            ["items.csv line 1, column sku: is there twice", "items.csv line 1, column price: is"],
        ),
        (b"sku,name,price,kind\na,\xff,1,consumable\n", ["items.csv line 2: is not UTF-8"]),
        ("sku,name".encode("utf-16"), ["items.csv line 1: is not UTF-8"]),
        (b'sku,name,price,kind\na,"A,1,consumable\n', ["items.csv line 2: is not CSV: "]),
        (b"sku,name,price,kind\na," + b"x" * 140_000 + b",1,consumable\n", ["items.csv line 2: is not CSV: "]),
        (b"PK\x03\x04\x00", ["items.csv line 1, column pk"]),
    ],
)
def test_a_file_that_is_no_table_is_refused(content: bytes, expected: list[str]) -> None:
    problems = _problems(content)
    assert [problem[: len(start)] for problem, start in zip(problems, expected, strict=False)] == expected


def test_a_folder_without_the_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"items\.csv cannot be read: No such file or directory\."):
        read_folder(tmp_path)


def test_a_missing_or_broken_picture_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    header = "sku,name,price,kind,picture,pictures\n"
    lines = ["a,A,1,consumable,broken.png,broken.png|x.png", "b,B,1,consumable,broken.png,../a.png|/etc/passwd|."]
    (tmp_path / "items.csv").write_text(header + "\n".join(lines), encoding="utf-8")
    with pytest.raises(BadCatalogue) as refused:
        read_folder(tmp_path)
    assert str(refused.value).splitlines() == [
        'items.csv line 2, column picture: "broken.png" is not a whole PNG, JPEG, WebP or SVG picture',
        'items.csv line 2, column pictures: "x.png" is not in the folder',
        'items.csv line 3, column pictures: "../a.png" is not the name of a file in the folder',
        'items.csv line 3, column pictures: "/etc/passwd" is not the name of a file in the folder',
        'items.csv line 3, column pictures: "." is not the name of a file in the folder',
    ]


@pytest.mark.parametrize(
    "changed", [{}, {"tags": ("Gear", "Ice")}, {"facts": (("A", "b: c"),)}, {"name": 'a,"b";c'}]
)
def test_what_is_written_is_read_again(changed: dict[str, Any]) -> None:
    item = FolderItem(**{"sku": "x", "name": "X", "price": 5, "currency": "KWD", "kind": "consumable", **changed})
    assert read_content(to_csv([item])).items == [item]


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+5 Sword", "-20 %", "@home", "'=1", "\uff1d1", "'Tis", "''"])
def test_no_cell_that_is_written_is_a_formula(name: str) -> None:
    item = FolderItem("x", name, 5, "USD", "consumable", tags=(name,), facts=((name, name),), description=name)
    cells = next(csv.DictReader(to_csv([item]).decode("utf-8-sig").splitlines()))
    assert not [cell for cell in cells.values() if cell.startswith(("=", "+", "-", "@", "\uff1d"))]
    assert read_content(to_csv([item])).items == [item]


_pieces = [*'ab,;"|: \r\n\0\ufeff0.,é=', "'", "consumable", "USD", "1,5", "sku"]
_texts = st.lists(st.sampled_from(_pieces), max_size=60).map("".join)
_tables = _texts.map(lambda text: f"{HEADER},facts\n{text}")


@settings(deadline=None)
@given(st.binary(max_size=80) | (_texts | _tables).map(str.encode))
def test_any_file_is_read_or_refused(content: bytes) -> None:
    with suppress(BadCatalogue):
        items = read_content(content).items
        assert read_content(to_csv(items)).items == items
