"""Putting the sample items on sale: what `python -m store_app items samples` does."""

from sqlmodel import col

from store_app.catalogue.sample_data import SAMPLE_ITEMS
from store_app.db.engine import dialect_of, insert_or_ignore
from store_app.db.unit_of_work import unit_of_work
from store_app.models import Item, ItemStatus, utc_now


def load() -> int:
    """Write the sample items that are not there yet; return how many were new. A repeat changes nothing."""
    rows = [
        {
            "sku": sample.sku,
            "name": sample.name,
            "description": sample.description,
            "price": sample.price,
            "currency": "USD",
            "kind": sample.kind,
            "image": f"/covers/{sample.sku}.svg",
            "status": ItemStatus.ACTIVE,
            "created_at": utc_now(),
        }
        for sample in SAMPLE_ITEMS
    ]
    with unit_of_work() as session:
        new = insert_or_ignore(dialect_of(session), Item).values(rows).returning(col(Item.id))
        return len(session.execute(new).all())
