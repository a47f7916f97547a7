"""`/` and `/item/{sku}` with their content in the HTML: readable before any script runs, and without scripts.

The built page is the same for everybody; what this adds is too, so it can be kept for a second. What belongs to
the user (what is owned, the cart) appears when the live page has taken over.
"""

import gzip
import html
import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import parse_qs, urlencode

from cachetools import TTLCache
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from store_app import languages, limits, money, routes
from store_app.addresses import address_group
from store_app.brand import get_brand
from store_app.catalogue import queries
from store_app.catalogue.queries import ItemFilter, Sort, Storefront
from store_app.db.pagination import MAX_CURSOR_LENGTH
from store_app.db.threads import read
from store_app.errors import Invalid, NotFound, TooManyTries
from store_app.languages import gettext as _
from store_app.limits import Limit
from store_app.models import Item, ItemKind, ItemRow, ItemStatus
from store_app.models.base import is_plain
from store_app.network import client_address
from store_app.payments.registry import default_provider
from store_app.settings import get_settings
from store_app.web.catalogue import parts, storefront, view
from store_app.web.catalogue.picture_files import preview_of
from store_app.web.catalogue.view import ItemView
from store_app.web.http.built_pages import BUILT_PAGES, built_page, no_page, read_built
from store_app.web.http.content_security import cached_policy_for
from store_app.web.http.middleware import middleware

logger = logging.getLogger(__name__)

_ITEM_PAGES = routes.item("")
# In the folder of each language.
_STORE_SHELL, _ITEM_SHELL = "index.html", "item/_.html"
# Written by the build (scripts/page_script.py), beside the folder that is served.
PARTS_FILE = BUILT_PAGES.parent / "parts.json"
_SECONDS_KEPT = 1.0
_MAX_DESCRIPTION = 155
_kept: TTLCache[str, "_Served"] = TTLCache(maxsize=500, ttl=_SECONDS_KEPT)


@dataclass(frozen=True, slots=True)
class _Served:
    """A page with its content, and the same compressed."""

    body: bytes
    compressed: bytes
    policy: str
    status: int = HTTPStatus.OK


@middleware
async def serve_catalogue(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the store page and the pages of items with their content; unknown items with status 404."""
    if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
        await app(scope, receive, send)
        return
    path = scope["path"]
    served: _Served | None = None
    try:
        if path == routes.STORE:
            served = await _store_page(scope)
        elif path.startswith(_ITEM_PAGES):
            served = await _item_page(path)
    except NotFound:
        await no_page()(scope, receive, send)
        return
    except (OSError, SQLAlchemyError, Invalid) as error:
        # The page itself shows that the store does not answer, and recovers.
        logger.warning("a page is served without its content: %s", type(error).__name__)
    if served is None:
        await app(scope, receive, send)
    else:
        await _respond(served, HTTPConnection(scope))(scope, receive, send)


def _respond(served: _Served, request: HTTPConnection) -> Response:
    headers = {
        "Content-Security-Policy": served.policy,
        "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding",
    }
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(served.body, served.status, headers, "text/html")
    return Response(served.compressed, served.status, {**headers, "Content-Encoding": "gzip"}, "text/html")


async def _store_page(scope: Scope) -> _Served:
    asked = {name: values[0] for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
    if not asked and (kept := _kept.get(routes.localized(routes.STORE))):
        return kept
    query = asked.get("q", "")[:100]
    shell, refused = built_page(_STORE_SHELL), ""
    try:
        if query:
            await limits.count(Limit.SEARCHES, address_group(client_address(HTTPConnection(scope))))
        content = await _content_of_store_page(query, asked)
    except TooManyTries as refusal:
        content = refused = f'<p role="alert">{html.escape(str(refusal))}</p>'
    title = f"{query} - {get_brand().name}" if query else get_brand().name
    about = _("Games and in-game items, in your library seconds after you pay.")
    featured = (await storefront.current()).featured if not refused else None
    head = _head(title, about, routes.STORE, preview_of(featured) if featured else "")
    if asked:
        # Only the whole list is worth finding.
        head = f'<meta name="robots" content="noindex"/>{head}'
    served = _compose(shell, "items", content, title, head, query)
    if not asked and not refused:
        _kept[routes.localized(routes.STORE)] = served
    return served


async def _content_of_store_page(query: str, asked: Mapping[str, str]) -> str:
    front = await storefront.current()
    shown = {"hero": "", "shelves": "", "list": await _list_of_items(query, asked, front)}
    if not asked:
        shown["hero"] = _card(front.featured, parts.HERO) if front.featured else ""
        shown["shelves"] = _shelf(_("New"), front.newest) + _shelf(_("Best sellers"), front.best_sellers)
    return _fill(parts.HOME, slots=shown)


async def _list_of_items(query: str, asked: Mapping[str, str], front: Storefront) -> str:
    kind, tag = asked.get("kind", ""), asked.get("tag", "")[:30]
    sort = asked.get("sort", Sort.FEATURED)
    wanted = ItemFilter(
        q=query if is_plain(query) else "",
        kind=kind if kind in set(ItemKind) else "",
        tag=tag if is_plain(tag) else "",
        sort=Sort(sort) if sort in set(Sort) else Sort.FEATURED,
    )
    page = await read(queries.list_items, wanted, cursor=asked.get("cursor", "")[:MAX_CURSOR_LENGTH])
    cards = "".join(map(_card, page.rows)) or _fill(parts.EMPTY)
    tags = "".join(
        _fill(parts.CHOSEN_TAG if one.chosen else parts.TAG, vars(one)) for one in view.tag_views(front, tag)
    )
    more = ""
    if page.next_cursor:
        shown = {name: value for name, value in asked.items() if name in {"q", "kind", "sort", "tag"}}
        address = routes.localized(f"/?{urlencode({**shown, 'cursor': page.next_cursor})}")
        label = _("More items")
        more = f'<p><a href="{html.escape(address)}">{label}</a></p>'
    return _fill(parts.LIST, slots={"tags": tags, "cards": cards}) + more


def _card(item: ItemRow, part: str = parts.CARD) -> str:
    return _fill(part, vars(view.card_view(item, ())))


def _shelf(title: str, items: Sequence[ItemRow]) -> str:
    return _fill(parts.SHELF, {"title": title}, {"cards": "".join(map(_card, items))}) if items else ""


def _item_with_related(session: Session, sku: str) -> tuple[Item, Sequence[ItemRow]]:
    item = queries.find_item(session, sku)
    return item, queries.list_related(session, item)


async def _item_page(path: str) -> _Served:
    if kept := _kept.get(routes.localized(path)):
        return kept
    sku = path.removeprefix(_ITEM_PAGES).removesuffix("/")
    item, related = await read(_item_with_related, sku)
    shown = view.item_view(item)
    name = parts.ITEM if item.kind == ItemKind.NON_CONSUMABLE else parts.ITEM_OF_MANY
    if item.status != ItemStatus.ACTIVE:
        name = parts.WITHDRAWN
    slots = {
        "media": _media(shown),
        "facts": "".join(_fill(parts.FACT, vars(fact)) for fact in shown.facts),
        "related": _shelf(_("Goes well with it"), related),
    }
    title = f"{item.name} - {get_brand().name}"
    # The address that was asked for may be another spelling, such as one with a slash at its end.
    _language, address = routes.split(shown.href)
    head = _head(title, item.tagline or item.description, address, preview_of(item), _product(item, shown))
    served = _compose(built_page(_ITEM_SHELL), "item", _fill(name, vars(shown), slots), title, head)
    _kept[routes.localized(path)] = served
    return served


def _media(shown: ItemView) -> str:
    """Return the pictures of an item."""
    if not shown.pictures:
        return _fill(parts.ONE_PICTURE, vars(shown))
    pictures = [{"image": image, "number": str(number)} for number, image in enumerate(shown.pictures, 1)]
    slots = {
        "pictures": _fill(parts.FIRST_PICTURE, pictures[0])
        + "".join(_fill(parts.PICTURE, picture) for picture in pictures[1:]),
        "thumbs": "".join(_fill(parts.THUMB, picture) for picture in pictures),
    }
    return _fill(parts.PICTURES, slots=slots)


def _product(item: Item, shown: ItemView) -> Mapping[str, object]:
    """Return an item as schema.org describes products."""
    address = get_settings().public_url
    product: dict[str, object] = {
        "@context": "https://schema.org",
        "@type": "Product",
        "name": item.name,
        "sku": item.sku,
        "description": item.description or item.tagline,
        "image": [address + image for image in shown.pictures or [shown.image]],
        "url": address + shown.href,
    }
    if item.price and item.status == ItemStatus.ACTIVE:
        product["offers"] = {
            "@type": "Offer",
            "price": str(money.to_major(item.price, item.currency)),
            "priceCurrency": item.currency,
            "availability": "https://schema.org/InStock",
            "url": address + shown.href,
        }
    return product


def _head(
    title: str, description: str, path: str, image: str = "", product: Mapping[str, object] | None = None
) -> str:
    address, text = get_settings().public_url, " ".join(description.split())
    short = text if len(text) <= _MAX_DESCRIPTION else text[: _MAX_DESCRIPTION - 1].rpartition(" ")[0] + "\u2026"
    properties = {
        "og:type": "website",
        "og:title": title,
        "og:description": short,
        "og:url": address + routes.localized(path),
    }
    if image:
        properties["og:image"] = address + image
    tags = [f'<meta name="description" content="{html.escape(short)}"/>']
    tags += [f'<link rel="canonical" href="{html.escape(address + routes.localized(path))}"/>']
    tags += _alternates(address, path)
    tags += [f'<meta property="{name}" content="{html.escape(content)}"/>' for name, content in properties.items()]
    if product:
        # No text of an item may end the script.
        data = json.dumps(product).replace("<", "\\u003c")
        tags.append(f'<script type="application/ld+json">{data}</script>')
    return "".join(tags)


def _alternates(address: str, path: str) -> list[str]:
    """Return the tags with the addresses of a page in each language, and with the default for all others."""
    offered = get_settings().offered_languages
    if len(offered) == 1:
        return []
    pages = [(language, routes.in_language(path, language)) for language in (*offered, offered[0])]
    pages[-1] = ("x-default", pages[-1][1])
    return [
        f'<link rel="alternate" hreflang="{name}" href="{html.escape(address + page)}"/>' for name, page in pages
    ]


def _compose(shell: str, name: str, content: str, title: str, head: str, query: str = "") -> _Served:
    content = _with_provider(content)
    text = shell.replace('name="q" value=""', f'name="q" value="{html.escape(query)}"')
    text = text.replace(f"<!--{name}-->", content, 1)
    text = re.sub("<title>.*?</title>", lambda _match: f"<title>{html.escape(title)}</title>", text, count=1)
    if 'property="og:image"' in head:
        text = text.replace('<meta content="/favicon.svg" property="og:image"/>', "", 1)
    # After what React looks for at the beginning of the head.
    text = text.replace("</head>", f"{head}</head>", 1)
    body = text.encode("utf-8", "replace")
    return _Served(body, gzip.compress(body, 6, mtime=0), cached_policy_for(shell).decode())


def _with_provider(content: str) -> str:
    # The parts were built without the name of a provider.
    named = _("You pay on the payment page of {provider}.", provider=html.escape(default_provider().display_name))
    return content.replace(_("You pay on the payment page of {provider}.", provider=""), named)


def _fill(part: str, fields: Mapping[str, object] = {}, slots: Mapping[str, str] = {}) -> str:
    """Return a part with texts in place of its placeholders, and with other parts, as HTML, in its slots."""
    values = {parts.placeholder(name): html.escape(text) for name, text in fields.items() if isinstance(text, str)}
    values.update({parts.slot(name): markup for name, markup in slots.items()})
    return re.sub("/?__[A-Za-z_]+?__", lambda found: values.get(found[0], found[0]), _parts()[part])


def _parts() -> Mapping[str, str]:
    return _parsed(read_built(PARTS_FILE))[languages.current()]


@lru_cache(maxsize=2)
def _parsed(text: str) -> Mapping[str, Mapping[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(text)
    return found
