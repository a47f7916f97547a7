"""Status 404 for the pages of items that do not exist, for search engines and other programs."""

import logging

from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Receive, Scope, Send

from store_app import routes
from store_app.catalogue.queries import find_item
from store_app.db.threads import read
from store_app.errors import NotFound
from store_app.web.http.middleware import at_path, middleware

logger = logging.getLogger(__name__)

_ITEM_PAGES = routes.item("")
# Reflex answers an address without a page with status 404, and with the same HTML as for the page of an item.
_NO_PAGE = "/404"


@middleware
async def answer_unknown_items(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the page of an unknown item with status 404."""
    if scope["type"] == "http" and scope["path"].startswith(_ITEM_PAGES):
        sku = scope["path"].removeprefix(_ITEM_PAGES).removesuffix("/")
        if not await _exists(sku):
            scope = at_path(_NO_PAGE, scope)
    await app(scope, receive, send)


async def _exists(sku: str) -> bool:
    try:
        await read(find_item, sku)
    except NotFound:
        return False
    except SQLAlchemyError as error:
        # The page itself shows that the store does not answer, and recovers.
        logger.warning("could not look up the item of a page: %s", type(error).__name__)
    return True
