"""The client of Xsolla's HTTP APIs (shapes: developers.xsolla.com, API v2 and v3).

The simulator answers the same calls, so it is reached by other addresses, not by other code.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from store_app import money
from store_app.errors import ProviderRefused, ProviderUnavailable
from store_app.payments.provider import PaymentPage, PaymentRequest
from store_app.payments.xsolla.transport import Transport
from store_app.settings import Settings

_SEARCH_PAGE, _SEARCH_PAGES = 10, 20
_CATALOGUE_PAGE = 50
_AROUND = timedelta(minutes=2)


class XsollaClient:
    """Talks to Xsolla over HTTP. Every call can raise `ProviderUnavailable` and `ProviderRefused`."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient | None = None) -> None:
        """Use `settings` for addresses and credentials."""
        self._settings = settings
        self._transport = Transport(http)
        store, merchant = settings.xsolla_store_api_url, settings.xsolla_merchant_api_url
        self._project = (str(settings.xsolla_project_id), settings.xsolla_api_key)
        self._company = (str(settings.xsolla_merchant_id), settings.xsolla_api_key)
        self._items = f"{store}/api/v2/project/{settings.xsolla_project_id}/admin/items/virtual_items"
        self._orders = f"{store}/api/v2/project/{settings.xsolla_project_id}/order"
        self._admin = f"{store}/api/v3/project/{settings.xsolla_project_id}/admin"
        self._merchant = f"{merchant}/merchant/v2/merchants/{settings.xsolla_merchant_id}"

    async def open_payment_page(self, request: PaymentRequest) -> PaymentPage:
        """Ask for a payment token: of the catalogue, or of the merchant API, as XSOLLA_TOKEN says."""
        catalogue = self._settings.xsolla_token == "catalogue"  # noqa: S105 - a kind of token, not a token
        if catalogue:
            url, auth, body = f"{self._admin}/payment/token", self._project, self._catalogue_body(request)
        else:
            url, auth, body = f"{self._merchant}/token", self._company, self._merchant_body(request)
        answer = await self._transport.call("POST", url, idempotent=False, json=body, auth=auth)
        if not isinstance(answer, dict) or not answer.get("token") or (catalogue and not answer.get("order_id")):
            raise ProviderUnavailable
        order_id = str(answer["order_id"]) if catalogue else None
        return PaymentPage(order_id, f"{self._settings.paystation_url}/paystation4/?token={answer['token']}")

    def _user(self, request: PaymentRequest) -> dict[str, Any]:
        return {
            "id": {"value": request.user_id},
            "name": {"value": request.username},
            "country": {"value": request.country, "allow_modify": True},
        }

    def _common_settings(self, request: PaymentRequest) -> dict[str, Any]:
        return {
            "currency": request.currency,
            "external_id": request.external_id,
            "return_url": f"{self._settings.public_url}/orders/{request.order_id}",
        }

    def _catalogue_body(self, request: PaymentRequest) -> dict[str, Any]:
        redirect = {
            "redirect_conditions": "any",
            "delay": 0,
            "status_for_manual_redirection": "any",
            "redirect_button_caption": "Back to the store",
        }
        return {
            "sandbox": self._settings.xsolla_sandbox,
            "user": self._user(request),
            "purchase": {"items": [{"sku": sku, "quantity": quantity} for sku, quantity in request.lines]},
            "settings": {**self._common_settings(request), "redirect_policy": redirect},
            "custom_parameters": {"order_id": request.order_id},
        }

    def _merchant_body(self, request: PaymentRequest) -> dict[str, Any]:
        amount = float(money.to_major(request.total, request.currency))
        mode = {"mode": "sandbox"} if self._settings.xsolla_sandbox else {}
        project = {"project_id": self._settings.xsolla_project_id, **mode}
        return {
            "user": self._user(request),
            "settings": {**self._common_settings(request), **project},
            "purchase": {
                "checkout": {"amount": amount, "currency": request.currency},
                "description": {"value": f"Order {request.number}"},
            },
            "custom_parameters": {"order_id": request.order_id},
        }

    async def is_unpaid(self, provider_order_id: str, payment_token: str) -> bool:
        """Whether the provider says for certain that an order is not paid; False also when it does not say."""
        url, bearer = f"{self._orders}/{provider_order_id}", {"Authorization": f"Bearer {payment_token}"}
        try:
            answer = await self._transport.call("GET", url, idempotent=True, headers=bearer)
        except ProviderRefused:
            # The token lives 24 hours; later only the search knows.
            return False
        return isinstance(answer, dict) and answer.get("status") == "new"

    async def find_order(self, provider_order_id: str, made_at: datetime) -> dict[str, Any] | None:
        """Look an order up by its id among those made about that time; None when it is not there."""
        window = {
            "created_date_from": (made_at - _AROUND).isoformat(timespec="seconds"),
            "created_date_until": (made_at + _AROUND).isoformat(timespec="seconds"),
        }
        for page in range(_SEARCH_PAGES):
            orders = await self._search({"limit": _SEARCH_PAGE, "offset": page * _SEARCH_PAGE, **window})
            for order in orders:
                if str(order.get("order_id")) == provider_order_id:
                    return order
            if len(orders) < _SEARCH_PAGE:
                break
        return None

    async def _search(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        url = f"{self._admin}/order/search"
        answer = await self._transport.call("POST", url, idempotent=True, json=body, auth=self._project)
        orders = answer.get("orders") if isinstance(answer, dict) else None
        return [order for order in orders or [] if isinstance(order, dict)]

    async def find_transactions(self, external_id: str) -> list[dict[str, Any]]:
        """Return the transactions of a payment attempt by its external id (merchant tokens have no order)."""
        url, query = f"{self._merchant}/reports/transactions/simple_search", {"external_id": external_id}
        answer = await self._transport.call("GET", url, idempotent=True, params=query, auth=self._company)
        return [found for found in answer or [] if isinstance(found, dict)]

    async def refund(self, transaction_id: str, reason: str) -> None:
        """Ask that a payment is given back; what it gave is taken back when the notification comes."""
        url, body = (
            f"{self._merchant}/reports/transactions/{transaction_id}/refund",
            {"description": reason[:4000]},
        )
        await self._transport.call("PUT", url, idempotent=False, json=body, auth=self._company)

    async def refund_part(self, transaction_id: str, amount: Decimal, reason: str) -> None:
        """Ask that a part of a payment is given back; `amount` in major units of the purchase's currency."""
        url = f"{self._merchant}/reports/transactions/{transaction_id}/partial_refund"
        body = {"description": reason[:4000], "refund_amount": float(amount)}
        await self._transport.call("PUT", url, idempotent=False, json=body, auth=self._company)

    async def list_catalogue(self) -> dict[str, dict[str, Any]]:
        """Return the virtual items of the catalogue by SKU, as Xsolla writes them."""
        found: dict[str, dict[str, Any]] = {}
        while True:
            query = {"limit": _CATALOGUE_PAGE, "offset": len(found)}
            answer = await self._transport.call(
                "GET", self._items, idempotent=True, params=query, auth=self._project
            )
            items = answer.get("items", []) if isinstance(answer, dict) else []
            new = {item["sku"]: item for item in items if item["sku"] not in found}
            found |= new
            if len(new) < _CATALOGUE_PAGE:
                return found

    async def create_item(self, body: dict[str, Any]) -> None:
        """Put a new item into the catalogue."""
        await self._transport.call("POST", self._items, idempotent=False, json=body, auth=self._project)

    async def change_item(self, body: dict[str, Any]) -> None:
        """Change an item of the catalogue."""
        url = f"{self._items}/sku/{body['sku']}"
        await self._transport.call("PUT", url, idempotent=True, json=body, auth=self._project)
