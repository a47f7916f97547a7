"""Generated covers: well-formed, repeatable and safe for any name."""

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store_app.web.catalogue.cover import generated_cover

RELEASED_SKY_COLORS = ["#357a1f", "#0c3127"]
SVG = "{http://www.w3.org/2000/svg}"
UNUSUAL_NAMES = [
    "",
    "   \t\n",
    "x" * 200,
    "W" * 200,
    "Sword of " * 25,
    "\U0001f409\U0001f525",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 Family",
    "\U0001f1eb\U0001f1f7\U0001f1ef\U0001f1f5",
    "\u05d7\u05e8\u05d1 \u05d4\u05d3\u05e8\u05e7\u05d5\u05df",
    "\u0633\u064a\u0641 \u0627\u0644\u062a\u0646\u064a\u0646",
    "\u9f8d\u306e\u5263" * 30,
    "Z\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u030a\u030b algo",
    "<script>alert(1)</script>",
    "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e",
    "\"' onload='alert(1)' & ]]> -->",
    "\x00\x01\x0b\x1f\x7f\ufffe\uffff",
    "Dragon\x00 Sword\x1b[31m",
    "\u202eevil\u202c",
    "\ud800 lone surrogate",
    "...---!!!",
]


def _lines(svg: str) -> list[str]:
    """Return each text on the cover once, without the shadows."""
    texts = ET.XML(svg).iter(f"{SVG}text")
    return list(dict.fromkeys(text.text or "" for text in texts))


@settings(deadline=None)  # a slow machine is no failure
@given(st.text(max_size=250))
def test_any_name_gives_well_formed_svg(name: str) -> None:
    root = ET.XML(generated_cover(name))
    assert root.tag == f"{SVG}svg"
    assert root.get("viewBox") == "0 0 460 215"


@settings(deadline=None)
@given(st.text())
def test_the_same_name_gives_the_same_picture(name: str) -> None:
    assert generated_cover(name) == generated_cover(name)


@settings(deadline=None)
@given(st.text())
def test_a_name_cannot_add_elements_to_the_svg(name: str) -> None:
    allowed = {"svg", "defs", "linearGradient", "radialGradient", "stop"}
    allowed |= {"rect", "g", "path", "circle", "text"}
    tags = {element.tag.removeprefix(SVG) for element in ET.XML(generated_cover(name)).iter()}
    assert tags <= allowed


@pytest.mark.parametrize("name", UNUSUAL_NAMES, ids=ascii)
def test_unusual_names_are_drawn_and_fit(name: str) -> None:
    svg = generated_cover(name)
    svg.encode()
    assert all(len(line) <= 40 for line in _lines(svg))


def test_the_picture_is_the_released_one() -> None:
    """A change of the colors changes every store's pictures, so it must be intended."""
    assert re.findall(r"#[0-9a-f]{6}", generated_cover("Dragon Sword"))[:2] == RELEASED_SKY_COLORS


def test_different_names_have_different_pictures() -> None:
    pictures = {re.sub(r"<text.*", "", generated_cover(f"Item {n}")) for n in range(100)}
    assert len(pictures) == 100


def test_a_cover_shows_an_initial_and_the_name() -> None:
    assert _lines(generated_cover("dragon sword of dawn")) == ["D", "dragon sword of dawn"]


def test_a_long_name_ends_in_an_ellipsis() -> None:
    assert _lines(generated_cover("Sword of " * 25))[1].endswith("\u2026")


def test_an_empty_name_gets_a_gem_and_no_text() -> None:
    assert _lines(generated_cover("")) == []


def test_markup_is_shown_as_text() -> None:
    assert _lines(generated_cover("<script>")) == ["S", "<script>"]


def test_control_characters_are_removed() -> None:
    assert _lines(generated_cover("Dragon\x00 Sw\x1bord")) == ["D", "Dragon Sword"]


def test_a_joined_emoji_is_not_split() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert _lines(generated_cover(f"{family} Family"))[0] == family


def test_a_letter_with_endless_accents_keeps_a_few() -> None:
    assert _lines(generated_cover("Zq" + "\u0305" * 50))[1] == "Zq" + "\u0305" * 11


def test_a_right_to_left_name_begins_with_its_own_first_letter() -> None:
    assert _lines(generated_cover("\u0633\u064a\u0641 \u0627\u0644\u062a\u0646\u064a\u0646"))[0] == "\u0633"
