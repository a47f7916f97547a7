"""The `items` table."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import JSON, CheckConstraint, Index
from sqlmodel import Field, SQLModel, col

from store_app.models.base import BigId, SafeText, UtcDateTime, one_of, utc_now


class ItemKind(StrEnum):
    """Whether a user can own an item only once, or buy it any number of times."""

    NON_CONSUMABLE = "non_consumable"
    CONSUMABLE = "consumable"


class ItemStatus(StrEnum):
    """Whether an item is on sale. An item that was ever sold is withdrawn, never deleted."""

    ACTIVE = "active"
    WITHDRAWN = "withdrawn"


class Item(SQLModel, table=True):
    """Something the store sells."""

    __tablename__ = "items"
    __table_args__ = (
        one_of("kind", ItemKind),
        one_of("status", ItemStatus),
        CheckConstraint("price >= 0", name="price_not_negative"),
        Index("ix_items_status_id", "status", "id"),
        Index("ix_items_status_price", "status", "price", "id"),
        Index("ix_items_status_name", "status", "name", "id"),
    )

    id: int = Field(default=None, primary_key=True, sa_type=BigId)
    sku: str = Field(sa_type=SafeText(64), unique=True)
    name: str = Field(sa_type=SafeText(200))
    # One short sentence, for cards and the hero.
    tagline: str = Field(default="", sa_type=SafeText(160))
    description: str = Field(default="", sa_type=SafeText(20_000))
    # Minor units of `currency`.
    price: int = Field(sa_type=BigId)
    currency: str = Field(default="USD", max_length=3)
    kind: str = Field(max_length=20)
    # URL of the cover; empty when the store draws one from the name.
    image: str = Field(default="", max_length=300)
    # URLs of further pictures, for its own page.
    pictures: list[str] = Field(default_factory=list, sa_type=JSON)
    # What it is, in a word or two each: "Weapon", "Fire".
    tags: list[str] = Field(default_factory=list, sa_type=JSON)
    # Pairs of a label and a value: ["Players", "1 to 4"].
    facts: list[list[str]] = Field(default_factory=list, sa_type=JSON)
    status: str = Field(default=ItemStatus.ACTIVE, max_length=20)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class ItemRow(NamedTuple):
    """The columns of an item that lists show."""

    id: int
    sku: str
    name: str
    description: str
    price: int
    currency: str
    kind: str
    image: str
    tagline: str = ""
    tags: Sequence[str] = ()


ITEM_COLUMNS: tuple[Any, ...] = tuple(col(getattr(Item, name)) for name in ItemRow._fields)
