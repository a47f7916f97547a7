"""Xsolla as a payment provider, over its HTTP APIs (shapes: developers.xsolla.com, API v2 and v3).

The simulator answers the same calls, so it is reached by other addresses, not by other code.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx

from store_app import money
from store_app.errors import ProviderRefused, ProviderUnavailable
from store_app.models import Item, PaymentAttempt
from store_app.payments.provider import (
    CatalogueChanges,
    Notification,
    Outcome,
    PaymentEvent,
    PaymentPage,
    PaymentRequest,
    Response,
)
from store_app.payments.xsolla import catalogue, notifications, reconciliation, response, signature
from store_app.payments.xsolla.transport import Transport
from store_app.settings import NO_XSOLLA, BadSettings, Settings, get_settings

_SEARCH_PAGE, _SEARCH_PAGES = 10, 20
_CATALOGUE_PAGE = 50
_AROUND = timedelta(minutes=2)


class XsollaProvider:
    """A `PaymentProvider` and `CatalogueProvider`."""

    name = notifications.NAME
    display_name = "Xsolla"

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

    def verify(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """Whether the Authorization header signs these bytes with one of the webhook secrets."""
        header = headers.get("authorization", "").encode("latin-1", "replace")
        return signature.is_valid(body, header, self._settings.webhook_secrets)

    def parse(self, body: bytes) -> Notification:
        """Read a notification of either delivery mode."""
        return notifications.parse(body, self._settings)

    def respond(self, outcome: Outcome) -> Response:
        """Return 204, a user's id, or an error with Xsolla's code."""
        return response.respond(outcome)

    async def open_payment_page(self, request: PaymentRequest) -> PaymentPage:
        """Open Pay Station: for SKUs of the catalogue or, as XSOLLA_TOKEN says, for an amount."""
        of_catalogue = self._settings.xsolla_token == "catalogue"  # noqa: S105 - a kind of token, not a token
        if of_catalogue:
            url, auth, body = f"{self._admin}/payment/token", self._project, self._catalogue_body(request)
        else:
            url, auth, body = f"{self._merchant}/token", self._company, self._merchant_body(request)
        answer = await self._transport.call("POST", url, idempotent=False, json=body, auth=auth)
        wanted = ("token", "order_id") if of_catalogue else ("token",)
        if not isinstance(answer, dict) or not all(answer.get(name) for name in wanted):
            raise ProviderUnavailable
        order_id = str(answer["order_id"]) if of_catalogue else None
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

    async def find_payments(self, attempt: PaymentAttempt) -> Sequence[PaymentEvent]:
        """Ask about one payment attempt, by its order or, for a merchant token, by its external id."""
        if attempt.provider_order_id is None:
            return reconciliation.events_of_transactions(attempt, await self._find_transactions(attempt))
        # Most attempts are unpaid, which one cheap call shows.
        if await self._is_unpaid(attempt):
            return []
        order = await self._find_order(attempt)
        return reconciliation.events_of_order(attempt, order, sandbox=self._settings.xsolla_sandbox)

    async def _is_unpaid(self, attempt: PaymentAttempt) -> bool:
        """Whether Xsolla says for certain that an order is not paid; False also when it does not say."""
        url = f"{self._orders}/{attempt.provider_order_id}"
        bearer = {"Authorization": f"Bearer {attempt.payment_url.rpartition('token=')[2]}"}
        try:
            answer = await self._transport.call("GET", url, idempotent=True, headers=bearer)
        except ProviderRefused:
            # The token is valid for 24 hours; after that only the search finds the order.
            return False
        return isinstance(answer, dict) and answer.get("status") == "new"

    async def _find_order(self, attempt: PaymentAttempt) -> dict[str, Any]:
        """Look an order up by its id among those made about that time; empty when it is not there."""
        window = {
            "created_date_from": (attempt.created_at - _AROUND).isoformat(timespec="seconds"),
            "created_date_until": (attempt.created_at + _AROUND).isoformat(timespec="seconds"),
        }
        for page in range(_SEARCH_PAGES):
            orders = await self._search({"limit": _SEARCH_PAGE, "offset": page * _SEARCH_PAGE, **window})
            for order in orders:
                if str(order.get("order_id")) == attempt.provider_order_id:
                    return order
            if len(orders) < _SEARCH_PAGE:
                break
        return {}

    async def _search(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        url = f"{self._admin}/order/search"
        answer = await self._transport.call("POST", url, idempotent=True, json=body, auth=self._project)
        orders = answer.get("orders") if isinstance(answer, dict) else None
        return [order for order in orders or [] if isinstance(order, dict)]

    async def _find_transactions(self, attempt: PaymentAttempt) -> list[dict[str, Any]]:
        url, query = f"{self._merchant}/reports/transactions/simple_search", {"external_id": attempt.external_id}
        answer = await self._transport.call("GET", url, idempotent=True, params=query, auth=self._company)
        return [found for found in answer or [] if isinstance(found, dict)]

    async def refund(self, transaction_id: str, reason: str, amount: Decimal | None = None) -> None:
        """Ask that a payment is given back, whole or in part."""
        part = {} if amount is None else {"refund_amount": float(amount)}
        url = f"{self._merchant}/reports/transactions/{transaction_id}/{'partial_refund' if part else 'refund'}"
        body = {"description": reason[:4000], **part}
        await self._transport.call("PUT", url, idempotent=False, json=body, auth=self._company)

    async def compare_catalogue(self, items: Sequence[Item]) -> CatalogueChanges:
        """Compare the store's items with the virtual items of the catalogue."""
        return catalogue.compare(items, await self._list_catalogue())

    async def _list_catalogue(self) -> dict[str, dict[str, Any]]:
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

    async def update_catalogue(self, changes: CatalogueChanges) -> None:
        """Write changes into the catalogue."""
        for item in changes.new:
            body = catalogue.item_body(item)
            await self._transport.call("POST", self._items, idempotent=False, json=body, auth=self._project)
        for item in changes.changed:
            url, body = f"{self._items}/sku/{item.sku}", catalogue.item_body(item)
            await self._transport.call("PUT", url, idempotent=True, json=body, auth=self._project)


def create() -> XsollaProvider:
    """Return the provider of this process.

    Raises:
        BadSettings: there is no webhook secret.
    """
    settings = get_settings()
    if not settings.webhook_secrets:
        raise BadSettings(NO_XSOLLA)
    return XsollaProvider(settings)
