"""Who calls the provider's APIs."""

import base64
import binascii
import hmac
from http import HTTPStatus

from starlette.requests import Request

from simulator.errors import MerchantApiError, StoreApiError
from simulator.settings import Settings


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
