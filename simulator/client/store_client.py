"""A client of the store's public API, as any user's program could be."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx

from simulator.settings import with_base

_PAGE_SIZE = 100
# Limits for the waiting time that the store asks for when there are too many requests.
_MIN_WAIT_SECONDS = 1.0
_MAX_WAIT_SECONDS = 60.0


class StoreError(Exception):
    """The store refused or did not respond; the message says why."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Item:
    """An item for sale."""

    sku: str
    name: str
    is_consumable: bool
    is_free: bool = False


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """The store's response to an order; an order that costs nothing has no payment page."""

    id: str
    status: str
    total: str
    payment_url: str | None


class StoreClient:
    """Calls of the store's API; each raises StoreError unless it succeeds."""

    def __init__(self, client: httpx.AsyncClient, store_url: str) -> None:
        self._client = client
        self._store_url = store_url

    async def register(self, username: str, password: str) -> None:
        """Create an account; wait if there are too many requests."""
        await self._call_when_allowed("/api/users", {"username": username, "password": password})

    async def sign_in(self, username: str, password: str) -> str:
        """Return a session token; wait if there are too many requests."""
        body = {"username": username, "password": password}
        session = await self._call_when_allowed("/api/sessions", body)
        return str(session["token"])

    async def items(self) -> list[Item]:
        """Return all items for sale."""
        rows = await self._all_pages(f"/api/items?limit={_PAGE_SIZE}", None)
        return [_item(row) for row in rows]

    async def place(
        self, token: str, quantities: dict[str, int], idempotency_key: str | None = None
    ) -> PlacedOrder:
        """Place an order of quantities by SKU; equal orders with different keys are separate orders."""
        lines = [{"sku": sku, "quantity": quantity} for sku, quantity in quantities.items()]
        response = await self._call("POST", "/api/purchases", token, {"items": lines}, idempotency_key)
        order = response.json()
        total = f"{order['total']} {order['currency']}"
        return PlacedOrder(str(order["order_id"]), order["status"], total, order.get("payment_url"))

    async def order_status(self, token: str, order_id: str) -> str:
        """Return the status of one of the user's orders."""
        response = await self._call("GET", f"/api/orders/{order_id}", token)
        return str(response.json()["status"])

    async def cancel(self, token: str, order_id: str) -> None:
        """Cancel one of the user's orders, unless it is no longer open."""
        try:
            await self._call("POST", f"/api/orders/{order_id}/cancel", token)
        except StoreError as error:
            if error.status != httpx.codes.CONFLICT:
                raise

    async def purchases(self, token: str) -> list[dict[str, Any]]:
        """Return the user's whole library."""
        return await self._all_pages(f"/api/purchases?limit={_PAGE_SIZE}", token)

    async def _call_when_allowed(self, path: str, body: dict[str, str]) -> dict[str, Any]:
        while True:
            try:
                result: dict[str, Any] = (await self._call("POST", path, None, body)).json()
            except _TooManyRequests as error:
                await asyncio.sleep(error.wait_seconds)
            else:
                return result

    async def _all_pages(self, path: str, token: str | None) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        next_path: str | None = path
        while next_path is not None:
            response = await self._call("GET", next_path, token)
            rows += response.json()
            next_address = response.links.get("next", {}).get("url")
            next_path = None if next_address is None else with_base("", next_address)
        return rows

    async def _call(
        self,
        method: str,
        path: str,
        token: str | None,
        body: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        try:
            response = await self._client.request(method, self._store_url + path, headers=headers, json=body)
        except httpx.HTTPError as error:
            raise StoreError(f"the store cannot be reached: {str(error) or type(error).__name__}") from None
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise _TooManyRequests(response)
        if not response.is_success:
            raise StoreError(_error_message(response), response.status_code)
        return response


class _TooManyRequests(StoreError):
    """The store refuses further requests for some time."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(_error_message(response), response.status_code)
        retry_after = response.headers.get("Retry-After", "")
        seconds = float(retry_after) if retry_after.isdigit() else _MIN_WAIT_SECONDS
        self.wait_seconds = min(max(seconds, _MIN_WAIT_SECONDS), _MAX_WAIT_SECONDS)


def _item(row: dict[str, Any]) -> Item:
    is_free = Decimal(str(row["price"])) == 0
    return Item(str(row["sku"]), str(row["name"]), row["kind"] == "consumable", is_free)


def _error_message(response: httpx.Response) -> str:
    """Return the sentence of a problem document."""
    try:
        problem = response.json()
        sentence = str(problem.get("detail") or problem.get("title") or "")
    except (ValueError, AttributeError):
        sentence = ""
    return f"the store answered {response.status_code} {sentence}".rstrip()
