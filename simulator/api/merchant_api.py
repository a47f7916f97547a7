"""The provider's merchant API: tokens for amounts, transactions and refunds."""

from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from simulator.amounts import Amount, round_to
from simulator.api.requests import BadBody, MerchantApiError, read_body, require_merchant
from simulator.api.sales import MerchantToken, sale_of_amount
from simulator.context import Simulator, TheSimulator
from simulator.delivery import notifications
from simulator.payments import BY_REQUEST, NotNow
from simulator.records import Order, Transaction

router = APIRouter(prefix="/merchant/v2/merchants/{merchant_id}")

_REPORTS = "/reports/transactions"
_Body = TypeVar("_Body", bound=BaseModel)


class RefundRequest(BaseModel):
    """Body of a full refund."""

    model_config = ConfigDict(strict=True)

    description: str = Field(min_length=1, max_length=4000)
    email: str | None = Field(default=None, max_length=100)


class PartialRefundRequest(RefundRequest):
    """Body of a partial refund; the amount is in the purchase's currency."""

    refund_amount: Amount


@router.post("/token")
async def create_token(merchant_id: str, request: Request, simulator: TheSimulator) -> dict[str, str]:
    """Make a token for an amount with a text, without a Store order."""
    require_merchant(request, simulator.settings, merchant_id, or_project=True)
    body = await _read(request, MerchantToken)
    if body.settings.project_id != simulator.settings.xsolla_project_id:
        raise _bad_field("settings.project_id", "Project is not found")
    checkout = body.purchase.checkout
    if checkout.amount != round_to(checkout.amount, checkout.currency):
        raise _bad_field("purchase.checkout.amount", "Too many decimals for the currency")
    order = simulator.books.open_order(sale_of_amount(body, request.headers.get("X-User-Ip")))
    return {"token": order.token}


@router.get(f"{_REPORTS}/simple_search")
async def find_transactions(
    merchant_id: str,
    request: Request,
    simulator: TheSimulator,
    transaction_id: str | None = None,
    external_id: str | None = None,
) -> list[dict[str, Any]]:
    """Find transactions by their own id or by the store's, not by both."""
    require_merchant(request, simulator.settings, merchant_id)
    if (transaction_id is None) == (external_id is None):
        raise MerchantApiError(
            HTTPStatus.UNPROCESSABLE_ENTITY, "Send either transaction_id or external_id, not both"
        )
    if external_id is not None:
        orders = simulator.books.by_external_id(external_id)
        return [_report(simulator, order, made) for order in orders for made in order.transactions]
    found = _find(simulator, transaction_id or "")
    return [] if found is None else [_report(simulator, *found)]


@router.put(f"{_REPORTS}/{{transaction_id}}/refund", status_code=HTTPStatus.NO_CONTENT)
async def refund(merchant_id: str, transaction_id: str, request: Request, simulator: TheSimulator) -> Response:
    """Give a payment back in full; notifications follow."""
    require_merchant(request, simulator.settings, merchant_id)
    order = _paid_order(simulator, transaction_id)
    await _read(request, RefundRequest)
    try:
        simulator.payments.refund(order, BY_REQUEST)
    except NotNow as refusal:
        raise MerchantApiError(HTTPStatus.UNPROCESSABLE_ENTITY, str(refusal)) from None
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.put(f"{_REPORTS}/{{transaction_id}}/partial_refund", status_code=HTTPStatus.NO_CONTENT)
async def partial_refund(
    merchant_id: str, transaction_id: str, request: Request, simulator: TheSimulator
) -> Response:
    """Give a part of a payment back; a notification follows."""
    require_merchant(request, simulator.settings, merchant_id)
    order = _paid_order(simulator, transaction_id)
    amount = (await _read(request, PartialRefundRequest)).refund_amount
    if amount != round_to(amount, order.sale.currency):
        raise _bad_field("refund_amount", "Too many decimals for the currency")
    try:
        simulator.payments.partial_refund(order, BY_REQUEST, amount)
    except NotNow as refusal:
        raise _bad_field("refund_amount", str(refusal)) from None
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _read(request: Request, kind: type[_Body]) -> _Body:
    try:
        return await read_body(request, kind)
    except BadBody as error:
        raise MerchantApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "The request is not valid", error.fields) from None


def _bad_field(name: str, argv: str) -> MerchantApiError:
    return MerchantApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "The request is not valid", {name: [argv]})


def _find(simulator: Simulator, transaction_id: str) -> tuple[Order, Transaction] | None:
    if not (transaction_id.isascii() and transaction_id.isdigit() and len(transaction_id) < 20):
        return None
    order = simulator.books.by_transaction(int(transaction_id))
    if order is None:
        return None
    return order, next(made for made in order.transactions if str(made.id) == transaction_id.lstrip("0"))


def _paid_order(simulator: Simulator, transaction_id: str) -> Order:
    found = _find(simulator, transaction_id)
    if found is None:
        raise MerchantApiError(HTTPStatus.NOT_FOUND, f"Transaction {transaction_id} is not found")
    order, made = found
    if made is not order.payment:
        raise MerchantApiError(HTTPStatus.UNPROCESSABLE_ENTITY, f"Transaction {transaction_id} took no money")
    return order


def _report(simulator: Simulator, order: Order, made: Transaction) -> dict[str, Any]:
    return {
        "transaction": {
            "id": made.id,
            "external_id": order.sale.external_id,
            "status": made.status,
            "payment_date": notifications.payment_date(made),
            "project": {"id": simulator.settings.xsolla_project_id, "name": "Simulated project"},
        },
        "payment_details": notifications.payment_details(order.sale),
        "user": {"id": order.sale.buyer.id, "name": order.sale.buyer.name, "email": order.sale.buyer.email},
    }
