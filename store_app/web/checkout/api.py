"""POST /api/purchases: place an order and get the address of its payment page."""

from typing import Annotated

from fastapi import APIRouter, Header, Request
from pydantic import BaseModel, ConfigDict, Field

from store_app import money
from store_app.checkout import service
from store_app.errors import Invalid
from store_app.languages import gettext as _
from store_app.models import OrderStatus
from store_app.network import client_address
from store_app.web.http.problems import BAD_BODY, problems
from store_app.web.http.session_cookie import RequiredUser

router = APIRouter(prefix="/api/purchases", tags=["purchases"])


class WantedLine(BaseModel):
    """An item to buy. The price is not part of it: the store's own price applies."""

    model_config = ConfigDict(extra="forbid")

    sku: str = Field(min_length=1, max_length=64, examples=["dragon-sword"])
    quantity: int = Field(default=1, strict=True, examples=[1])


class Wanted(BaseModel):
    """The items to buy."""

    model_config = ConfigDict(extra="forbid")

    items: list[WantedLine] = Field(min_length=1, max_length=service.MAX_ORDER_LINES)


class OrderPlaced(BaseModel):
    """An order and the address of its payment page."""

    order_id: str = Field(examples=["5f0c6c0b0a5f4f0f9a3c2b1d0e9f8a7b"])
    status: OrderStatus
    total: float = Field(description="In the currency's major unit.", examples=[999.99])
    currency: str = Field(examples=["USD"])
    payment_url: str = Field(description="The payment page; empty when there is nothing to pay.")


def order_placed(placed: service.Checkout) -> OrderPlaced:
    """Return the API's representation of an order and its payment page."""
    return OrderPlaced(
        order_id=placed.order_id,
        status=OrderStatus(placed.status),
        total=float(money.to_major(placed.total, placed.currency)),
        currency=placed.currency,
        payment_url=placed.payment_url,
    )


def _quantities(wanted: Wanted) -> dict[str, int]:
    quantities: dict[str, int] = {}
    for line in wanted.items:
        if line.quantity < 1:
            raise Invalid("quantity", _("The quantity must be 1 or more."))
        quantities[line.sku] = quantities.get(line.sku, 0) + line.quantity
    return quantities


@router.post("", status_code=201, summary="Order items", responses=problems(*BAD_BODY, 401, 409, 422, 503))
async def place_order(
    wanted: Wanted,
    current_user: RequiredUser,
    request: Request,
    idempotency_key: Annotated[
        str | None, Header(max_length=255, min_length=1, description="Requests with the same key place one order.")
    ] = None,
) -> OrderPlaced:
    """Place an order and return its payment page. An open order for the same items is returned again."""
    if idempotency_key and not idempotency_key.isprintable():
        raise Invalid("Idempotency-Key", _("The key must be printable text."))
    address = client_address(request)
    return order_placed(await service.buy(current_user, _quantities(wanted), idempotency_key, address=address))
