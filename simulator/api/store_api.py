"""The provider's store API: payment tokens for carts, reading orders back, and upkeep of the catalogue.

What the documents do not say is our choice: 409 with the number 4003 for a SKU that exists already.
"""

from datetime import datetime
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from simulator.amounts import as_text
from simulator.api.requests import (
    BadBody,
    StoreApiError,
    bad_credentials,
    bearer_token,
    read_body,
    require_project,
)
from simulator.api.sales import StoreToken, refuse_body, sale_of_items
from simulator.catalogue import VirtualItem
from simulator.context import Simulator, TheSimulator
from simulator.delivery import notifications
from simulator.records import Mint, Order, OrderStatus

_ITEMS = "/api/v2/project/{project_id}/admin/items/virtual_items"

_NOT_FOUND = 4001
_EXISTS = 4003
_PAGE = 50

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
        "items": notifications.items_part(order.sale.lines),
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


@router.post(_ITEMS, status_code=HTTPStatus.CREATED)
async def create_item(project_id: str, request: Request, simulator: TheSimulator) -> dict[str, str]:
    """Add an item."""
    require_project(request, simulator.settings, project_id)
    item = await _read(request)
    if item.sku in simulator.shelf.items:
        raise StoreApiError(HTTPStatus.CONFLICT, _EXISTS, f"Item with sku = '{item.sku}' already exists")
    simulator.shelf.put(item)
    return {"sku": item.sku}


@router.get(_ITEMS)
async def list_items(
    project_id: str, request: Request, simulator: TheSimulator, limit: str = str(_PAGE), offset: str = "0"
) -> dict[str, Any]:
    """List items, the disabled ones too."""
    require_project(request, simulator.settings, project_id)
    size, start = _number(limit, "limit", least=1), _number(offset, "offset", least=0)
    items = list(simulator.shelf.items.values())
    return {"items": [item.as_answer() for item in items[start : start + size]]}


@router.get(f"{_ITEMS}/sku/{{sku}}")
async def show_item(project_id: str, sku: str, request: Request, simulator: TheSimulator) -> dict[str, Any]:
    """Show one item."""
    require_project(request, simulator.settings, project_id)
    return _find(simulator, sku).as_answer()


@router.put(f"{_ITEMS}/sku/{{sku}}", status_code=HTTPStatus.NO_CONTENT)
async def update_item(project_id: str, sku: str, request: Request, simulator: TheSimulator) -> Response:
    """Replace an item."""
    require_project(request, simulator.settings, project_id)
    _find(simulator, sku)
    item = await _read(request)
    if item.sku != sku:
        raise refuse_body("[sku] is not that of the address", empty_cart=False)
    simulator.shelf.put(item)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.delete(f"{_ITEMS}/sku/{{sku}}", status_code=HTTPStatus.NO_CONTENT)
async def delete_item(project_id: str, sku: str, request: Request, simulator: TheSimulator) -> Response:
    """Take an item out of the catalogue."""
    require_project(request, simulator.settings, project_id)
    del simulator.shelf.items[_find(simulator, sku).sku]
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _read(request: Request) -> VirtualItem:
    try:
        return await read_body(request, VirtualItem)
    except BadBody as error:
        raise refuse_body(str(error), empty_cart=False) from None


def _find(simulator: Simulator, sku: str) -> VirtualItem:
    item = simulator.shelf.items.get(sku)
    if item is None:
        raise StoreApiError(HTTPStatus.NOT_FOUND, _NOT_FOUND, f"Item with sku = '{sku}' not found")
    return item


def _number(value: str, name: str, *, least: int) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value) >= least):
        raise refuse_body(f"[{name}] must be a whole number, {least} or more", empty_cart=False)
    return int(value)
