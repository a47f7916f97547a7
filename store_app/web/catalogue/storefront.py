"""What the store page shows above its list: the same for everybody, so that it is kept for a second."""

from cachetools import TTLCache

from store_app.catalogue import queries
from store_app.catalogue.queries import Storefront
from store_app.db.threads import read

_kept: TTLCache[str, Storefront] = TTLCache(maxsize=1, ttl=1.0)


async def current() -> Storefront:
    """Return what the catalogue and the sales of the last second say."""
    if (front := _kept.get("")) is None:
        front = _kept[""] = await read(queries.storefront)
    return front
