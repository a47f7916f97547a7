"""Cards and items as HTML with placeholders: a page that is built, cut up, and never shown.

`served` fills them with the items of the moment, so that pages have their content before any script runs. React
writes this HTML from the same components as the live pages: the two cannot differ.
"""

from dataclasses import fields
from typing import Any, TypeVar

import reflex as rx

ROUTE = "/parts"
HOME, LIST, EMPTY, HERO, SHELF, TAG, CHOSEN_TAG = "home", "list", "empty", "hero", "shelf", "tag", "chosen-tag"
FIRST_PICTURE = "first-picture"
CARD, FACT, PICTURE, THUMB, PICTURES, ONE_PICTURE = "card", "fact", "picture", "thumb", "pictures", "one-picture"
ITEM, ITEM_OF_MANY, WITHDRAWN = "item", "item-of-many", "withdrawn"
# What the page of an item depends on.
ITEMS = {ITEM: {"owned_once": True}, ITEM_OF_MANY: {"owned_once": False}, WITHDRAWN: {"on_sale": False}}
T = TypeVar("T")


def placeholder(name: str) -> str:
    """Return what stands for a field of a view model. Addresses begin with a slash, or Reflex would add it."""
    return f"/__{name}__" if name in {"href", "image"} else f"__{name}__"


def with_placeholders(view: type[T], **given: Any) -> Any:
    """Return a view model, as a Var, whose texts are placeholders."""
    texts = {field.name: placeholder(field.name) for field in fields(view) if field.type in {"str", str}}  # type: ignore[arg-type]
    return rx.Var.create(view(**{**texts, **given}))


def slot(name: str) -> str:
    """Return what stands for other parts, as HTML."""
    return f"__{name.upper()}__"
