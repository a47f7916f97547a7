"""A cover for an item without a picture of its own, drawn from its name: the same name gives the same cover.

The name is untrusted text: it is cleaned, shortened and escaped before it enters the SVG.
"""

import colorsys
import hashlib
import html
import unicodedata

import regex

WIDTH, HEIGHT = 460, 215
MAX_LABEL_LENGTH, MAX_LARGE_LABEL_LENGTH = 26, 18
# A cluster is what a reader sees as one character. The longest family emoji has 11 code points.
MAX_CLUSTER_LENGTH = 12
_KEPT_FORMAT_CHARACTERS = {"\u200c", "\u200d"}
_FONT = "system-ui,'Segoe UI',Roboto,'Noto Sans',sans-serif"
_GEM = '<path d="M190 84l22-26h36l22 26-40 50Z" fill="#fff" fill-opacity=".9"/>'


def generated_cover(name: str) -> str:
    """Return a complete SVG document for any string."""
    text = _clean(name)
    clusters = [cluster[:MAX_CLUSTER_LENGTH] for cluster in regex.findall(r"\X", text)]
    initial = next((cluster for cluster in clusters if _can_stand_alone(cluster[0])), "").upper()
    fits = len(clusters) <= MAX_LABEL_LENGTH
    label = "".join(clusters if fits else [*clusters[: MAX_LABEL_LENGTH - 1], "\u2026"])
    large = _text(initial, y=124, size=96) if initial else _GEM
    # Small enough for 26 wide letters.
    small = _text(label, y=178, size=22 if len(clusters) <= MAX_LARGE_LABEL_LENGTH else 15) if label else ""
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    background = _background(hashlib.sha256(text.encode()).digest())
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{background}{large}{small}</svg>'


def _clean(name: str) -> str:
    """Return the name in normal form, without what XML forbids or fonts do not show."""
    folded = unicodedata.normalize("NFKC", " ".join(name.split()))
    shown = (char for char in folded if unicodedata.category(char)[0] != "C" or char in _KEPT_FORMAT_CHARACTERS)
    return " ".join("".join(shown).split())


def _can_stand_alone(char: str) -> bool:
    """Whether it is a letter, a digit or a picture such as an emoji."""
    return char.isalnum() or unicodedata.category(char) == "So"


def _text(text: str, *, y: int, size: int) -> str:
    # "plaintext": the text itself says whether it runs from right to left.
    style = f'text-anchor="middle" font-family="{_FONT}" font-weight="700" unicode-bidi="plaintext"'
    return f'<text x="{WIDTH // 2}" y="{y}" font-size="{size}" fill="#fff" {style}>{html.escape(text)}</text>'


def _background(seed: bytes) -> str:
    """Return a gradient with rings; ids carry the seed, so that covers can share a page."""
    hue, gradient = seed[0] / 256, f"g{seed.hex()[:8]}"
    x, y = 60 + 340 * seed[1] // 255, 215 * seed[2] // 255
    rings = "".join(f'<circle cx="{x}" cy="{y}" r="{radius}"/>' for radius in range(24, 430, 26 + seed[3] // 16))
    return (
        f'<defs><linearGradient id="{gradient}" x2="1" y2="1"><stop stop-color="{_color(hue, 0.3)}"/>'
        f'<stop offset="1" stop-color="{_color(hue + 0.16, 0.12)}"/></linearGradient></defs>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="url(#{gradient})"/>'
        f'<g fill="none" stroke="{_color(hue + 0.08, 0.6)}" stroke-width="2" stroke-opacity=".4">{rings}</g>'
    )


def _color(hue: float, lightness: float) -> str:
    channels = colorsys.hls_to_rgb(hue % 1, lightness, 0.6)
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in channels)
