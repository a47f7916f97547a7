"""The sample items: complete, sellable, and each with a cover of its own."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from store_app.catalogue.sample_items import sample_items

Row = dict[str, Any]
ITEMS = sample_items()
COVERS = Path(__file__).parents[2] / "assets" / "covers"
FORBIDDEN = {"script", "foreignObject", "image", "text", "style", "a"}
MAX_COVER_BYTES = 4_300

each_item = pytest.mark.parametrize("item", ITEMS, ids=lambda item: item["sku"])


def _cover(item: Row) -> ET.Element:
    return ET.XML((COVERS / f"{item['sku']}.svg").read_text(encoding="utf-8"))


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


def test_every_cover_has_an_item_and_every_item_a_cover() -> None:
    assert {path.stem for path in COVERS.glob("*.svg")} == {item["sku"] for item in ITEMS}


def test_no_two_covers_are_the_same() -> None:
    assert len({path.read_bytes() for path in COVERS.glob("*.svg")}) == len(ITEMS)


@each_item
def test_an_item_has_what_a_sale_needs(item: Row) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", item["sku"])
    assert item["price"] > 0
    assert item["description"].count(". ") >= 1
    assert item["description"].endswith(".")


@each_item
def test_a_cover_has_the_size_of_the_stores_covers(item: Row) -> None:
    assert _cover(item).get("viewBox") == "0 0 460 215"
    assert (COVERS / f"{item['sku']}.svg").stat().st_size <= MAX_COVER_BYTES


@each_item
def test_a_cover_contains_no_script_and_loads_nothing(item: Row) -> None:
    for element in _cover(item).iter():
        assert element.tag.rpartition("}")[2] not in FORBIDDEN
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            assert not name.endswith("href") or value.startswith("#")
            assert "url(" not in value or value.startswith("url(#")
