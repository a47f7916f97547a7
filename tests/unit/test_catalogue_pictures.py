"""Pictures of imported items: photographs become small WebP files, drawings stay SVG if they are harmless."""

import random
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms

from store_app.catalogue import picture_import, pictures
from store_app.catalogue.picture_import import BadPicture, check, store
from store_app.catalogue.pictures import picture_file, stored_file
from store_app.db import private_files

DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4">{}</svg>'


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the pictures in a folder of the test's own."""
    monkeypatch.setattr(private_files, "DATA", tmp_path / "data")
    return tmp_path / "data"


def _photo(path: Path, size: tuple[int, int] = (2000, 1000), mode: str = "RGB", **options: Any) -> Path:
    image = Image.new(mode, size)
    image.save(path, **options)
    return path


def _widths(address: str) -> list[int]:
    stem = address.removeprefix("/pictures/").partition("-")[0]
    return sorted(int(path.stem.partition("-")[2]) for path in pictures.folder().glob(f"{stem}-*.webp"))


@pytest.mark.parametrize(
    ("size", "widths"),
    [
        ((2000, 1000), [460, 920, 1380, 1840]),
        ((1000, 500), [460, 920]),
        ((460, 215), [460]),
        ((32, 32), [32]),
        ((3000, 1), [460, 920, 1380, 1840]),
    ],
)
@pytest.mark.parametrize("name", ["photo.png", "photo.jpg", "photo.webp"])
def test_a_photograph_becomes_webp_in_several_widths(
    size: tuple[int, int], widths: list[int], name: str, tmp_path: Path
) -> None:
    photo = _photo(tmp_path / name, size)
    address = store(photo)
    assert address == check(photo)
    assert address.endswith(f"-{widths[-1]}.webp")
    assert _widths(address) == widths
    file = picture_file(address.removeprefix("/pictures/"))
    assert file
    with Image.open(file) as image:
        assert (image.format, image.width) == ("WEBP", widths[-1])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_of_png_is_read(mode: str, tmp_path: Path) -> None:
    assert store(_photo(tmp_path / "photo.png", mode=mode)).endswith("-1840.webp")


def test_sixteen_bits_of_gray_keep_their_brightness(tmp_path: Path) -> None:
    Image.new("I;16", (500, 500), 32_768).save(tmp_path / "gray.png")
    file = stored_file(store(tmp_path / "gray.png"))
    assert file
    with Image.open(file) as image:
        assert abs(image.convert("L").getpixel((5, 5)) - 128) <= 2  # type: ignore[operator]


def test_a_photograph_for_print_is_read(tmp_path: Path) -> None:
    assert store(_photo(tmp_path / "photo.jpg", mode="CMYK")).endswith("-1840.webp")


def test_transparency_is_kept(tmp_path: Path) -> None:
    file = stored_file(store(_photo(tmp_path / "photo.png", mode="RGBA")))
    assert file
    with Image.open(file) as image:
        assert image.mode == "RGBA"


def test_a_transparent_color_is_kept_beside_a_color_profile(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = _photo(tmp_path / "photo.png", transparency=(0, 0, 0), icc_profile=profile)
    file = stored_file(store(photo))
    assert file
    with Image.open(file) as image:
        assert image.convert("RGBA").getpixel((5, 5))[3] == 0  # type: ignore[index]


def test_orientation_is_applied_and_metadata_dropped(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "A camera"
    file = stored_file(store(_photo(tmp_path / "photo.jpg", (1000, 500), exif=exif)))
    assert file
    content = file.read_bytes()
    with Image.open(BytesIO(content)) as image:
        assert image.size == (460, 920)
        assert not image.getexif()
    assert b"A camera" not in content


def test_files_are_for_this_account_alone_and_written_once(data: Path, tmp_path: Path) -> None:
    photo = _photo(tmp_path / "photo.png")
    address = store(photo)
    before = {path: path.stat().st_mtime_ns for path in pictures.folder().iterdir()}
    assert store(photo) == address
    assert {path: path.stat().st_mtime_ns for path in pictures.folder().iterdir()} == before
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in before)
    assert [path.stat().st_mode & 0o777 for path in (data, data / "pictures")] == [0o700, 0o700]


def test_a_drawing_is_kept_as_it_is(tmp_path: Path) -> None:
    drawing = tmp_path / "drawing.svg"
    drawing.write_text('<?xml version="1.0" encoding="UTF-8"?>' + DRAWING.format('<a href="#b" fill="url(#c)"/>'))
    address = store(drawing)
    assert address == check(drawing)
    file = stored_file(address)
    assert file
    assert file.suffix == ".svg"
    assert file.read_bytes() == drawing.read_bytes()


@pytest.mark.parametrize(
    "text",
    [
        DRAWING.format("<script>alert(1)</script>"),
        DRAWING.format('<x:script xmlns:x="http://www.w3.org/1999/xhtml"/>'),
        DRAWING.format("<foreignObject/>"),
        DRAWING.format(
            '<h:meta xmlns:h="http://www.w3.org/1999/xhtml" http-equiv="refresh" content="0;url=//x"/>'
        ),
        DRAWING.format('<path onload="alert(1)"/>'),
        DRAWING.format('<a href="javascript:alert(1)"/>'),
        DRAWING.format('<a href="https://x.example"/>'),
        DRAWING.format('<use xlink:href="//x.example/y#z" xmlns:xlink="http://www.w3.org/1999/xlink"/>'),
        DRAWING.format('<image href="data:image/svg+xml;base64,PHN2Zz4="/>'),
        DRAWING.format('<set attributeName="href" to="javascript:alert(1)"/>'),
        DRAWING.format("<style>@import '//x.example/y.css'</style>"),
        DRAWING.format("<style>path{fill:url( 'https://x.example/y.svg#z' )}</style>"),
        DRAWING.format('<path style="fill:u\\72l(https://x.example)"/>'),
        DRAWING.format('<path fill="url(https://x.example/y.svg#z)"/>'),
        '<?xml-stylesheet href="//x.example/y.css"?>' + DRAWING.format(""),
        '<?xml version="1.0" encoding="utf-7"?>' + DRAWING.format(""),
        '<!DOCTYPE svg [<!ENTITY a "b">]>' + DRAWING.format("&a;"),
        DRAWING.format("")[:-3],
        "<html/>",
        "<svg/>",
        "<",
        "",
        "a text",
    ],
)
def test_what_could_run_or_load_something_or_is_broken_is_refused(text: str, tmp_path: Path) -> None:
    drawing = tmp_path / "drawing.svg"
    drawing.write_text(text, encoding="utf-8")
    for read in (check, store):
        with pytest.raises(BadPicture):
            read(drawing)
    assert not pictures.folder().exists()


def test_the_covers_of_the_samples_are_drawings_that_may_be_imported() -> None:
    for cover in pictures.COVERS.glob("*.svg"):
        assert check(cover).endswith(".svg")


def test_a_photograph_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    for name in ("photo.png", "photo.jpg", "photo.webp"):
        photo = tmp_path / name
        Image.effect_noise((200, 200), 50).convert("RGB").save(photo)
        photo.write_bytes(photo.read_bytes()[:-500])
        with pytest.raises(BadPicture, match="is not a whole PNG, JPEG, WebP or SVG picture"):
            check(photo)


def test_a_link_to_a_picture_elsewhere_is_not_published(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    link = tmp_path / "folder" / "cover.png"
    link.symlink_to(_photo(tmp_path / "private.png"))
    for read in (check, store):
        with pytest.raises(BadPicture, match="is a link"):
            read(link)
    assert not pictures.folder().exists()


def test_what_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadPicture, match="has more than 40 million pixels"):
        check(_photo(tmp_path / "wide.png", (20_000, 2_001), "1"))
    with pytest.raises(BadPicture, match="has more than 40 million pixels"):
        check(_photo(tmp_path / "huge.png", (20_000, 20_000), "1"))
    with pytest.raises(BadPicture, match="is more than 5 times as high as it is wide"):
        check(_photo(tmp_path / "high.png", (100, 501)))
    monkeypatch.setattr(picture_import, "MAX_BYTES", 5)
    with pytest.raises(BadPicture, match="is larger than"):
        check(tmp_path / "high.png")


@pytest.mark.parametrize(
    "name", ["../store.db", "", ".", "0" * 16 + "-460.webp\n", "0" * 16 + "/../x.svg", "0" * 16]
)
def test_no_name_leads_out_of_the_folder(name: str, data: Path) -> None:
    (data / "pictures").mkdir(parents=True)
    (data / "store.db").write_bytes(b"-")
    assert picture_file(name) is None
    assert stored_file(f"/pictures/{name}") is None
    assert stored_file(f"/covers/{name}") is None


def test_addresses_of_other_hosts_are_no_files() -> None:
    assert stored_file("https://x.example/y.png") is None
    assert stored_file("/covers/dragon-sword.svg") == pictures.COVERS / "dragon-sword.svg"


def test_no_broken_file_is_more_than_a_bad_picture(tmp_path: Path) -> None:
    draw = random.Random(7)
    picture = tmp_path / "picture"
    for name in ("photo.png", "photo.jpg", "photo.webp"):
        Image.effect_noise((40, 40), 50).convert("RGB").save(tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        for _ in range(150):
            broken = bytearray(whole)
            for _ in range(draw.randint(1, 8)):
                broken[draw.randrange(len(broken))] = draw.randrange(256)
            picture.write_bytes(broken)
            with suppress(BadPicture):
                check(picture)
