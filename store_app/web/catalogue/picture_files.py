"""GET /pictures/{name}: imported pictures; /previews/{sku}-{version}.png: what other sites show beside a link."""

import asyncio
from contextlib import suppress
from urllib.parse import quote

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response

from store_app.catalogue import previews, queries
from store_app.catalogue.pictures import folder, picture_file, stored_file, write
from store_app.db.threads import read
from store_app.errors import NotFound
from store_app.languages import gettext as _
from store_app.models import Item, ItemRow
from store_app.web.catalogue.cover import generated_cover

router = APIRouter(include_in_schema=False)
# Drawings take a processor for a fifth of a second each.
_one_at_a_time = asyncio.Lock()
# Named by their content: other content has another address.
_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    # An SVG may have raster pictures in it.
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "frame-ancestors 'none'",
}


@router.get("/pictures/{name}")
def picture(name: str) -> Response:
    """Return a picture of an imported item."""
    if (path := picture_file(name)) is None:
        raise NotFound(_("There is no such picture."))
    kind = "image/svg+xml" if path.suffix == ".svg" else "image/webp"
    return FileResponse(path, media_type=kind, headers=_HEADERS)


def preview_of(item: Item | ItemRow) -> str:
    """Return the address of the picture that other sites show beside a link to an item."""
    if previews.is_raster(item.image):
        return previews.raster_of(item.image, previews.WIDTH)
    return f"/previews/{quote(item.sku, safe='')}-{previews.version(item.image, item.name)}.png"


@router.get("/previews/{name}")
async def preview(name: str) -> Response:
    """Return the cover of an item as PNG."""
    sku, _dash, version = name.removesuffix(".png").rpartition("-")
    item = await read(queries.find_item, sku)
    if version != previews.version(item.image, item.name) or not name.endswith(".png"):
        raise NotFound(_("There is no such picture."))
    async with _one_at_a_time:
        png = await asyncio.to_thread(_kept_or_drawn, item, f"preview-{version}.png")
    return Response(png, media_type="image/png", headers=_HEADERS)


def _kept_or_drawn(item: Item, name: str) -> bytes:
    """Return the preview, drawn once: whoever asks for many costs no more than one drawing of each."""
    with suppress(OSError):
        return (folder() / name).read_bytes()
    png = _drawn(item)
    with suppress(OSError):
        write(name, png)
    return png


def _drawn(item: Item) -> bytes:
    file = stored_file(item.image)
    if file is not None and file.suffix == ".svg":
        try:
            return previews.draw(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            pass  # The cover that is drawn from the name is always there.
    return previews.draw(generated_cover(item.name))
