"""GET /api/purchases: the purchases of the current user."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field
from typing_extensions import TypedDict

from store_app.db.threads import read
from store_app.errors import NotYours
from store_app.library import queries
from store_app.library.queries import PurchaseRow
from store_app.models import PurchaseStatus
from store_app.web.catalogue.api import ItemOut, item_out
from store_app.web.http.problems import CursorParameter, Limit, list_response, problems
from store_app.web.http.session_cookie import RequiredUser

router = APIRouter(prefix="/api/purchases", tags=["purchases"])


class PurchaseOut(TypedDict):
    """A line of a paid order."""

    id: int
    user_id: str
    item_id: int
    order_id: str
    quantity: int
    timestamp: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    status: PurchaseStatus
    item: ItemOut


def _purchase_out(row: PurchaseRow) -> PurchaseOut:
    return {
        "id": row.id,
        "user_id": row.user_id,
        "item_id": row.item_id,
        "order_id": row.order_id,
        "quantity": row.quantity,
        "timestamp": row.timestamp.isoformat().replace("+00:00", "Z"),
        "status": PurchaseStatus(row.status),
        "item": item_out(row.item),
    }


@router.get("", response_model=list[PurchaseOut], summary="List your purchases", responses=problems(401, 403, 422))
async def list_purchases(
    request: Request,
    current_user: RequiredUser,
    user_id: Annotated[str | None, Query(description="Your own; it may be left out.")] = None,
    limit: Limit = queries.PAGE_SIZE,
    cursor: CursorParameter = "",
) -> Response:
    """Return a page of your purchases, newest first; the `Link` header leads to the next one."""
    if user_id is not None and user_id != current_user.user_id:
        raise NotYours
    page = await read(queries.list_purchases, current_user.user_id, limit, cursor)
    return list_response(request, [_purchase_out(row) for row in page.rows], page.next_cursor)
