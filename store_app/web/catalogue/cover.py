"""A cover for an item that has no art, drawn from nothing but its name.

The same name always gives the same picture. The name is a stranger's text: it
is cleaned, shortened to what fits and escaped before it enters the SVG.
"""

import colorsys
import hashlib
import html
import math
import unicodedata
from collections.abc import Callable, Iterable
from itertools import accumulate

WIDTH, HEIGHT = 460, 215

_LABEL_EMS = 17.5  # room for the name at 22 px, with a margin on both sides
_LONGEST_CLUSTER = 12  # code points; the longest family emoji in use has 11
_MOST_MARKS = 3  # accents on one letter; more is decoration that overflows the cover
_ZERO_WIDTH_JOINER = "\u200d"
_KEPT_FORMAT_CHARACTERS = {"\u200c", _ZERO_WIDTH_JOINER}
_FONTS = "system-ui,'Segoe UI',Roboto,'Noto Sans',sans-serif"
_GEM = (
    '<path d="M190 84l22-26h36l22 26-40 50Z" fill="#fff" fill-opacity=".92"/>'
    '<path d="M190 84h80l-40 50ZM212 58l18 26 18-26Z" opacity=".14"/>'
)


def generated_cover(name: str) -> str:
    """Draw the cover of an item without art, as a complete SVG document.

    Any string is accepted: an empty one gets a gem in place of initials, and
    characters that XML forbids are left out.
    """
    text = _clean(name)
    seed = hashlib.sha256(text.encode()).digest()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' width="{WIDTH}" height="{HEIGHT}">{_background(seed)}{_lettering(text)}</svg>'
    )


# --- the name ---------------------------------------------------------------


def _clean(name: str) -> str:
    """Fold whitespace and look-alike forms, drop what cannot or should not be drawn."""
    folded = unicodedata.normalize("NFKC", " ".join(name.split()))
    return " ".join("".join(filter(_drawable, folded)).split())


def _drawable(char: str) -> bool:
    """Tell whether a character is legal in XML and visible in an ordinary font."""
    return unicodedata.category(char)[0] != "C" or char in _KEPT_FORMAT_CHARACTERS


def _clusters(text: str) -> list[str]:
    """Split text into what a reader sees as single characters, roughly."""
    clusters: list[str] = []
    for char in text:
        if not (clusters and _belongs(clusters[-1], char)):
            clusters.append(char)
        elif _has_room(clusters[-1], char):
            clusters[-1] += char
    return clusters


def _belongs(cluster: str, char: str) -> bool:
    """Tell whether ``char`` continues the cluster before it."""
    if _is_flag_half(char):
        return len(cluster) == 1 and _is_flag_half(cluster)
    return cluster[-1] == _ZERO_WIDTH_JOINER or _is_mark(char) or char in _KEPT_FORMAT_CHARACTERS


def _has_room(cluster: str, char: str) -> bool:
    if _is_mark(char) and sum(map(_is_mark, cluster)) >= _MOST_MARKS:
        return _ZERO_WIDTH_JOINER in cluster and len(cluster) < _LONGEST_CLUSTER
    return len(cluster) < _LONGEST_CLUSTER


def _is_mark(char: str) -> bool:
    is_skin_tone = "\U0001f3fb" <= char <= "\U0001f3ff"
    return is_skin_tone or unicodedata.category(char)[0] == "M"


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _is_right_to_left(text: str) -> bool:
    """Tell the direction of a text by its first letter that has one."""
    directions = (unicodedata.bidirectional(char) for char in text)
    return next((d in {"R", "AL"} for d in directions if d in {"L", "R", "AL"}), False)


def _initials(text: str) -> str:
    """Take the first letter of the first two words, or one emoji, or nothing."""
    found = [letter for word in text.split() if (letter := _initial(word))]
    # Two Arabic letters side by side would join into one meaningless word.
    wanted = 1 if _is_right_to_left(text) or not all(map(_is_lettered, found[:2])) else 2
    return "".join(found[:wanted]).upper()


def _initial(word: str) -> str:
    shown = (c for c in _clusters(word) if _is_lettered(c) or unicodedata.category(c[0]) == "So")
    return next(shown, "")


def _is_lettered(cluster: str) -> bool:
    return cluster[0].isalnum()


def _shortened(text: str) -> str:
    """Cut text to the width of the cover, with an ellipsis where it was cut."""
    clusters = _clusters(text)
    widths = accumulate(map(_width, clusters))
    fitting = sum(width <= _LABEL_EMS for width in widths)
    if fitting == len(clusters):
        return "".join(clusters)
    return "".join(clusters[: fitting - 1]).rstrip() + "\u2026"


def _width(cluster: str) -> float:
    """Estimate, on the wide side, how many ems a character takes in a bold font."""
    char = cluster[0]
    if unicodedata.east_asian_width(char) in {"W", "F"} or char in "MWmw@%":
        return 1.1
    return 0.8 if char.isupper() or not char.isascii() else 0.62


# --- the lettering ----------------------------------------------------------


def _lettering(text: str) -> str:
    initials, label = _initials(text), _shortened(text)
    large = _text(initials, y=124, size=96, weight=800, opacity=1) if initials else _GEM
    return large + (_text(label, y=178, size=22, weight=600, opacity=0.86) if label else "")


def _text(text: str, *, y: int, size: int, weight: int, opacity: float) -> str:
    """Set one centred line with a soft shadow under it."""
    shared = (
        f'x="{WIDTH // 2}" text-anchor="middle" font-family="{_FONTS}" font-size="{size}"'
        f' font-weight="{weight}"' + (' direction="rtl"' if _is_right_to_left(text) else "")
    )
    shown = html.escape(text)
    return (
        f'<text {shared} y="{y + size / 32:g}" fill="#000" fill-opacity=".35">{shown}</text>'
        f'<text {shared} y="{y}" fill="#fff" fill-opacity="{opacity}">{shown}</text>'
    )


# --- the background ---------------------------------------------------------


def _background(seed: bytes) -> str:
    """Lay gradient, pattern and glow; ids carry the seed so covers can share a page."""
    hue, draw = seed[0] / 256, _PATTERNS[seed[1] % len(_PATTERNS)]
    sky, glow = f"s{seed.hex()[:8]}", f"g{seed.hex()[:8]}"
    accent = _colour(hue + 0.08, 0.62, 0.75)
    return (
        f'<defs><linearGradient id="{sky}" x2="1" y2="1">'
        f'<stop stop-color="{_colour(hue, 0.3, 0.6)}"/>'
        f'<stop offset="1" stop-color="{_colour(hue + 0.16, 0.12, 0.65)}"/></linearGradient>'
        f'<radialGradient id="{glow}"><stop stop-color="{accent}" stop-opacity=".5"/>'
        f'<stop offset="1" stop-color="{accent}" stop-opacity="0"/></radialGradient></defs>'
        f'{_sheet(sky)}<g fill="none" stroke="{accent}" stroke-width="2" stroke-opacity=".38">'
        f"{draw(seed[2:])}</g>{_sheet(glow)}"
    )


def _sheet(fill: str) -> str:
    return f'<rect width="{WIDTH}" height="{HEIGHT}" fill="url(#{fill})"/>'


def _colour(hue: float, lightness: float, saturation: float) -> str:
    channels = colorsys.hls_to_rgb(hue % 1, lightness, saturation)
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in channels)


def _path(points: Iterable[tuple[float, float]], *, closed: bool = True) -> str:
    line = "L".join(f"{x:.0f} {y:.0f}" for x, y in points)
    return f'<path d="M{line}{"Z" if closed else ""}"/>'


def _polygon(x: float, y: float, radius: float, corners: int, turn: float = 0) -> str:
    angles = (turn + 2 * math.pi * k / corners for k in range(corners))
    return _path((x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles)


def _rings(seed: bytes) -> str:
    x, y = 60 + 340 * seed[0] // 255, 215 * seed[1] // 255
    return "".join(f'<circle cx="{x}" cy="{y}" r="{r}"/>' for r in range(24, 430, 26))


def _rays(seed: bytes) -> str:
    x, turn = 80 + 300 * seed[0] // 255, seed[1] / 40
    angles = (turn + math.pi * k / 14 for k in range(28))
    ends = ((x + 520 * math.cos(a), 240 + 520 * math.sin(a)) for a in angles)
    return "".join(_path([(x, 240), end], closed=False) for end in ends)


def _peaks(seed: bytes) -> str:
    return "".join(_range_of_peaks(seed[row * 9 :][:9], 110 + 34 * row) for row in range(3))


def _range_of_peaks(seed: bytes, base: int) -> str:
    tops = [(58 * k - 2, base - (byte / 4 if k % 2 else 0)) for k, byte in enumerate(seed)]
    return _path([(-4, HEIGHT + 4), *tops, (WIDTH + 4, HEIGHT + 4)])


def _hexagons(seed: bytes) -> str:
    cells = ((column, row) for row in range(6) for column in range(9))
    kept = (cell for cell, k in zip(cells, range(54), strict=True) if seed[k % len(seed)] > k * 2 % 97)
    return "".join(_polygon(column * 56 + row % 2 * 28, row * 48, 29, 6, math.pi / 6) for column, row in kept)


def _gems(seed: bytes) -> str:
    places = zip(seed[0:14], seed[14:28], strict=True)
    return "".join(_polygon(x * 1.8, y * 0.84, 10 + (x ^ y) / 8, 4) for x, y in places)


def _waves(seed: bytes) -> str:
    lift = 14 + seed[0] // 8
    curve = f"q57-{lift} 115 0t{' 115 0' * 7}"
    starts = ((-seed[1] // 3 - 14 * row, 18 * row) for row in range(14))
    return "".join(f'<path d="M{x} {y}{curve}"/>' for x, y in starts)


_PATTERNS: tuple[Callable[[bytes], str], ...] = (_rings, _rays, _peaks, _hexagons, _gems, _waves)
