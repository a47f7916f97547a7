"""Xsolla as a payment provider: signature, notifications, answers, payment pages, reconciliation, catalogue."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import httpx

from store_app.payments.provider import (
    CatalogueChanges,
    CatalogueItem,
    Notification,
    OpenPayment,
    Outcome,
    PaymentEvent,
    PaymentPage,
    PaymentRequest,
    Response,
)
from store_app.payments.xsolla import catalogue, notifications, reconciliation, response, signature
from store_app.payments.xsolla.client import XsollaClient
from store_app.settings import NO_XSOLLA, BadSettings, Settings, get_settings


class XsollaProvider:
    """A `PaymentProvider` and `CatalogueProvider`."""

    name = notifications.NAME
    display_name = "Xsolla"

    def __init__(self, settings: Settings, http: httpx.AsyncClient | None = None) -> None:
        """Use `settings` for addresses and credentials."""
        self._settings = settings
        self._client = XsollaClient(settings, http)

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
        return await self._client.open_payment_page(request)

    async def find_payments(self, payment: OpenPayment) -> Sequence[PaymentEvent]:
        """Ask about one payment attempt, by its order or, for a merchant token, by its external id."""
        event = await self._find_event(payment)
        return [event] if event else []

    async def _find_event(self, payment: OpenPayment) -> PaymentEvent | None:
        if payment.provider_order_id is None:
            found = await self._client.find_transactions(payment.external_id)
            return reconciliation.event_of_transactions(payment, found)
        # Most are simply not paid, which one call tells.
        token = payment.payment_url.rpartition("token=")[2]
        if await self._client.is_unpaid(payment.provider_order_id, token):
            return None
        order = await self._client.find_order(payment.provider_order_id, payment.opened_at)
        if order is None:
            return None
        return reconciliation.event_of_order(payment, order, sandbox=self._settings.xsolla_sandbox)

    async def refund(self, transaction_id: str, reason: str, amount: Decimal | None = None) -> None:
        """Ask that a payment is given back, whole or in part."""
        if amount is None:
            await self._client.refund(transaction_id, reason)
        else:
            await self._client.refund_part(transaction_id, amount, reason)

    async def compare_catalogue(self, items: Sequence[CatalogueItem]) -> CatalogueChanges:
        """Compare the store's items with the catalogue."""
        return catalogue.compare(items, await self._client.list_catalogue())

    async def update_catalogue(self, changes: CatalogueChanges) -> None:
        """Write changes into the catalogue."""
        for item in changes.new:
            await self._client.create_item(catalogue.item_body(item))
        for item in changes.changed:
            await self._client.change_item(catalogue.item_body(item))


def create() -> XsollaProvider:
    """Return the provider of this process.

    Raises:
        BadSettings: there is no webhook secret.
    """
    settings = get_settings()
    if not settings.webhook_secrets:
        raise BadSettings(NO_XSOLLA)
    return XsollaProvider(settings)
