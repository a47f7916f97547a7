"""The scripted store with just enough accounts, orders and libraries for the demo players."""

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


@dataclass
class FakeShop(FakeStore):
    """Grants what is paid, as often as told; session tokens are user names."""

    simulator_url: str = ""
    grants: int = 1
    closing_time: tuple[int, Callable[[], object]] | None = None
    busy_sign_ins: int = 1
    orders: dict[str, tuple[str, dict[str, int]]] = field(default_factory=dict)
    libraries: defaultdict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def app(self) -> FastAPI:
        app = super().app()
        app.add_api_route("/api/users", self._register, methods=["POST"])
        app.add_api_route("/api/sessions", self._sign_in, methods=["POST"])
        app.add_api_route("/api/purchases", self._place, methods=["POST"])
        app.add_api_route("/api/purchases", self._library, methods=["GET"])
        return app

    async def _register(self, request: Request) -> Response:
        return JSONResponse({"id": "1", "username": (await request.json())["username"]}, 201)

    async def _sign_in(self, request: Request) -> Response:
        if self.busy_sign_ins:
            self.busy_sign_ins -= 1
            return JSONResponse({"title": "Too many tries"}, 429, {"Retry-After": "0"})
        name = (await request.json())["username"]
        return JSONResponse({"token": name, "expires_at": "2099-01-01T00:00:00Z", "user_id": name}, 201)

    async def _place(self, request: Request) -> Response:
        [line] = (await request.json())["items"]
        player = request.headers["Authorization"].removeprefix("Bearer ")
        if any(row["item"]["sku"] == line["sku"] == "sword" for row in self.libraries[player]):
            return JSONResponse({"title": "Already owned"}, 409)
        order_id = uuid4().hex
        body = token_body(store_order=order_id, **line)
        async with httpx.AsyncClient(auth=(str(PROJECT), KEY), trust_env=False, verify=NO_CERTIFICATES) as client:
            address = f"{self.simulator_url}/api/v3/project/{PROJECT}/admin/payment/token"
            token = (await client.post(address, json=body)).json()["token"]
        self.orders[order_id] = (player, {line["sku"]: line["quantity"]})
        if self.closing_time is not None and len(self.orders) == self.closing_time[0]:
            self.closing_time[1]()
        payment_url = f"http://pay.invalid/paystation4/?token={token}"
        answer = {"order_id": order_id, "status": "pending", "total": 1, "currency": "USD"}
        return JSONResponse(answer | {"payment_url": payment_url}, 201)

    async def _library(self, request: Request, cursor: int = 0) -> Response:
        rows = self.libraries[request.headers["Authorization"].removeprefix("Bearer ")]
        headers = {"Link": f'</api/purchases?cursor={cursor + 3}>; rel="next"'} if rows[cursor + 3 :] else {}
        return JSONResponse(rows[cursor : cursor + 3], headers=headers)

    async def _webhook(self, request: Request) -> Response:
        answer = await super()._webhook(request)
        told = self.received[-1]
        if told.type == "order_paid":
            order_id = told.json["custom_parameters"]["order_id"]
            player, lines = self.orders[order_id]
            for sku, quantity in list(lines.items()) * self.grants:
                row = {"order_id": order_id, "quantity": quantity, "item": {"sku": sku}}
                self.libraries[player].append(row)
        return answer
