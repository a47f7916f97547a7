"""Checks the pictures of a catalogue folder, and stores what pages need of them.

Photographs become WebP in several widths, without metadata; drawings stay SVG, if they can neither run nor load
anything.
"""

import hashlib
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from PIL import Image, ImageCms, ImageOps

from store_app.catalogue.pictures import ADDRESS, WIDTHS, picture_file, write
from store_app.errors import Refusal

QUALITY = 82
MAX_BYTES, MAX_PIXELS = 20_000_000, 40_000_000
# WebP allows 16,383 pixels.
MAX_HEIGHT_PER_WIDTH = 5
FORMATS = ("PNG", "JPEG", "WEBP")
_SVG = "{http://www.w3.org/2000/svg}"
# Browsers apply elements of HTML in a drawing too: <meta http-equiv=refresh> would open another site.
_HTML = "{http://www.w3.org/1999/xhtml}"
_FORBIDDEN_TAGS = {"script", "foreignobject", "iframe", "object", "embed", "audio", "video", "handler", "listener"}
_STYLESHEET = re.compile(r"<\?xml-stylesheet", re.IGNORECASE)
_OTHER_ENCODING = re.compile(r"<\?xml[^>]*encoding\s*=\s*[\"'](?!utf-8[\"'])", re.IGNORECASE)
_OWN_REFERENCE = re.compile(r"#|data:image/(?:png|jpeg|webp|gif);base64,", re.IGNORECASE)
# In a style: a reference to anything but a part of the same file. A backslash can spell `url` in other ways.
_OUTER_STYLE = re.compile(r"@import|\\|image-set\(|\bsrc\(|url\(\s*[\"']?\s*(?!#|[\"'\s])", re.IGNORECASE)


class BadPicture(Refusal):
    """A file is no picture that the store can show; the sentence goes on from its name."""

    status = 422
    code = "bad-picture"


def check(path: Path) -> str:
    """Return the address that a picture has once it is stored.

    Raises:
        BadPicture: the store cannot show it.
    """
    content = _read(path)
    if _is_svg(content):
        _check_svg(content)
        return f"{ADDRESS}{_hash(content)}.svg"
    return f"{ADDRESS}{_webp_name(content, _widths(_load(content))[-1])}"


def store(path: Path) -> str:
    """Write what pages need of a picture; return its address. A repeat changes nothing.

    Raises:
        BadPicture: the store cannot show it.
        OSError: the files cannot be written.
    """
    content = _read(path)
    if _is_svg(content):
        _check_svg(content)
        name = f"{_hash(content)}.svg"
        write(name, content)
        return ADDRESS + name
    image = _load(content)
    for width in _widths(image):
        name = _webp_name(content, width)
        if picture_file(name) is None:
            write(name, _webp(image, width))
    return ADDRESS + name


def _read(path: Path) -> bytes:
    try:
        # A symbolic link in somebody else's catalogue may lead to a private file of this machine.
        if path.is_symlink():
            raise BadPicture("is a link; copy the picture itself into the folder")
        if not path.is_file():
            raise BadPicture("is not in the folder")
        if path.stat().st_size > MAX_BYTES:
            raise BadPicture(f"is larger than {MAX_BYTES // 1_000_000} MB")
        return path.read_bytes()
    except OSError as error:
        raise BadPicture(f"cannot be read: {error.strerror}") from None


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


# --- photographs


def _webp_name(content: bytes, width: int) -> str:
    return f"{_hash(content)}-{width}.webp"


def _load(content: bytes) -> Image.Image:
    """Return the whole picture, upright, in sRGB."""
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            _check_size(image)
            image.load()
            upright = ImageOps.exif_transpose(image)
    except Image.DecompressionBombError:
        raise BadPicture(f"has more than {MAX_PIXELS // 1_000_000} million pixels") from None
    except Exception:  # noqa: BLE001 - what a broken file makes Pillow raise is not documented
        raise BadPicture("is not a whole PNG, JPEG, WebP or SVG picture") from None
    if upright.height > upright.width * MAX_HEIGHT_PER_WIDTH:
        raise BadPicture(f"is more than {MAX_HEIGHT_PER_WIDTH} times as high as it is wide")
    return _in_srgb(upright)


def _check_size(image: Image.Image) -> None:
    """Raise Pillow's own error for a picture that is too large, of which only the header was read."""
    if image.width * image.height > MAX_PIXELS:
        raise Image.DecompressionBombError


def _in_srgb(image: Image.Image) -> Image.Image:
    """Return the picture as WebP holds it: 8 bits of red, green, blue, and transparency where it has some."""
    if image.mode.startswith("I"):
        # 16 bits of gray, which `convert` would cut off and not scale.
        image = image.point(lambda level: level / 256).convert("L")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    profile = image.info.get("icc_profile")
    if profile and mode == "RGBA" and image.mode == "RGB":
        # One color means transparent; the conversion of the color profile would drop that.
        image = image.convert(mode)
    if profile and image.mode in {"RGB", "RGBA", "CMYK"}:
        try:
            source, srgb = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, source, srgb, outputMode=mode)
        except (ImageCms.PyCMSError, OSError, ValueError):
            converted = None
        if converted is not None:
            return converted
    return image.convert(mode)


def _widths(image: Image.Image) -> list[int]:
    return [width for width in WIDTHS if width <= image.width] or [image.width]


def _webp(image: Image.Image, width: int) -> bytes:
    height = max(1, round(image.height * width / image.width))
    resized = image if width == image.width else image.resize((width, height), Image.Resampling.LANCZOS)
    file = BytesIO()
    resized.save(file, "WEBP", quality=QUALITY, method=4, exif=b"", xmp=b"", icc_profile=b"")
    return file.getvalue()


# --- drawings


def _is_svg(content: bytes) -> bool:
    return content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"


def _check_svg(content: bytes) -> None:
    """Raise BadPicture for a drawing that is broken, or could run or load something."""
    try:
        text = content.decode("utf-8-sig")
        root = fromstring(text, forbid_dtd=False, forbid_entities=True, forbid_external=True)
    except (UnicodeDecodeError, ParseError, ValueError, DefusedXmlException):
        raise BadPicture("is not a whole SVG picture in UTF-8, without entities") from None
    if root.tag != f"{_SVG}svg":
        raise BadPicture("is not an SVG picture")
    if _STYLESHEET.search(text) or _OTHER_ENCODING.search(text):
        raise BadPicture("names a style sheet, or an encoding other than UTF-8")
    for reason in _dangers(root):
        raise BadPicture(reason)


def _dangers(root: Element) -> Iterator[str]:
    for element in root.iter():
        tag = _local(element.tag)
        if tag in _FORBIDDEN_TAGS or str(element.tag).startswith(_HTML):
            yield f"contains <{tag}>, which pictures of the store may not"
        if tag == "style" and _OUTER_STYLE.search("".join(element.itertext())):
            yield "has a style that refers to something outside of the file"
        for name, value in element.attrib.items():
            if reason := _danger_of_attribute(name, value):
                yield reason


def _danger_of_attribute(full_name: str, value: str) -> str:
    name = _local(full_name)
    if name.startswith("on"):
        return f"has the attribute {name}, which would run a script"
    if name in {"href", "src"} and not _OWN_REFERENCE.match(value.strip()):
        return f"refers to {value[:60]!r}, which is outside of the file"
    if name == "attributename" and value.rpartition(":")[2].lower().startswith(("on", "href")):
        return "animates an address or a script"
    # Drawing programs note paths of files in attributes of their own namespaces.
    if "}" not in full_name and _OUTER_STYLE.search(value):
        return f"has the attribute {name}, which refers to something outside of the file"
    return ""


def _local(name: object) -> str:
    return str(name).rpartition("}")[2].lower()
