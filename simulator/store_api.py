"""The provider's store API: payment tokens for carts, and reading orders back."""

from datetime import datetime
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from simulator import payload_parts as parts
from simulator.amounts import as_text
from simulator.errors import StoreApiError
from simulator.identity import bad_credentials, bearer_token, require_project
from simulator.records import Mint, Order, OrderStatus
from simulator.request_body import BadBody, read_body
from simulator.sales import refuse_body, sale_of_items
from simulator.simulator import TheSimulator
from simulator.token_bodies import StoreToken

router = APIRouter()


class OrderSearch(BaseModel):
    """Body of the order search."""

    model_config = ConfigDict(extra="ignore")

    limit: int = Field(default=10, ge=1, le=10)
    offset: int = Field(default=0, ge=0)
    created_date_from: datetime | None = None
    created_date_until: datetime | None = None

    def covers(self, order: Order) -> bool:
        """Tell whether an order was made in the time asked for."""
        made = order.created_at
        after = self.created_date_from is None or made >= _with_zone(self.created_date_from, made)
        before = self.created_date_until is None or made <= _with_zone(self.created_date_until, made)
        return after and before


@router.post("/api/v3/project/{project_id}/admin/payment/token", status_code=HTTPStatus.CREATED)
async def create_token(project_id: str, request: Request, simulator: TheSimulator) -> dict[str, Any]:
    """Make an order of catalogue items and a token that opens its payment page."""
    require_project(request, simulator.settings, project_id)
    try:
        body = await read_body(request, StoreToken)
    except BadBody as error:
        empty = error.kinds.get("purchase.items") == "too_short"
        raise refuse_body(str(error), empty_cart=empty) from None
    sale = await sale_of_items(body, simulator.catalogue, request.headers.get("X-User-Ip"))
    order = simulator.books.open_order(sale)
    return {"token": order.token, "order_id": order.id}


@router.get("/api/v2/project/{project_id}/order/{order_id}")
async def read_order(project_id: str, order_id: str, request: Request, simulator: TheSimulator) -> dict[str, Any]:
    """Show one order to the holder of its payment token."""
    now = simulator.books.clock()
    order = simulator.books.by_token(bearer_token(request) or "")
    if order is None or now >= order.expires_at or project_id != str(simulator.settings.xsolla_project_id):
        raise bad_credentials("The payment token is unknown or has expired")
    # An order that another buyer paid for is not the token holder's any more.
    is_theirs = order.sale.buyer.id == order.asked.buyer.id
    if order_id != str(order.id) or order.sale.mint is Mint.MERCHANT or not is_theirs:
        raise StoreApiError(HTTPStatus.NOT_FOUND, 9001, "Order not found")
    content = {"price": _price(order), "virtual_price": None, "is_free": False, "items": _items(order)}
    return {"order_id": order.id, "status": order.status_at(now), "content": content}


@router.post("/api/v3/project/{project_id}/admin/order/search")
async def search_orders(project_id: str, request: Request, simulator: TheSimulator) -> dict[str, Any]:
    """List the project's orders, newest first."""
    require_project(request, simulator.settings, project_id)
    try:
        search = await read_body(request, OrderSearch)
    except BadBody as error:
        raise refuse_body(str(error), empty_cart=False) from None
    of_store = (o for o in simulator.books.latest(len(simulator.books.orders)) if o.sale.mint is Mint.STORE)
    found = [order for order in of_store if search.covers(order)]
    now = simulator.books.clock()
    page = found[search.offset : search.offset + search.limit]
    project = simulator.settings.xsolla_project_id
    return {"orders": [_found(order, order.status_at(now)) | {"project_id": project} for order in page]}


def _found(order: Order, status: OrderStatus) -> dict[str, Any]:
    buyer = order.sale.buyer
    return {
        "order_id": order.id,
        "status": status,
        "date_created": order.created_at.isoformat(timespec="seconds"),
        "is_free": False,
        "mode": "sandbox" if order.sale.sandbox else "default",
        "invoice_id": None if order.payment is None else str(order.payment.id),
        "price": _price(order),
        "user": {"id": buyer.id, "country": buyer.country, "email": buyer.email},
        "items": parts.items(order.sale.lines),
    }


def _price(order: Order) -> dict[str, Any]:
    amount = as_text(order.sale.total)
    return {"amount": amount, "amount_without_discount": amount, "currency": order.sale.currency}


def _items(order: Order) -> list[dict[str, Any]]:
    return [
        {
            "sku": line.sku,
            "name": line.name,
            "quantity": line.quantity,
            "is_free": False,
            "price": {
                "amount": as_text(line.price),
                "amount_without_discount": as_text(line.price),
                "currency": order.sale.currency,
            },
        }
        for line in order.sale.lines
    ]


def _with_zone(asked: datetime, like: datetime) -> datetime:
    """Read a time without a zone in the zone of our own times."""
    return asked if asked.tzinfo else asked.replace(tzinfo=like.tzinfo)
