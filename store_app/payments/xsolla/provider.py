"""Xsolla as a payment provider, over its HTTP APIs (shapes: developers.xsolla.com, API v2 and v3).

The simulator answers the same calls, so it is reached by other addresses, not by other code.
"""

import base64
import logging
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from ipaddress import IPv6Address, ip_address
from typing import Any

from store_app import languages, money, routes
from store_app.errors import ProviderRefused, ProviderUnavailable
from store_app.models import AttemptKind, Item, PaymentAttempt
from store_app.payments.provider import (
    CatalogueChanges,
    PaymentEvent,
    PaymentPage,
    PaymentRequest,
)
from store_app.payments.xsolla import catalogue, notifications, reconciliation
from store_app.payments.xsolla.transport import Request, Send, Transport
from store_app.settings import NO_XSOLLA, BadSettings, Settings, get_settings

logger = logging.getLogger(__name__)

_SEARCH_PAGE, _MAX_SEARCH_PAGES = 10, 1000
_CATALOGUE_PAGE = 50
# How long before and after an attempt its order was made: nearly always within seconds; the clocks may differ.
_WINDOWS = (timedelta(seconds=15), timedelta(minutes=10))
# Xsolla demands a country or an address: said when neither is known, and the user can change it.
_FALLBACK_COUNTRY = "US"


class XsollaProvider(notifications.Webhook):
    """A `PaymentProvider` and `CatalogueProvider`."""

    name = notifications.NAME
    display_name = "Xsolla"

    def __init__(self, settings: Settings, send: Send | None = None) -> None:
        """Use `settings` for addresses and credentials; `send` replaces the network."""
        super().__init__(settings)
        self._transport = Transport(send)
        store, merchant = settings.xsolla_store_api_url, settings.xsolla_merchant_api_url
        self._project = _basic(settings.xsolla_project_id, settings.xsolla_api_key)
        self._company = _basic(settings.xsolla_merchant_id, settings.xsolla_api_key)
        self._items = f"{store}/api/v2/project/{settings.xsolla_project_id}/admin/items/virtual_items"
        self._orders = f"{store}/api/v2/project/{settings.xsolla_project_id}/order"
        self._admin = f"{store}/api/v3/project/{settings.xsolla_project_id}/admin"
        self._merchant = f"{merchant}/merchant/v2/merchants/{settings.xsolla_merchant_id}"

    @property
    def attempt_kind(self) -> AttemptKind:
        """What XSOLLA_TOKEN says: a cart of the catalogue, or an amount."""
        of_catalogue = self._settings.xsolla_token == "catalogue"  # noqa: S105 - a kind of token, not a token
        return AttemptKind.CATALOGUE if of_catalogue else AttemptKind.AMOUNT

    async def open_payment_page(self, request: PaymentRequest) -> PaymentPage:
        """Open Pay Station: for SKUs of the catalogue or, as XSOLLA_TOKEN says, for an amount."""
        of_catalogue = self.attempt_kind is AttemptKind.CATALOGUE
        if of_catalogue:
            url, auth, body = f"{self._admin}/payment/token", self._project, self._catalogue_body(request)
        else:
            url, auth, body = f"{self._merchant}/token", self._company, self._merchant_body(request)
        call = Request("POST", url, {**auth, **_location_headers(request)}, body=body)
        answer = await self._transport.call(call, idempotent=False)
        wanted = ("token", "order_id") if of_catalogue else ("token",)
        if not isinstance(answer, dict) or not all(answer.get(name) for name in wanted):
            raise ProviderUnavailable
        token = str(answer["token"])
        page_url = f"{self._settings.paystation_url}/paystation4/?token={token}"
        if not of_catalogue:
            return PaymentPage(None, page_url)
        order_id = str(answer["order_id"])
        return PaymentPage(order_id, page_url, *await self._read_price(order_id, token))

    async def _read_price(self, order_id: str, token: str) -> tuple[str, str]:
        """Return what Xsolla's catalogue charges for an order, because the token was asked for without a price."""
        try:
            order = await self._read_order(order_id, token)
        except ProviderRefused:
            order = {}
        amount, currency = reconciliation.price_of_content(order)
        if not amount or not currency:
            logger.error("Xsolla does not say the price of its order %s", order_id)
            raise ProviderUnavailable
        return amount, currency

    def _user(self, request: PaymentRequest) -> dict[str, Any]:
        user: dict[str, Any] = {"id": {"value": request.user_id}, "name": {"value": request.username}}
        country = request.country or ("" if _location_headers(request) else _FALLBACK_COUNTRY)
        if country:
            user["country"] = {"value": country, "allow_modify": True}
        return user

    def _common_settings(self, request: PaymentRequest) -> dict[str, Any]:
        return {
            "currency": request.currency,
            "language": languages.current().partition("-")[0],
            "external_id": request.external_id,
            "return_url": self._settings.public_url + routes.order(request.order_id),
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
        if attempt.kind == AttemptKind.AMOUNT:
            return reconciliation.events_of_transactions(
                attempt, await self._find_transactions(external_id=attempt.external_id)
            )
        return await self._find_order_events(attempt, attempt.provider_order_id or "")

    async def _find_order_events(self, attempt: PaymentAttempt, order_id: str) -> Sequence[PaymentEvent]:
        try:
            order = await self._read_order(order_id, attempt.payment_url.rpartition("token=")[2])
        except ProviderRefused:
            # The token is valid for 24 hours; after that only the search finds the order.
            order = {}
        # Most attempts are unpaid, which this one cheap call shows.
        if order.get("status") == "new":
            return []
        # Only the search names the transaction.
        listed = await self._find_order(attempt, order_id)
        events = reconciliation.events_of_order(attempt, listed, sandbox=self._settings.xsolla_sandbox)
        events = events or reconciliation.events_of_content(attempt, order)
        if not events and not listed:
            logger.error("Xsolla does not say what became of its order %s", order_id)
            raise ProviderUnavailable
        return events

    async def _read_order(self, order_id: str, token: str) -> dict[str, Any]:
        """Return an order as the holder of its payment token sees it."""
        call = Request("GET", f"{self._orders}/{order_id}", {"Authorization": f"Bearer {token}"})
        answer = await self._transport.call(call, idempotent=True)
        return answer if isinstance(answer, dict) else {}

    async def _find_order(self, attempt: PaymentAttempt, order_id: str) -> dict[str, Any]:
        """Look an order up by its id among those made about that time; empty when it is not there."""
        for around in _WINDOWS:
            window = {
                "created_date_from": (attempt.created_at - around).isoformat(timespec="seconds"),
                "created_date_until": (attempt.created_at + around).isoformat(timespec="seconds"),
            }
            if order := await self._find_in_window(order_id, window):
                return order
        return {}

    async def _find_in_window(self, order_id: str, window: dict[str, str]) -> dict[str, Any]:
        for page in range(_MAX_SEARCH_PAGES):
            orders = await self._search({"limit": _SEARCH_PAGE, "offset": page * _SEARCH_PAGE, **window})
            for order in orders:
                if str(order.get("order_id")) == order_id:
                    return order
            if len(orders) < _SEARCH_PAGE:
                return {}
        logger.error("Xsolla has too many orders from %(created_date_from)s to %(created_date_until)s", window)
        return {}

    async def _search(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        call = Request("POST", f"{self._admin}/order/search", self._project, body=body)
        answer = await self._transport.call(call, idempotent=True)
        orders = answer.get("orders") if isinstance(answer, dict) else None
        return [order for order in orders or [] if isinstance(order, dict)]

    async def find_refunds(self, attempt: PaymentAttempt, transaction_id: str) -> Sequence[PaymentEvent]:
        """Ask about one transaction."""
        found = await self._find_transactions(transaction_id=transaction_id)
        mine = [entry for entry in found if reconciliation.transaction_id(entry) == transaction_id]
        return reconciliation.refunds_of_transactions(attempt, mine)

    async def _find_transactions(self, **by: str) -> list[dict[str, Any]]:
        url = f"{self._merchant}/reports/transactions/simple_search"
        answer = await self._transport.call(Request("GET", url, self._company, query=by), idempotent=True)
        return [found for found in answer if isinstance(found, dict)] if isinstance(answer, list) else []

    async def refund(self, transaction_id: str, reason: str, amount: Decimal | None = None) -> None:
        """Ask that a payment is given back, whole or in part."""
        part = {} if amount is None else {"refund_amount": float(amount)}
        url = f"{self._merchant}/reports/transactions/{transaction_id}/{'partial_refund' if part else 'refund'}"
        body = {"description": reason[:4000], **part}
        await self._transport.call(Request("PUT", url, self._company, body=body), idempotent=False)

    async def compare_catalogue(self, items: Sequence[Item]) -> CatalogueChanges:
        """Compare the store's items with the virtual items of the catalogue."""
        return catalogue.compare(items, await self._list_catalogue())

    async def _list_catalogue(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        while True:
            query = {"limit": str(_CATALOGUE_PAGE), "offset": str(len(found))}
            call = Request("GET", self._items, self._project, query)
            answer = await self._transport.call(call, idempotent=True)
            items = answer.get("items", []) if isinstance(answer, dict) else []
            new = {item["sku"]: item for item in items if item["sku"] not in found}
            found |= new
            if len(new) < _CATALOGUE_PAGE:
                return found

    async def update_catalogue(self, changes: CatalogueChanges) -> None:
        """Write changes into the catalogue."""
        for item in changes.new:
            call = Request("POST", self._items, self._project, body=catalogue.item_body(item))
            await self._transport.call(call, idempotent=False)
        for item in changes.changed:
            url = f"{self._items}/sku/{item.sku}"
            call = Request("PUT", url, self._project, body=catalogue.item_body(item))
            await self._transport.call(call, idempotent=True)


def _basic(user: int, key: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{key}'.encode()).decode()}"}


def _location_headers(request: PaymentRequest) -> dict[str, str]:
    """Return the header by which Xsolla finds out the country; none when the country or no address is known."""
    if request.country:
        return {}
    try:
        address = ip_address(request.address)
    except ValueError:
        return {}
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    return {"X-User-Ip": str(address)} if address.is_global else {}


def create() -> XsollaProvider:
    """Return the provider of this process.

    Raises:
        BadSettings: there is no webhook secret.
    """
    settings = get_settings()
    if not settings.webhook_secrets:
        raise BadSettings(NO_XSOLLA)
    return XsollaProvider(settings)
