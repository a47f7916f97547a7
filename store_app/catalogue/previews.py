"""The picture of an item that other sites show beside a link to it (og:image): 1200x630, made from its cover.

Social networks do not show SVG. A raster cover needs no other picture.
"""

import hashlib
import re
import subprocess
import sys

from defusedxml import ElementTree

from store_app.catalogue import pictures

WIDTH, HEIGHT = 1200, 630
_RASTER = re.compile(r"(/pictures/[0-9a-f]{16})-([0-9]+)\.webp")
# In a process of its own: resvg keeps Python's lock, and would stop all of the store for a fifth of a second.
_PROGRAM = (
    "import resvg_py, sys; "
    "sys.stdout.buffer.write(resvg_py.svg_to_bytes(svg_string=sys.stdin.buffer.read().decode('utf-8')))"
)
_TIMEOUT_SECONDS = 20


def raster_of(image: str, least: int) -> str:
    """Return the address of the narrowest picture that is at least so wide, of an imported raster picture.

    Any other address is returned as it is.
    """
    found = _RASTER.fullmatch(image)
    if found is None:
        return image
    widest = int(found[2])
    width = next((one for one in pictures.WIDTHS if least <= one <= widest), widest)
    return f"{found[1]}-{width}.webp"


def is_raster(image: str) -> bool:
    """Whether an address is that of an imported raster picture."""
    return _RASTER.fullmatch(image) is not None


def version(image: str, name: str) -> str:
    """Return what changes when the preview of an item does: a part of its address, so that it can be kept."""
    return hashlib.sha256(f"{image}\n{name}".encode("utf-8", "replace")).hexdigest()[:12]


def draw(svg: str) -> bytes:
    """Return an SVG as PNG of 1200x630 pixels; what does not fit is cut off at both sides.

    Raises:
        ValueError: it cannot be drawn.
    """
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError as error:
        raise ValueError("not an SVG") from error
    if "viewBox" not in root.attrib:
        root.set("viewBox", f"0 0 {root.get('width', '460')} {root.get('height', '215')}")
    root.attrib.update(width=str(WIDTH), height=str(HEIGHT), preserveAspectRatio="xMidYMid slice")
    command = [sys.executable, "-c", _PROGRAM]
    try:
        text = ElementTree.tostring(root, encoding="utf-8")
        done = subprocess.run(command, input=text, capture_output=True, check=True, timeout=_TIMEOUT_SECONDS)
    # RecursionError: elements are nested about a thousand deep.
    except (RecursionError, subprocess.SubprocessError) as error:
        raise ValueError("cannot be drawn") from error
    png: bytes = done.stdout
    return png
