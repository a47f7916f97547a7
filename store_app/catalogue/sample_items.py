"""The sample items of a new store: data in samples.csv, put on sale by `python -m store_app items samples`."""

import csv
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlmodel import col

from store_app import money
from store_app.db.engine import insert_or_ignore
from store_app.db.unit_of_work import unit_of_work
from store_app.models import Item, ItemStatus, utc_now

_CURRENCY = "USD"


@lru_cache
def sample_items() -> list[dict[str, Any]]:
    """Return the sample items as rows of `items`, in the order in which they are listed."""
    with Path(__file__).with_name("samples.csv").open(encoding="utf-8", newline="") as file:
        return [
            {
                **row,
                "price": money.to_minor(row["price"], _CURRENCY),
                "currency": _CURRENCY,
                "image": f"/covers/{row['sku']}.svg",
                "status": ItemStatus.ACTIVE,
            }
            for row in csv.DictReader(file)
        ]


def load() -> int:
    """Write the sample items that are not there yet; return how many were new. A repeat changes nothing."""
    rows = [{**row, "created_at": utc_now()} for row in sample_items()]
    with unit_of_work() as session:
        new = insert_or_ignore(session.dialect, Item).values(rows).returning(col(Item.id))
        return len(session.execute(new).all())
