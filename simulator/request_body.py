"""Reading JSON bodies strictly, with amounts as decimals."""

import json
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

_Body = TypeVar("_Body", bound=BaseModel)


class BadBody(Exception):
    """A body that is not acceptable; `fields` maps each bad field to what is wrong with it."""

    def __init__(self, fields: dict[str, list[str]], kinds: dict[str, str]) -> None:
        super().__init__("; ".join(f"[{name}] {text}" for name, texts in fields.items() for text in texts))
        self.fields = fields
        self.kinds = kinds


async def read_json(request: Request) -> Any:
    """Parse the body; raises BadBody when it is not JSON."""
    try:
        return json.loads(await request.body(), parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise BadBody({"body": ["is not JSON"]}, {}) from None


async def read_body(request: Request, kind: type[_Body]) -> _Body:
    """Read the body as one kind; raises BadBody that names each bad field."""
    raw = await read_json(request)
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        raise _bad_body(error) from None


def _bad_body(error: ValidationError) -> BadBody:
    fields: dict[str, list[str]] = {}
    kinds: dict[str, str] = {}
    for found in error.errors(include_url=False, include_input=False, include_context=False):
        name = ".".join(map(str, found["loc"])) or "body"
        fields.setdefault(name, []).append(found["msg"])
        kinds[name] = found["type"]
    return BadBody(fields, kinds)


def _refuse(constant: str) -> NoReturn:
    """NaN and the infinities are not JSON, though Python reads them."""
    raise ValueError(constant)
