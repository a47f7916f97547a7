"""The store's public API, as a program of an ordinary player uses it."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx

from simulator.settings import at_base

_PAGE = 100
_MIN_WAIT_SECONDS = 1.0
_LONGEST_WAIT = 60.0


class StoreTrouble(Exception):
    """The store said no or nothing; the message says what, in words."""

    def __init__(self, argv: str, status: int | None = None) -> None:
        super().__init__(argv)
        self.status = status


@dataclass(frozen=True, slots=True)
class Item:
    """Something for sale."""

    sku: str
    name: str
    is_consumable: bool
    is_free: bool = False


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """The store's answer to an order; one that costs nothing has no payment page."""

    id: str
    status: str
    total: str
    payment_url: str | None


class StoreClient:
    """Calls of the store's API; each raises StoreTrouble unless the store agrees."""

    def __init__(self, client: httpx.AsyncClient, store_url: str) -> None:
        self._client = client
        self._store_url = store_url

    async def register(self, username: str, password: str) -> None:
        """Create an account; waits when the store asks for patience."""
        await self._patiently("/api/users", {"username": username, "password": password})

    async def sign_in(self, username: str, password: str) -> str:
        """Give a session token; waits when the store asks for patience."""
        answer = await self._patiently("/api/sessions", {"username": username, "password": password})
        return str(answer["token"])

    async def items(self) -> list[Item]:
        """List everything for sale."""
        rows = await self._all_pages(f"/api/items?limit={_PAGE}", None)
        return [_item(row) for row in rows]

    async def place(self, token: str, wanted: dict[str, int], key: str | None = None) -> PlacedOrder:
        """Order quantities by SKU; an idempotency key keeps the order apart from others for the same."""
        lines = [{"sku": sku, "quantity": quantity} for sku, quantity in wanted.items()]
        response = await self._call("POST", "/api/purchases", token, {"items": lines}, key)
        answer = response.json()
        total = f"{answer['total']} {answer['currency']}"
        return PlacedOrder(str(answer["order_id"]), answer["status"], total, answer.get("payment_url"))

    async def order_status(self, token: str, order_id: str) -> str:
        """Read where an order of the caller stands."""
        response = await self._call("GET", f"/api/orders/{order_id}", token)
        return str(response.json()["status"])

    async def cancel(self, token: str, order_id: str) -> None:
        """Cancel an open order of the caller; one that is not open any more is left as it is."""
        try:
            await self._call("POST", f"/api/orders/{order_id}/cancel", token)
        except StoreTrouble as trouble:
            if trouble.status != httpx.codes.CONFLICT:
                raise

    async def purchases(self, token: str) -> list[dict[str, Any]]:
        """List the caller's whole library."""
        return await self._all_pages(f"/api/purchases?limit={_PAGE}", token)

    async def _patiently(self, path: str, body: dict[str, str]) -> dict[str, Any]:
        while True:
            try:
                answer: dict[str, Any] = (await self._call("POST", path, None, body)).json()
            except _TooMany as answer_later:
                await asyncio.sleep(answer_later.seconds)
            else:
                return answer

    async def _all_pages(self, path: str, token: str | None) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        address: str | None = path
        while address is not None:
            response = await self._call("GET", address, token)
            rows += response.json()
            following = response.links.get("next", {}).get("url")
            address = None if following is None else at_base("", following)
        return rows

    async def _call(
        self,
        method: str,
        path: str,
        token: str | None,
        body: dict[str, Any] | None = None,
        key: str | None = None,
    ) -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        try:
            response = await self._client.request(method, self._store_url + path, headers=headers, json=body)
        except httpx.HTTPError as error:
            raise StoreTrouble(f"the store cannot be reached: {str(error) or type(error).__name__}") from None
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise _TooMany(response)
        if not response.is_success:
            raise StoreTrouble(_words(response), response.status_code)
        return response


def _item(row: dict[str, Any]) -> Item:
    is_free = Decimal(str(row["price"])) == 0
    return Item(str(row["sku"]), str(row["name"]), row["kind"] == "consumable", is_free)


class _TooMany(StoreTrouble):
    """The store asks to come back later."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(_words(response), response.status_code)
        asked = response.headers.get("Retry-After", "")
        seconds = float(asked) if asked.isdigit() else _MIN_WAIT_SECONDS
        self.seconds = min(max(seconds, _MIN_WAIT_SECONDS), _LONGEST_WAIT)


def _words(response: httpx.Response) -> str:
    """Read the sentence out of a problem answer."""
    try:
        problem = response.json()
        argv = str(problem.get("detail") or problem.get("title") or "")
    except (ValueError, AttributeError):
        argv = ""
    return f"the store answered {response.status_code} {argv}".rstrip()
