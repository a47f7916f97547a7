"""Refusals, each in the shape of the API that gives it."""

from http import HTTPStatus
from typing import Any
from uuid import uuid4

from simulator.records import Delivery


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


class BuyerRefused(Exception):
    """The store did not confirm the buyer, so nothing may be paid."""

    def __init__(self, delivery: Delivery, argv: str) -> None:
        super().__init__(argv)
        self.delivery = delivery


class NotNow(Exception):
    """What was asked for does not fit where the order stands."""


def not_found(what: str) -> ControlError:
    """Say that the simulator's books do not hold something."""
    return ControlError(HTTPStatus.NOT_FOUND, f"{what} is not in the simulator's books, which a restart empties.")
