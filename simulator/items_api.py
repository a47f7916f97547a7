"""The provider's catalogue upkeep: the store's items, mirrored by the store.

What the documents do not say is our choice: 409 with the number 4003 for a SKU that exists already.
"""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response

from simulator.errors import StoreApiError
from simulator.identity import require_project
from simulator.item_bodies import VirtualItem
from simulator.request_body import BadBody, read_body
from simulator.sales import refuse_body
from simulator.simulator import Simulator, TheSimulator

router = APIRouter(prefix="/api/v2/project/{project_id}/admin/items/virtual_items")

_NOT_FOUND = 4001
_EXISTS = 4003
_PAGE = 50


@router.post("", status_code=HTTPStatus.CREATED)
async def create(project_id: str, request: Request, simulator: TheSimulator) -> dict[str, str]:
    """Add an item."""
    require_project(request, simulator.settings, project_id)
    item = await _read(request)
    if item.sku in simulator.shelf.items:
        raise StoreApiError(HTTPStatus.CONFLICT, _EXISTS, f"Item with sku = '{item.sku}' already exists")
    simulator.shelf.put(item)
    return {"sku": item.sku}


@router.get("")
async def list_all(
    project_id: str, request: Request, simulator: TheSimulator, limit: str = str(_PAGE), offset: str = "0"
) -> dict[str, Any]:
    """List items, the disabled ones too."""
    require_project(request, simulator.settings, project_id)
    size, start = _number(limit, "limit", least=1), _number(offset, "offset", least=0)
    items = list(simulator.shelf.items.values())
    return {"items": [item.as_answer() for item in items[start : start + size]]}


@router.get("/sku/{sku}")
async def show(project_id: str, sku: str, request: Request, simulator: TheSimulator) -> dict[str, Any]:
    """Show one item."""
    require_project(request, simulator.settings, project_id)
    return _find(simulator, sku).as_answer()


@router.put("/sku/{sku}", status_code=HTTPStatus.NO_CONTENT)
async def update(project_id: str, sku: str, request: Request, simulator: TheSimulator) -> Response:
    """Replace an item."""
    require_project(request, simulator.settings, project_id)
    _find(simulator, sku)
    item = await _read(request)
    if item.sku != sku:
        raise refuse_body("[sku] is not that of the address", empty_cart=False)
    simulator.shelf.put(item)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.delete("/sku/{sku}", status_code=HTTPStatus.NO_CONTENT)
async def delete(project_id: str, sku: str, request: Request, simulator: TheSimulator) -> Response:
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
