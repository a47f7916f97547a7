"""The client of the payment provider: Xsolla's catalogue token (API v3).

The simulator answers the same calls, so it is reached by other addresses, not by other code.
"""

import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httpx

from store_app.errors import ProviderRefused, ProviderUnavailable
from store_app.settings import Settings, get_settings

logger = logging.getLogger(__name__)

TIMEOUT = httpx.Timeout(10, connect=3)


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """What the provider needs to know to open a payment page; `lines` are (sku, quantity)."""

    order_id: str
    attempt: int
    user_id: str
    username: str
    lines: tuple[tuple[str, int], ...]
    currency: str
    country: str = "US"


@dataclass(frozen=True, slots=True)
class PaymentPage:
    """Where the player pays, and the provider's own id of the order."""

    provider_order_id: str
    url: str


class XsollaClient:
    """Talks to Xsolla over HTTP. Its key is sent, never logged."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient | None = None) -> None:
        """Use `settings` for addresses and credentials."""
        self._settings = settings
        self._http = http or httpx.AsyncClient(timeout=TIMEOUT)

    async def open_payment_page(self, request: PaymentRequest) -> PaymentPage:
        """Ask for a payment token (xsolla.md 6a, `admin-create-payment-token`).

        Raises:
            ProviderUnavailable: no answer, or a fault of theirs; a later try may work.
            ProviderRefused: they refuse this request; a setting or the catalogue is wrong.
        """
        settings = self._settings
        path = f"/api/v3/project/{settings.xsolla_project_id}/admin/payment/token"
        answer = await self._post(settings.xsolla_store_api_url + path, self._token_body(request))
        try:
            token, provider_order_id = str(answer["token"]), str(answer["order_id"])
        except (KeyError, TypeError):
            logger.warning("the payment provider answered without token or order_id")
            raise ProviderUnavailable from None
        return PaymentPage(provider_order_id, f"{settings.paystation_url}/paystation4/?token={token}")

    def _token_body(self, request: PaymentRequest) -> dict[str, Any]:
        return {
            "sandbox": self._settings.xsolla_sandbox,
            "user": {
                "id": {"value": request.user_id},
                "name": {"value": request.username},
                "country": {"value": request.country, "allow_modify": True},
            },
            "purchase": {"items": [{"sku": sku, "quantity": quantity} for sku, quantity in request.lines]},
            "settings": {
                "currency": request.currency,
                # Unique for each payment: a second attempt of the same order is another payment.
                "external_id": f"{request.order_id}-{request.attempt}",
                "return_url": f"{self._settings.public_url}/orders/{request.order_id}",
                "redirect_policy": {
                    "redirect_conditions": "any",
                    "delay": 0,
                    "status_for_manual_redirection": "any",
                    "redirect_button_caption": "Back to the store",
                },
            },
            "custom_parameters": {"order_id": request.order_id},
        }

    async def _post(self, url: str, body: dict[str, Any]) -> Any:
        credentials = (str(self._settings.xsolla_project_id), self._settings.xsolla_api_key)
        try:
            answer = await self._http.post(url, json=body, auth=credentials)
        except httpx.HTTPError as error:
            logger.warning("the payment provider at %s does not answer: %s", url, type(error).__name__)
            raise ProviderUnavailable from None
        if answer.is_success:
            try:
                return answer.json()
            except ValueError:
                return None
        logger.warning("the payment provider answered %s: %s", answer.status_code, answer.text[:500])
        raise ProviderRefused if answer.status_code in {400, 401, 403, 404, 422} else ProviderUnavailable


@lru_cache
def get_provider() -> XsollaClient:
    """Return the client of this process."""
    return XsollaClient(get_settings())
