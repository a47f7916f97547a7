"""The sample items of a new store: `samples/items.csv`, put on sale by `python -m store_app items samples`.

They are a catalogue folder whose pictures are in `assets/covers`, where pages get them as `/covers/...`.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlmodel import col

from store_app.catalogue.folder import FILE, read_content
from store_app.catalogue.pictures import COVERS_ADDRESS
from store_app.db.engine import insert_or_ignore
from store_app.db.unit_of_work import unit_of_work
from store_app.models import Item, ItemStatus, utc_now

_FOLDER = Path(__file__).with_name("samples")


@lru_cache
def sample_items() -> list[dict[str, Any]]:
    """Return the sample items as rows of `items`, in the order in which they are listed."""
    return [
        {
            "sku": item.sku,
            "name": item.name,
            "tagline": item.tagline,
            "description": item.description,
            "price": item.price,
            "currency": item.currency,
            "kind": item.kind,
            "image": COVERS_ADDRESS + item.picture,
            "pictures": [COVERS_ADDRESS + name for name in item.pictures],
            "tags": list(item.tags),
            "facts": [list(fact) for fact in item.facts],
            "status": ItemStatus.ACTIVE,
        }
        for item in read_content((_FOLDER / FILE).read_bytes()).items
    ]


def load() -> int:
    """Write the sample items that are not there yet; return how many were new. A repeat changes nothing."""
    rows = [{**row, "created_at": utc_now()} for row in sample_items()]
    with unit_of_work() as work:
        new = insert_or_ignore(work.dialect, Item).values(rows).returning(col(Item.id))
        return len(work.execute(new).all())
