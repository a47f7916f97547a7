"""The provider's merchant API: tokens for amounts, transactions and refunds."""

from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from simulator.amounts import Amount, round_to
from simulator.api.requests import InvalidBody, MerchantApiError, read_body, require_merchant
from simulator.api.sales import MerchantTokenRequest, sale_of_amount
from simulator.context import Simulator, SimulatorDep
from simulator.delivery.payloads import payment_date, payment_details
from simulator.payments import REQUESTED_BY_USER, ActionRefused
from simulator.records import Order, Transaction

router = APIRouter(prefix="/merchant/v2/merchants/{merchant_id}")

_TRANSACTIONS = "/reports/transactions"
_Body = TypeVar("_Body", bound=BaseModel)


class RefundRequest(BaseModel):
    """The body of a full refund."""

    model_config = ConfigDict(strict=True)

    description: str = Field(min_length=1, max_length=4000)
    email: str | None = Field(default=None, max_length=100)


class PartialRefundRequest(RefundRequest):
    """The body of a partial refund; the amount is in the currency of the purchase."""

    refund_amount: Amount


@router.post("/token")
async def create_token(merchant_id: str, request: Request, simulator: SimulatorDep) -> dict[str, str]:
    """Create a token for an amount with a text, without a Store order."""
    require_merchant(request, simulator.settings, merchant_id, accept_project=True)
    body = await _read(request, MerchantTokenRequest)
    if body.settings.project_id != simulator.settings.xsolla_project_id:
        raise _invalid_field("settings.project_id", "Project is not found")
    checkout = body.purchase.checkout
    if checkout.amount != round_to(checkout.amount, checkout.currency):
        raise _invalid_field("purchase.checkout.amount", "Too many decimals for the currency")
    order = simulator.repository.create_order(sale_of_amount(body, request.headers.get("X-User-Ip")))
    return {"token": order.token}


@router.get(f"{_TRANSACTIONS}/simple_search")
async def find_transactions(
    merchant_id: str,
    request: Request,
    simulator: SimulatorDep,
    transaction_id: str | None = None,
    external_id: str | None = None,
) -> list[dict[str, Any]]:
    """Return transactions, either by the provider's id or by the store's."""
    require_merchant(request, simulator.settings, merchant_id)
    if (transaction_id is None) == (external_id is None):
        raise MerchantApiError(
            HTTPStatus.UNPROCESSABLE_ENTITY, "Send either transaction_id or external_id, not both"
        )
    if external_id is not None:
        orders = simulator.repository.by_external_id(external_id)
        return [_report(simulator, order, each) for order in orders for each in order.transactions]
    found = _find(simulator, transaction_id or "")
    return [] if found is None else [_report(simulator, *found)]


@router.put(f"{_TRANSACTIONS}/{{transaction_id}}/refund", status_code=HTTPStatus.NO_CONTENT)
async def refund(merchant_id: str, transaction_id: str, request: Request, simulator: SimulatorDep) -> Response:
    """Refund a payment in full; notifications follow."""
    require_merchant(request, simulator.settings, merchant_id)
    order = _paid_order(simulator, transaction_id)
    await _read(request, RefundRequest)
    try:
        simulator.payments.refund(order, REQUESTED_BY_USER)
    except ActionRefused as refusal:
        raise MerchantApiError(HTTPStatus.UNPROCESSABLE_ENTITY, str(refusal)) from None
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.put(f"{_TRANSACTIONS}/{{transaction_id}}/partial_refund", status_code=HTTPStatus.NO_CONTENT)
async def partial_refund(
    merchant_id: str, transaction_id: str, request: Request, simulator: SimulatorDep
) -> Response:
    """Refund a part of a payment; a notification follows."""
    require_merchant(request, simulator.settings, merchant_id)
    order = _paid_order(simulator, transaction_id)
    amount = (await _read(request, PartialRefundRequest)).refund_amount
    if amount != round_to(amount, order.sale.currency):
        raise _invalid_field("refund_amount", "Too many decimals for the currency")
    try:
        simulator.payments.partial_refund(order, REQUESTED_BY_USER, amount)
    except ActionRefused as refusal:
        raise _invalid_field("refund_amount", str(refusal)) from None
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _read(request: Request, body_type: type[_Body]) -> _Body:
    try:
        return await read_body(request, body_type)
    except InvalidBody as error:
        raise _invalid_fields(error.fields) from None


def _invalid_field(name: str, message: str) -> MerchantApiError:
    return _invalid_fields({name: [message]})


def _invalid_fields(fields: dict[str, list[str]]) -> MerchantApiError:
    return MerchantApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "The request is not valid", fields)


def _find(simulator: Simulator, transaction_id: str) -> tuple[Order, Transaction] | None:
    if not (transaction_id.isascii() and transaction_id.isdigit() and len(transaction_id) < 20):
        return None
    order = simulator.repository.by_transaction(int(transaction_id))
    if order is None:
        return None
    return order, next(each for each in order.transactions if each.id == int(transaction_id))


def _paid_order(simulator: Simulator, transaction_id: str) -> Order:
    found = _find(simulator, transaction_id)
    if found is None:
        raise MerchantApiError(HTTPStatus.NOT_FOUND, f"Transaction {transaction_id} is not found")
    order, transaction = found
    if transaction is not order.payment:
        message = f"Transaction {transaction_id} was declined"
        raise MerchantApiError(HTTPStatus.UNPROCESSABLE_ENTITY, message)
    return order


def _report(simulator: Simulator, order: Order, transaction: Transaction) -> dict[str, Any]:
    user = order.sale.user
    return {
        "transaction": {
            "id": transaction.id,
            "external_id": order.sale.external_id,
            "status": transaction.status,
            "payment_date": payment_date(transaction),
            "project": {"id": simulator.settings.xsolla_project_id, "name": "Simulated project"},
        },
        "payment_details": payment_details(order.sale),
        "user": {"id": user.id, "name": user.name, "email": user.email},
    }
