"""The fake store with accounts, orders and libraries, for the demo users."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from tests.integration.simulator.driver import KEY, PROJECT, token_body
from tests.integration.simulator.fake_store import NO_CERTIFICATES, FakeStore

LIBRARY_PAGE_SIZE = 3


@dataclass
class GrantingStore(FakeStore):
    """Grants an order once for each `order_paid`, or as often as `grants` says; session tokens are user names."""

    simulator_url: str = ""
    grants: int = 1
    # Called when this number of orders was placed.
    on_order_count: tuple[int, Callable[[], object]] | None = None
    rate_limited_sign_ins: int = 1
    orders: dict[str, tuple[str, dict[str, int]]] = field(default_factory=dict)
    libraries: defaultdict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def app(self) -> FastAPI:
        app = super().app()
        app.add_api_route("/api/users", self._register, methods=["POST"])
        app.add_api_route("/api/sessions", self._sign_in, methods=["POST"])
        app.add_api_route("/api/purchases", self._place, methods=["POST"])
        app.add_api_route("/api/purchases", self._list_purchases, methods=["GET"])
        return app

    async def _register(self, request: Request) -> Response:
        return JSONResponse({"id": "1", "username": (await request.json())["username"]}, 201)

    async def _sign_in(self, request: Request) -> Response:
        if self.rate_limited_sign_ins:
            self.rate_limited_sign_ins -= 1
            return JSONResponse({"title": "Too many requests"}, 429, {"Retry-After": "0"})
        name = (await request.json())["username"]
        return JSONResponse({"token": name, "expires_at": "2099-01-01T00:00:00Z", "user_id": name}, 201)

    async def _place(self, request: Request) -> Response:
        [line] = (await request.json())["items"]
        user = user_of(request)
        if any(row["item"]["sku"] == line["sku"] == "sword" for row in self.libraries[user]):
            return JSONResponse({"title": "Already owned"}, 409)
        order_id = uuid4().hex
        body = token_body(store_order_id=order_id, **line)
        async with httpx.AsyncClient(auth=(str(PROJECT), KEY), trust_env=False, verify=NO_CERTIFICATES) as client:
            address = f"{self.simulator_url}/api/v3/project/{PROJECT}/admin/payment/token"
            token = (await client.post(address, json=body)).json()["token"]
        self.orders[order_id] = (user, {line["sku"]: line["quantity"]})
        if self.on_order_count is not None and len(self.orders) == self.on_order_count[0]:
            self.on_order_count[1]()
        payment_url = f"http://pay.invalid/paystation4/?token={token}"
        order = {"order_id": order_id, "status": "pending", "total": 1, "currency": "USD"}
        return JSONResponse(order | {"payment_url": payment_url}, 201)

    async def _list_purchases(self, request: Request, cursor: int = 0) -> Response:
        return library_page(self.libraries[user_of(request)], cursor)

    async def _webhook(self, request: Request) -> Response:
        response = await super()._webhook(request)
        delivery = self.received[-1]
        if delivery.type == "order_paid":
            order_id = delivery.json["custom_parameters"]["order_id"]
            user, quantities = self.orders[order_id]
            for sku, quantity in list(quantities.items()) * self.grants:
                row = {"order_id": order_id, "quantity": quantity, "item": {"sku": sku}}
                self.libraries[user].append(row)
        return response


def user_of(request: Request) -> str:
    """Return the user of a session token."""
    return request.headers["Authorization"].removeprefix("Bearer ")


def library_page(rows: list[dict[str, Any]], cursor: int) -> Response:
    """Return a page of a library, with the link to the next page."""
    end = cursor + LIBRARY_PAGE_SIZE
    headers = {"Link": f'</api/purchases?cursor={end}>; rel="next"'} if rows[end:] else {}
    return JSONResponse(rows[cursor:end], headers=headers)
