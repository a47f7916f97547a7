"""What all APIs share: errors, checking who calls, and reading request bodies."""

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

from simulator.context import SimulatorDep
from simulator.settings import Settings, is_loopback

_INVALID_CREDENTIALS = 1020


class ApiError(Exception):
    """An error response of one of the APIs."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def body(self) -> dict[str, Any]:
        """Return the JSON body of the response."""
        return {"error": self.message}


class StoreApiError(ApiError):
    """An error of the provider's store API; its number is also part of the message."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(status, message)
        self.code = code

    def body(self) -> dict[str, Any]:
        """Return the JSON body of the response."""
        return {
            "statusCode": self.status,
            "errorCode": self.code,
            "errorMessage": f"[0401-{self.code}]: {self.message}",
            "transactionId": uuid4().hex,
        }


class MerchantApiError(ApiError):
    """An error of the provider's merchant API; `properties` contains the errors of each invalid field."""

    def __init__(self, status: int, message: str, properties: dict[str, list[str]] | None = None) -> None:
        super().__init__(status, message)
        self.properties = properties or {}

    def body(self) -> dict[str, Any]:
        """Return the JSON body of the response."""
        return {
            "http_status_code": self.status,
            "message": self.message,
            "extended_message": {"global_errors": [], "property_errors": self.properties},
            "request_id": uuid4().hex[:8],
        }


class ControlApiError(ApiError):
    """An error of the simulator's own API or dashboard."""


class InvalidBody(Exception):
    """A request body is invalid; `fields` contains the errors of each field, `error_types` pydantic's names."""

    def __init__(self, fields: dict[str, list[str]], error_types: dict[str, str]) -> None:
        super().__init__("; ".join(f"[{name}] {text}" for name, texts in fields.items() for text in texts))
        self.fields = fields
        self.error_types = error_types


def order_not_found(reference: str | int) -> ControlApiError:
    """Return the error for an order that the simulator does not have."""
    message = f"The simulator has no order {reference}. It forgets its orders when it is restarted."
    return ControlApiError(HTTPStatus.NOT_FOUND, message)


def require_project(request: Request, settings: Settings, project_id: str) -> None:
    """Refuse callers of the store API without the project's credentials.

    The user name may be the project id or the merchant id.
    """
    own_id = str(settings.xsolla_project_id)
    if project_id != own_id or not _has_key(request, settings, {own_id, str(settings.xsolla_merchant_id)}):
        raise invalid_credentials(f"Error in basic auth for project {project_id}")


def require_merchant(
    request: Request, settings: Settings, merchant_id: str, *, accept_project: bool = False
) -> None:
    """Refuse callers of the merchant API without the merchant's credentials.

    The user name is the merchant id; for some calls, it may also be the project id.
    """
    own_id = str(settings.xsolla_merchant_id)
    user_names = {own_id, str(settings.xsolla_project_id)} if accept_project else {own_id}
    if merchant_id != own_id or not _has_key(request, settings, user_names):
        raise MerchantApiError(HTTPStatus.UNAUTHORIZED, f"Wrong credentials for merchant {merchant_id}")


def invalid_credentials(message: str) -> StoreApiError:
    """Return the store API's error for invalid credentials."""
    return StoreApiError(HTTPStatus.UNAUTHORIZED, _INVALID_CREDENTIALS, message)


def bearer_token(request: Request) -> str | None:
    """Return the payment token with which a user's browser calls the store API."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else None


def _has_key(request: Request, settings: Settings, user_names: set[str]) -> bool:
    user_name, key = _basic_credentials(request)
    # Compare bytes, because compare_digest accepts only ASCII in texts.
    return user_name in user_names and hmac.compare_digest(key.encode(), settings.xsolla_api_key.encode())


def _basic_credentials(request: Request) -> tuple[str, str]:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user_name, _, key = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return "", ""
    return user_name, key


async def _require_local_client(request: Request, simulator: SimulatorDep) -> None:
    """Refuse clients on other machines, unless the simulator was configured to listen for them."""
    host = request.client.host if request.client else ""
    if simulator.settings.listens_on_loopback and not is_loopback(host):
        raise ControlApiError(HTTPStatus.FORBIDDEN, "Only this machine can control the simulator.")


async def _require_same_origin(request: Request) -> None:
    """Refuse forms and scripts of other sites that are open in the developer's browser."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("Host"):
        raise ControlApiError(HTTPStatus.FORBIDDEN, "Pages of other sites cannot control the simulator.")


# Dependencies of all routes that control the simulator.
CONTROL_GUARDS = [Depends(_require_local_client), Depends(_require_same_origin)]

_Body = TypeVar("_Body", bound=BaseModel)


async def read_body(request: Request, body_type: type[_Body]) -> _Body:
    """Read and validate the JSON body; raise InvalidBody, which names each invalid field."""
    try:
        raw = json.loads(await request.body(), parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidBody({"body": ["is not JSON"]}, {}) from None
    try:
        return body_type.model_validate(raw)
    except ValidationError as error:
        raise _invalid_body(error) from None


def _invalid_body(error: ValidationError) -> InvalidBody:
    fields: dict[str, list[str]] = {}
    error_types: dict[str, str] = {}
    for found in error.errors(include_url=False, include_input=False, include_context=False):
        name = ".".join(map(str, found["loc"])) or "body"
        fields.setdefault(name, []).append(found["msg"])
        error_types[name] = found["type"]
    return InvalidBody(fields, error_types)


def _refuse_constant(constant: str) -> NoReturn:
    """NaN and Infinity are not valid JSON, although Python accepts them."""
    raise ValueError(constant)
