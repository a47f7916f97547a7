"""The pictures that other sites show beside links, and the widths of imported pictures."""

import asyncio
import struct

import pytest

from store_app.catalogue import previews
from store_app.web.catalogue.cover import generated_cover


def _size(png: bytes) -> tuple[int, int]:
    width, height = struct.unpack("!II", png[16:24])
    return width, height


@pytest.mark.parametrize("name", ["Dragon Sword", "\u0633\u064a\u0641", "\U0001f409", "<script>", ""])
def test_a_cover_of_any_name_is_drawn(name: str) -> None:
    assert _size(previews.draw(generated_cover(name))) == (1200, 630)


@pytest.mark.parametrize("svg", ["", "<svg", "<p/>", "<g>" * 3_000 + "</g>" * 3_000])
def test_what_is_no_picture_is_refused(svg: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        previews.draw(svg)


async def _turns_while_drawing() -> int:
    turns = 0
    drawing = asyncio.create_task(asyncio.to_thread(previews.draw, generated_cover("Dragon Sword")))
    while not drawing.done():
        await asyncio.sleep(0.001)
        turns += 1
    return turns


def test_drawing_does_not_stop_the_rest_of_the_store() -> None:
    # While Python's lock is kept there would be one or two.
    assert asyncio.run(_turns_while_drawing()) > 10


@pytest.mark.parametrize(
    ("image", "least", "expected"),
    [
        ("/pictures/0123456789abcdef-1840.webp", 460, "/pictures/0123456789abcdef-460.webp"),
        ("/pictures/0123456789abcdef-1840.webp", 1200, "/pictures/0123456789abcdef-1380.webp"),
        ("/pictures/0123456789abcdef-300.webp", 460, "/pictures/0123456789abcdef-300.webp"),
        ("/pictures/0123456789abcdef-920.webp", 1200, "/pictures/0123456789abcdef-920.webp"),
        ("/covers/dragon-sword.svg", 460, "/covers/dragon-sword.svg"),
        ("", 460, ""),
    ],
)
def test_the_narrowest_picture_that_is_wide_enough_is_shown(image: str, least: int, expected: str) -> None:
    assert previews.raster_of(image, least) == expected


def test_a_new_cover_or_name_has_another_address() -> None:
    assert len({previews.version(*one) for one in (("/a", "A"), ("/b", "A"), ("/a", "B"))}) == 3
