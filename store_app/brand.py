"""The brand of the store: its name, logo and colors, and the addresses in the footer. It is built into the pages.

Read from the environment and `brand.env`, apart from the other settings, because the build needs no secrets.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from store_app.settings import BadSettings, sentences

FILE, PREFIX = "brand.env", "STORE_"
_TOKENS_FILE = Path(__file__).resolve().parent.parent / "assets/theme.css"
_TOKEN = re.compile(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);")
# The backgrounds of texts, and the least contrast to them (WCAG 2.2, 1.4.3).
BACKGROUNDS, MIN_CONTRAST = ("bg", "surface", "raised"), 4.5
_COLOR = "[0-9a-fA-F]{6}"


class Brand(BaseSettings):
    """The settings of the brand. Their names in the environment begin with STORE_."""

    model_config = SettingsConfigDict(
        env_file=FILE, env_prefix=PREFIX, env_file_encoding="utf-8", extra="ignore", frozen=True
    )

    name: str = Field("Digital Game Store", min_length=1, max_length=40, description="The name of the store.")
    logo: str = Field("", description="A square SVG file; empty: `assets/logo.svg`.")
    accent: str = Field(
        "",
        pattern=f"^(#{_COLOR} #{_COLOR})?$",
        description="The color of links in the light theme and in the dark one, as in `#8a4a00 #ffb84d`.",
    )
    button: str = Field("", pattern=f"^(#{_COLOR})?$", description="The color of the main buttons.")
    button_text: str = Field("", pattern=f"^(#{_COLOR})?$", description="The color of their text.")
    support: str = Field("", description="Where players get help: an e-mail address, or that of a page.")
    terms: str = Field("", description="The address of the terms of sale.")
    privacy: str = Field("", description="The address of the privacy notice.")
    imprint: str = Field("", description="The address of the page that says who runs the store.")

    @field_validator("terms", "privacy", "imprint")
    @classmethod
    def _must_be_address(cls, url: str) -> str:
        if url and not (urlsplit(url).scheme in {"http", "https"} and urlsplit(url).hostname):
            raise ValueError("must be an address such as https://studio.example/terms")
        return url

    @field_validator("support")
    @classmethod
    def _must_be_reachable(cls, support: str) -> str:
        return support if re.fullmatch(r"[^@\s:]+@[^@\s]+", support) else cls._must_be_address(support)

    @field_validator("logo")
    @classmethod
    def _must_be_svg(cls, path: str) -> str:
        if path:
            try:
                root: Element = ElementTree.parse(path).getroot()
            except (OSError, LookupError, ParseError, DefusedXmlException) as error:
                raise ValueError(f"must be the path of an SVG file: {error}") from None
            if root.tag != "{http://www.w3.org/2000/svg}svg":
                raise ValueError("must be the path of an SVG file")
        return path

    @model_validator(mode="after")
    def _must_be_readable(self) -> Self:
        used = tokens() | self._own_tokens()
        pairs = [("ACCENT", "accent", background) for background in BACKGROUNDS] + [
            ("BUTTON_TEXT", "on-fill", "fill")
        ]
        for setting, text, background in pairs:
            for one, other in zip(used[text], used[background], strict=True):
                if (found := contrast(one, other)) < MIN_CONTRAST:
                    raise ValueError(
                        f"{PREFIX}{setting}: {one} on {other} has a contrast of {found:.1f}, and texts need "
                        f"{MIN_CONTRAST} (WCAG 2.2, 1.4.3)"
                    )
        return self

    def _own_tokens(self) -> dict[str, tuple[str, str]]:
        light, _space, dark = self.accent.partition(" ")
        own = {"accent": (light, dark), "on-fill": (self.button_text,) * 2}
        own |= {"fill": (self.button,) * 2, "fill-2": (self.button,) * 2}
        return {name: colors for name, colors in own.items() if colors[0]}

    @property
    def css(self) -> str:
        """CSS with the colors of the brand, which override those of `theme.css`; empty if it has none."""
        own = [f"--{name}:light-dark({light},{dark});" for name, (light, dark) in self._own_tokens().items()]
        return f":root{{{''.join(own)}}}" if own else ""

    @property
    def support_link(self) -> str:
        """The address of the link to the support; empty if there is none."""
        return f"mailto:{self.support}" if "@" in self.support and "://" not in self.support else self.support


@lru_cache
def get_brand() -> Brand:
    """Return the brand of this process.

    Raises:
        BadSettings: values are refused; the message names all of them.
    """
    try:
        return Brand()
    except ValidationError as error:
        found = [f"{PREFIX}{problem.removeprefix(PREFIX)}" for problem in sentences(error)]
        raise BadSettings(found[0] if len(found) == 1 else "\n- ".join(["", *found])) from None


@lru_cache
def tokens() -> dict[str, tuple[str, str]]:
    """Return the colors of `theme.css` for the light theme and for the dark one."""
    found = _TOKEN.findall(_TOKENS_FILE.read_text(encoding="utf-8"))
    return {name: (light, dark) for name, light, dark in found}


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colors such as `#0b0d12`, from 1 to 21 (WCAG 2.2)."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: str) -> float:
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
