"""GET /api/items, /api/items/{sku} and the covers of items that have none."""

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import Field
from typing_extensions import TypedDict

from store_app import limits, money
from store_app.addresses import address_group
from store_app.catalogue import queries
from store_app.catalogue.queries import ItemFilter, Sort
from store_app.db.threads import read
from store_app.errors import Invalid
from store_app.languages import gettext as _
from store_app.models import Item, ItemKind, ItemRow
from store_app.models.base import is_plain
from store_app.network import client_address
from store_app.web.catalogue.cover import generated_cover
from store_app.web.catalogue.view import cover_of
from store_app.web.http.problems import CursorParameter, Limit, list_response, problems

router = APIRouter(prefix="/api/items", tags=["items"])
_MAX_PRICE = 10_000_000_000


class ItemOut(TypedDict):
    """An item on sale."""

    id: Annotated[int, Field(examples=[1])]
    sku: Annotated[str, Field(examples=["dragon-sword"])]
    name: Annotated[str, Field(examples=["Dragon Sword"])]
    description: Annotated[str, Field(examples=["Forged in dragon fire."])]
    price: Annotated[float, Field(description="In the currency's major unit.", examples=[999.99])]
    currency: Annotated[str, Field(examples=["USD"])]
    kind: ItemKind
    image_url: Annotated[str, Field(examples=["/covers/dragon-sword.svg"])]


def item_out(item: Item | ItemRow) -> ItemOut:
    """Return the API's representation of an item."""
    return {
        "id": item.id,
        "sku": item.sku,
        "name": item.name,
        "description": item.description,
        # A JSON number is a double, which is exact for every amount below 2**53 minor units.
        "price": float(money.to_major(item.price, item.currency)),
        "currency": item.currency,
        "kind": ItemKind(item.kind),
        "image_url": cover_of(item.sku, item.image),
    }


async def _minor(field: str, amount: Decimal | None) -> int | None:
    if amount is None:
        return None
    currency = await read(queries.currency_on_sale)
    try:
        return money.to_minor(amount, currency)
    except ValueError:
        example = money.decimal_text(999, currency)
        raise Invalid(
            field,
            _(
                "{field} must be an amount in {currency}, such as {example}.",
                field=field,
                currency=currency,
                example=example,
            ),
        ) from None


Price = Annotated[Decimal | None, Query(ge=0, le=_MAX_PRICE, description="In major units, such as 9.99.")]


@router.get("", response_model=list[ItemOut], summary="List items on sale", responses=problems(422, 429))
async def list_items(
    request: Request,
    q: Annotated[str, Query(max_length=100, description="Words in the name or description.")] = "",
    kind: Annotated[ItemKind | None, Query(description="Only this kind.")] = None,
    min_price: Price = None,
    max_price: Price = None,
    sort: Annotated[Sort, Query(description="`-price` is from high to low.")] = Sort.FEATURED,
    tag: Annotated[str, Query(max_length=30, description="Only items with this tag.")] = "",
    limit: Limit = queries.PAGE_SIZE,
    cursor: CursorParameter = "",
) -> Response:
    """Return a page of items; the `Link` header leads to the next one."""
    if q:
        await limits.count(limits.Limit.SEARCHES, address_group(client_address(request)))
    for name, text in (("q", q), ("tag", tag)):
        if not is_plain(text):
            raise Invalid(name, _("The search must be printable text."))
    lowest, highest = await _minor("min_price", min_price), await _minor("max_price", max_price)
    wanted = ItemFilter(q, kind or "", lowest, highest, sort, tag)
    page = await read(queries.list_items, wanted, limit, cursor)
    return list_response(request, [item_out(item) for item in page.rows], page.next_cursor)


@router.get("/{sku}", summary="One item", responses=problems(404, 422))
async def get_item(sku: str) -> ItemOut:
    """Return an item, even if it is withdrawn."""
    return item_out(await read(queries.find_item, sku))


@router.get(
    "/{sku}/cover.svg",
    response_class=Response,
    summary="The cover of an item",
    responses={
        200: {"content": {"image/svg+xml": {}}},
        307: {"description": "To its image"},
        **problems(404, 422),
    },
)
async def get_cover(sku: str) -> Response:
    """Return the generated cover of an item, or a redirect to its image if it has one."""
    item = await read(queries.find_item, sku)
    if item.image:
        return RedirectResponse(item.image, 307, {"Cache-Control": "no-cache"})
    headers = {"Cache-Control": "public, max-age=3600", "Content-Security-Policy": "default-src 'none'"}
    return Response(generated_cover(item.name), media_type="image/svg+xml", headers=headers)
