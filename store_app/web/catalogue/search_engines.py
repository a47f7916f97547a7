"""GET /sitemap.xml, /robots.txt and /favicon.ico: for search engines, and browsers that ask by habit."""

import html

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, RedirectResponse, Response
from sqlmodel import Session, col, select

from store_app import routes
from store_app.db.threads import read
from store_app.models import Item, ItemStatus
from store_app.settings import get_settings

router = APIRouter(include_in_schema=False)
# The most that one file may list (sitemaps.org).
_MAX_ADDRESSES = 50_000
_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
_PRIVATE_PAGES = (routes.CART, routes.LIBRARY, routes.ACCOUNT, "/orders/", "/auth/")
_PRIVATE = ("/api/", "/docs", routes.LANGUAGE)


def _skus(session: Session, most: int) -> list[str]:
    on_sale = select(Item.sku).where(Item.status == ItemStatus.ACTIVE)
    return list(session.exec(on_sale.order_by(col(Item.id).desc()).limit(most)))


@router.get("/sitemap.xml")
async def sitemap() -> Response:
    """Return the addresses of the store page and of all items on sale, the newest ones first, in each language."""
    address, offered = get_settings().public_url, get_settings().offered_languages
    skus = await read(_skus, _MAX_ADDRESSES // len(offered) - 1)
    pages = [routes.STORE, *map(routes.item, skus)]
    paths = [routes.in_language(page, language) for page in pages for language in offered]
    urls = "".join(f"<url><loc>{html.escape(address + path)}</loc></url>" for path in paths)
    text = f'<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="{_NAMESPACE}">{urls}</urlset>'
    return Response(text, headers={"Cache-Control": "public, max-age=300"}, media_type="application/xml")


@router.get("/robots.txt")
async def robots() -> PlainTextResponse:
    """Return what search engines may visit (RFC 9309)."""
    offered = get_settings().offered_languages
    private = [routes.in_language(page, language) for language in offered for page in _PRIVATE_PAGES]
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in (*private, *_PRIVATE))]
    return PlainTextResponse("\n".join([*lines, f"Sitemap: {get_settings().public_url}/sitemap.xml", ""]))


@router.get("/favicon.ico")
async def favicon() -> RedirectResponse:
    """Lead to the icon that pages name."""
    return RedirectResponse("/favicon.svg", 308)
