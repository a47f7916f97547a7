"""Requests: who may call, which bodies are accepted, and how each API refuses."""

import base64
import binascii
import hmac
import json
from decimal import Decimal
from http import HTTPStatus
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError

from simulator.context import TheSimulator
from simulator.settings import Settings, is_loopback


class ApiError(Exception):
    """A refusal of one of the provider's APIs, with its status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def body(self) -> dict[str, Any]:
        """The JSON answer."""
        return {"error": self.message}


class StoreApiError(ApiError):
    """A refusal of the store API: a numbered error, whose number is in the message too."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(status, message)
        self.code = code

    def body(self) -> dict[str, Any]:
        """The JSON answer."""
        return {
            "statusCode": self.status,
            "errorCode": self.code,
            "errorMessage": f"[0401-{self.code}]: {self.message}",
            "transactionId": uuid4().hex,
        }


class MerchantApiError(ApiError):
    """A refusal of the merchant API; `properties` names the bad fields."""

    def __init__(self, status: int, message: str, properties: dict[str, list[str]] | None = None) -> None:
        super().__init__(status, message)
        self.properties = properties or {}

    def body(self) -> dict[str, Any]:
        """The JSON answer."""
        return {
            "http_status_code": self.status,
            "message": self.message,
            "extended_message": {"global_errors": [], "property_errors": self.properties},
            "request_id": uuid4().hex[:8],
        }


class ControlError(ApiError):
    """A refusal of the simulator's own controls, in words."""


def not_found(what: str) -> ControlError:
    """Say that the simulator's books do not hold something."""
    return ControlError(HTTPStatus.NOT_FOUND, f"{what} is not in the simulator's books, which a restart empties.")


def require_project(request: Request, settings: Settings, project_id: str) -> None:
    """Admit a caller of the store API who may act for the project; both ids are as good with the key."""
    own = str(settings.xsolla_project_id)
    if project_id != own or not _knows_key(request, settings, {own, str(settings.xsolla_merchant_id)}):
        raise bad_credentials(f"Error in basic auth for project {project_id}")


def require_merchant(request: Request, settings: Settings, merchant_id: str, *, or_project: bool = False) -> None:
    """Admit a caller of the merchant API; some calls also take the project's id as user name."""
    own = str(settings.xsolla_merchant_id)
    names = {own, str(settings.xsolla_project_id)} if or_project else {own}
    if merchant_id != own or not _knows_key(request, settings, names):
        raise MerchantApiError(HTTPStatus.UNAUTHORIZED, f"Wrong credentials for merchant {merchant_id}")


def bad_credentials(message: str) -> StoreApiError:
    """The store API's answer to a stranger."""
    return StoreApiError(HTTPStatus.UNAUTHORIZED, 1020, message)


def bearer_token(request: Request) -> str | None:
    """Give the payment token of a buyer's own call."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else None


def _knows_key(request: Request, settings: Settings, names: set[str]) -> bool:
    name, key = _basic(request)
    # Bytes, because compare_digest refuses text that is not ASCII.
    return name in names and hmac.compare_digest(key.encode(), settings.xsolla_api_key.encode())


def _basic(request: Request) -> tuple[str, str]:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, key = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return "", ""
    return name, key


def _local_callers_only(request: Request, simulator: TheSimulator) -> None:
    """Refuse strangers; whoever binds another address than loopback has opened the door on purpose."""
    caller = request.client.host if request.client else ""
    if simulator.settings.is_local and not is_loopback(caller):
        raise ControlError(HTTPStatus.FORBIDDEN, "The simulator's controls answer this machine only.")


def _no_foreign_pages(request: Request) -> None:
    """Refuse forms and scripts of other sites that the developer happens to have open."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("Host"):
        raise ControlError(HTTPStatus.FORBIDDEN, "The simulator's controls do not answer pages of other sites.")


GUARDS = [Depends(_local_callers_only), Depends(_no_foreign_pages)]

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
