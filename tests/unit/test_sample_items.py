"""The sample items: complete, sellable, and each with a cover of its own."""

import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from store_app.catalogue import sample_items as sample_items_module
from store_app.catalogue.folder import read_folder
from store_app.catalogue.pictures import COVERS
from store_app.catalogue.sample_items import sample_items

Row = dict[str, Any]
ITEMS = sample_items()
PICTURES = sorted(COVERS.glob("*.svg"))
SAMPLES = Path(sample_items_module.__file__).parent / "samples" / "items.csv"
FIRST_TAGS = {"Game", "Gear", "Currency", "Bundle", "Pet", "Music"}
FORBIDDEN = {"script", "foreignObject", "image", "text", "style", "a"}
MAX_PICTURE_BYTES = 5_000

each_item = pytest.mark.parametrize("item", ITEMS, ids=lambda item: item["sku"])
each_picture = pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.stem)


def _drawing(picture: Path) -> ET.Element:
    return ET.XML(picture.read_text(encoding="utf-8"))


def test_the_five_specified_items_come_first() -> None:
    assert [(item["sku"], item["name"], item["price"]) for item in ITEMS[:5]] == [
        ("dragon-sword", "Dragon Sword", 99_999),
        ("magic-shield", "Magic Shield", 49_999),
        ("speed-boots", "Speed Boots", 29_999),
        ("health-potion", "Health Potion", 4_999),
        ("wizard-hat", "Wizard Hat", 19_999),
    ]


def test_there_are_at_least_24_items() -> None:
    assert len(ITEMS) >= 24


def test_skus_and_names_are_unique() -> None:
    assert len({item["sku"] for item in ITEMS}) == len(ITEMS)
    assert len({item["name"] for item in ITEMS}) == len(ITEMS)


def test_both_kinds_and_all_price_ranges_are_present() -> None:
    assert {item["kind"] for item in ITEMS} == {"consumable", "non_consumable"}
    assert min(item["price"] for item in ITEMS) == 99
    assert max(item["price"] for item in ITEMS) == 149_999


def test_every_picture_has_an_item_and_every_item_a_cover() -> None:
    assert [item["image"] for item in ITEMS] == [f"/covers/{item['sku']}.svg" for item in ITEMS]
    assert sorted(path.name for path in PICTURES) == sorted(
        address.removeprefix("/covers/") for item in ITEMS for address in (item["image"], *item["pictures"])
    )


def test_no_two_pictures_are_the_same() -> None:
    assert len({path.read_bytes() for path in PICTURES}) == len(PICTURES)


def test_the_samples_are_a_catalogue_folder(tmp_path: Path) -> None:
    for path in (*PICTURES, SAMPLES):
        shutil.copy(path, tmp_path)
    assert [item.sku for item in read_folder(tmp_path).items] == [item["sku"] for item in ITEMS]


@each_item
def test_an_item_has_what_a_sale_needs(item: Row) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", item["sku"])
    assert item["price"] > 0
    assert item["description"].count(". ") >= 1
    assert item["description"].endswith(".")
    assert item["tagline"].endswith(".")
    assert 10 < len(item["tagline"]) <= 60
    assert item["tagline"] not in item["description"]
    assert item["tags"][0] in FIRST_TAGS
    assert 2 <= len(item["tags"]) <= 3
    assert 2 <= len(item["facts"]) <= 5


def test_no_two_items_have_the_same_tagline() -> None:
    assert len({item["tagline"] for item in ITEMS}) == len(ITEMS)


@each_picture
def test_a_picture_has_the_size_of_the_stores_covers(picture: Path) -> None:
    assert _drawing(picture).get("viewBox") == "0 0 460 215"
    assert picture.stat().st_size <= MAX_PICTURE_BYTES


@each_picture
def test_a_picture_contains_no_script_and_loads_nothing(picture: Path) -> None:
    for element in _drawing(picture).iter():
        assert element.tag.rpartition("}")[2] not in FORBIDDEN
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            assert not name.endswith("href") or value.startswith("#")
            assert "url(" not in value or value.startswith("url(#")
