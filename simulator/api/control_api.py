"""The simulator's own controls, for the command line and for tests: make things happen, compare books."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from simulator.amounts import as_text
from simulator.api.requests import GUARDS, ControlError, not_found
from simulator.context import Simulator, TheSimulator
from simulator.payments import BuyerRefused, NotNow
from simulator.records import Delivery, Order
from simulator.scenarios import HOLD_SECONDS, Scenario
from simulator.scenarios.expectations import expected_answer, implied, is_as_expected, was_told
from simulator.scenarios.runner import run, wait_for
from simulator.settings import Mode

router = APIRouter(prefix="/simulator", dependencies=GUARDS)


class Wait(BaseModel):
    """For how many seconds to wait for the store's answers."""

    model_config = ConfigDict(extra="forbid")

    wait: float = Field(default=10, ge=0, le=3600, allow_inf_nan=False)


class Send(Wait):
    """What to make happen, in which delivery mode, and how much faster than on schedule."""

    scenario: Scenario = Scenario.HAPPY
    # For the scenario `late`: seconds until its notifications leave, unless they are released.
    hold: float = Field(default=HOLD_SECONDS, gt=0, le=86_400, allow_inf_nan=False)
    mode: Mode | None = None
    speed: float | None = Field(default=None, gt=0, allow_inf_nan=False)


@router.post("/orders/{reference}/send")
async def send(reference: str, body: Send, simulator: TheSimulator) -> dict[str, Any]:
    """Run a scenario on an order, named by its number here or by the store's own."""
    order = _find(simulator, reference)
    payments = simulator.payments.under(body.mode, body.speed)
    try:
        deliveries = await run(payments, order, body.scenario, body.hold)
    except BuyerRefused as refusal:
        deliveries = [refusal.delivery]
    except NotNow as refusal:
        raise ControlError(409, str(refusal)) from None
    await wait_for(deliveries, body.wait)
    return _sent(simulator, order, deliveries)


@router.post("/orders/{reference}/release")
async def release(reference: str, body: Wait, simulator: TheSimulator) -> dict[str, Any]:
    """Let the notifications of an order go that the scenario `late` holds."""
    order = _find(simulator, reference)
    deliveries = simulator.payments.release(order)
    await wait_for(deliveries, body.wait)
    return _sent(simulator, order, deliveries)


@router.get("/orders/{reference}")
async def show_order(reference: str, simulator: TheSimulator) -> dict[str, Any]:
    """Show what the books hold about one order."""
    order = _find(simulator, reference)
    return _order(simulator, order) | {"deliveries": [_delivery(each) for each in order.deliveries]}


@router.get("/deliveries")
async def show_deliveries(simulator: TheSimulator) -> list[dict[str, Any]]:
    """List all notifications, oldest first."""
    return [_delivery(delivery) for delivery in simulator.books.deliveries]


def _find(simulator: Simulator, reference: str) -> Order:
    order = simulator.books.find(reference)
    if order is None:
        raise not_found(f"Order {reference}")
    return order


def _sent(simulator: Simulator, order: Order, deliveries: list[Delivery]) -> dict[str, Any]:
    return {
        "order": _order(simulator, order),
        "deliveries": [_delivery(delivery) for delivery in deliveries],
        "acknowledged": all(delivery.acknowledged for delivery in deliveries),
        "as_expected": all(is_as_expected(delivery) for delivery in deliveries),
    }


def _order(simulator: Simulator, order: Order) -> dict[str, Any]:
    sale, should = order.sale, implied(order)
    return {
        "id": order.id,
        "store_order": sale.store_order,
        "kind": sale.mint,
        "status": order.status_at(simulator.books.clock()),
        "user_id": sale.buyer.id,
        "total": as_text(sale.total),
        "currency": sale.currency,
        "items": [{"sku": line.sku, "quantity": line.quantity} for line in sale.lines],
        "transactions": [
            {"id": made.id, "status": made.status, "returned": as_text(made.returned)}
            for made in order.transactions
        ],
        "implied": {"status": should.status, "granted": should.granted},
        "told": was_told(order),
    }


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "type": delivery.type,
        "order": delivery.order_id,
        "attempts": len(delivery.attempts),
        "last_status": delivery.last_status,
        "last_answer": delivery.attempts[-1].answer if delivery.attempts else None,
        "outcome": delivery.outcome,
        "acknowledged": delivery.acknowledged,
        "expected_answer": expected_answer(delivery),
        "as_expected": is_as_expected(delivery),
    }
