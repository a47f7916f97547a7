"""The provider's store API: payment tokens for carts, orders, and the catalogue.

The provider does not document the error for a SKU that exists already: status 409 with code 4003 is our choice.
"""

from collections.abc import Iterable
from datetime import datetime
from http import HTTPStatus
from itertools import islice, takewhile
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from simulator.amounts import as_text
from simulator.api.requests import (
    InvalidBody,
    StoreApiError,
    bearer_token,
    invalid_credentials,
    read_body,
    require_project,
)
from simulator.api.sales import StoreTokenRequest, invalid_request, sale_of_items
from simulator.catalogue import VirtualItem
from simulator.context import Simulator, SimulatorDep
from simulator.delivery.payloads import items_part
from simulator.records import Order, OrderStatus, TokenType

router = APIRouter()

_ITEMS = "/api/v2/project/{project_id}/admin/items/virtual_items"
_ITEM = f"{_ITEMS}/sku/{{sku}}"
_DEFAULT_PAGE_SIZE = 50

# Error codes.
_ITEM_NOT_FOUND = 4001
_ITEM_EXISTS = 4003
_ORDER_NOT_FOUND = 9001

_Body = TypeVar("_Body", bound=BaseModel)


class OrderSearch(BaseModel):
    """The body of the order search."""

    model_config = ConfigDict(extra="ignore")

    limit: int = Field(default=10, ge=1, le=10)
    offset: int = Field(default=0, ge=0)
    created_date_from: datetime | None = None
    created_date_until: datetime | None = None

    def page_of(self, newest_first: Iterable[Order]) -> list[Order]:
        """Return the requested Store orders, without looking at those created before the requested time."""
        young_enough = takewhile(self._is_after, newest_first)
        found = (o for o in young_enough if o.sale.token_type is TokenType.STORE and self._is_before(o))
        return list(islice(found, self.offset, self.offset + self.limit))

    def _is_after(self, order: Order) -> bool:
        start = self.created_date_from
        return start is None or order.created_at >= _with_timezone(start, order.created_at)

    def _is_before(self, order: Order) -> bool:
        end = self.created_date_until
        return end is None or order.created_at <= _with_timezone(end, order.created_at)


@router.post("/api/v3/project/{project_id}/admin/payment/token", status_code=HTTPStatus.CREATED)
async def create_token(project_id: str, request: Request, simulator: SimulatorDep) -> dict[str, Any]:
    """Create an order of catalogue items and the token that opens its payment page."""
    require_project(request, simulator.settings, project_id)
    body = await _read(request, StoreTokenRequest)
    sale = await sale_of_items(body, simulator.price_list, request.headers.get("X-User-Ip"))
    order = simulator.repository.create_order(sale)
    return {"token": order.token, "order_id": order.id}


@router.get("/api/v2/project/{project_id}/order/{order_id}")
async def show_order(project_id: str, order_id: str, request: Request, simulator: SimulatorDep) -> dict[str, Any]:
    """Return one order to the holder of its payment token."""
    now = simulator.repository.clock()
    order = simulator.repository.by_token(bearer_token(request) or "")
    if order is None or now >= order.expires_at or project_id != str(simulator.settings.xsolla_project_id):
        raise invalid_credentials("The payment token is unknown or has expired")
    # When another user paid for the order, it no longer belongs to the holder of the token.
    is_own = order.sale.user.id == order.requested.user.id
    if order_id != str(order.id) or order.sale.token_type is TokenType.MERCHANT or not is_own:
        raise StoreApiError(HTTPStatus.NOT_FOUND, _ORDER_NOT_FOUND, "Order not found")
    content = {"price": _price(order), "virtual_price": None, "is_free": False, "items": _items(order)}
    return {"order_id": order.id, "status": order.status_at(now), "content": content}


@router.post("/api/v3/project/{project_id}/admin/order/search")
async def search_orders(project_id: str, request: Request, simulator: SimulatorDep) -> dict[str, Any]:
    """Return the project's orders, newest first."""
    require_project(request, simulator.settings, project_id)
    search = await _read(request, OrderSearch)
    page = search.page_of(reversed(simulator.repository.orders.values()))
    now = simulator.repository.clock()
    project = {"project_id": simulator.settings.xsolla_project_id}
    return {"orders": [_search_result(order, order.status_at(now)) | project for order in page]}


@router.post(_ITEMS, status_code=HTTPStatus.CREATED)
async def create_item(project_id: str, request: Request, simulator: SimulatorDep) -> dict[str, str]:
    """Add an item to the catalogue."""
    require_project(request, simulator.settings, project_id)
    item = await _read(request, VirtualItem)
    if item.sku in simulator.catalogue.items:
        raise StoreApiError(HTTPStatus.CONFLICT, _ITEM_EXISTS, f"Item with sku = '{item.sku}' already exists")
    simulator.catalogue.save(item)
    return {"sku": item.sku}


@router.get(_ITEMS)
async def list_items(
    project_id: str,
    request: Request,
    simulator: SimulatorDep,
    limit: str = str(_DEFAULT_PAGE_SIZE),
    offset: str = "0",
) -> dict[str, Any]:
    """Return the items of the catalogue, including disabled ones."""
    require_project(request, simulator.settings, project_id)
    size, start = _integer(limit, "limit", minimum=1), _integer(offset, "offset", minimum=0)
    items = list(simulator.catalogue.items.values())
    return {"items": [item.as_response() for item in items[start : start + size]]}


@router.get(_ITEM)
async def show_item(project_id: str, sku: str, request: Request, simulator: SimulatorDep) -> dict[str, Any]:
    """Return one item of the catalogue."""
    require_project(request, simulator.settings, project_id)
    return _find_item(simulator, sku).as_response()


@router.put(_ITEM, status_code=HTTPStatus.NO_CONTENT)
async def update_item(project_id: str, sku: str, request: Request, simulator: SimulatorDep) -> Response:
    """Replace an item of the catalogue."""
    require_project(request, simulator.settings, project_id)
    _find_item(simulator, sku)
    item = await _read(request, VirtualItem)
    if item.sku != sku:
        raise invalid_request("[sku] differs from the SKU in the address")
    simulator.catalogue.save(item)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.delete(_ITEM, status_code=HTTPStatus.NO_CONTENT)
async def delete_item(project_id: str, sku: str, request: Request, simulator: SimulatorDep) -> Response:
    """Delete an item from the catalogue."""
    require_project(request, simulator.settings, project_id)
    del simulator.catalogue.items[_find_item(simulator, sku).sku]
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _read(request: Request, body_type: type[_Body]) -> _Body:
    try:
        return await read_body(request, body_type)
    except InvalidBody as error:
        cart_is_empty = error.error_types.get("purchase.items") == "too_short"
        raise invalid_request(str(error), cart_is_empty=cart_is_empty) from None


def _find_item(simulator: Simulator, sku: str) -> VirtualItem:
    item = simulator.catalogue.items.get(sku)
    if item is None:
        raise StoreApiError(HTTPStatus.NOT_FOUND, _ITEM_NOT_FOUND, f"Item with sku = '{sku}' not found")
    return item


def _integer(value: str, name: str, *, minimum: int) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value) >= minimum):
        raise invalid_request(f"[{name}] must be an integer of at least {minimum}")
    return int(value)


def _search_result(order: Order, status: OrderStatus) -> dict[str, Any]:
    user = order.sale.user
    return {
        "order_id": order.id,
        "status": status,
        "date_created": order.created_at.isoformat(timespec="seconds"),
        "is_free": False,
        "mode": "sandbox" if order.sale.sandbox else "default",
        "invoice_id": None if order.payment is None else str(order.payment.id),
        "price": _price(order),
        "user": {"id": user.id, "country": user.country, "email": user.email},
        "items": items_part(order.sale.lines),
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


def _with_timezone(requested: datetime, reference: datetime) -> datetime:
    """Interpret a time without a time zone in the time zone of another time."""
    return requested if requested.tzinfo else requested.replace(tzinfo=reference.tzinfo)
