"""The API that controls the simulator, for its command line and for tests: run scenarios, read what happened."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from simulator.amounts import as_text
from simulator.api.requests import CONTROL_GUARDS, ControlApiError, order_not_found
from simulator.context import Simulator, SimulatorDep
from simulator.payments import ActionRefused, UserRefused
from simulator.records import Notification, Order
from simulator.scenarios import HOLD_SECONDS, Scenario
from simulator.scenarios.expectations import (
    expected_order,
    expected_response,
    is_as_expected,
    is_store_notified,
)
from simulator.scenarios.runner import run, wait_for
from simulator.settings import Mode

router = APIRouter(prefix="/simulator", dependencies=CONTROL_GUARDS)


class ReleaseRequest(BaseModel):
    """How many seconds to wait for the store's responses."""

    model_config = ConfigDict(extra="forbid")

    wait: float = Field(default=10, ge=0, le=3600, allow_inf_nan=False)


class SendRequest(ReleaseRequest):
    """The scenario to run, in which delivery mode, and how much faster than the provider's schedule."""

    scenario: Scenario = Scenario.HAPPY
    # For the scenario `late`: how many seconds its notifications are held, unless they are released.
    hold: float = Field(default=HOLD_SECONDS, gt=0, le=86_400, allow_inf_nan=False)
    mode: Mode | None = None
    speed: float | None = Field(default=None, gt=0, allow_inf_nan=False)


@router.post("/orders/{reference}/send")
async def send(reference: str, body: SendRequest, simulator: SimulatorDep) -> dict[str, Any]:
    """Run a scenario on an order, given by its id here or by the store's id."""
    order = _find(simulator, reference)
    payments = simulator.payments.with_options(body.mode, body.speed)
    try:
        notifications = await run(payments, order, body.scenario, body.hold)
    except UserRefused as refusal:
        notifications = [refusal.notification]
    except ActionRefused as refusal:
        raise ControlApiError(HTTPStatus.CONFLICT, str(refusal)) from None
    await wait_for(notifications, body.wait)
    return _result(simulator, order, notifications)


@router.post("/orders/{reference}/release")
async def release(reference: str, body: ReleaseRequest, simulator: SimulatorDep) -> dict[str, Any]:
    """Send the notifications of an order that the scenario `late` holds."""
    order = _find(simulator, reference)
    notifications = simulator.payments.release(order)
    await wait_for(notifications, body.wait)
    return _result(simulator, order, notifications)


@router.get("/orders/{reference}")
async def show_order(reference: str, simulator: SimulatorDep) -> dict[str, Any]:
    """Return an order with its transactions, its notifications, and what it should be at the store."""
    order = _find(simulator, reference)
    return _order(simulator, order) | {"notifications": [_notification(each) for each in order.notifications]}


@router.get("/notifications")
async def list_notifications(simulator: SimulatorDep) -> list[dict[str, Any]]:
    """Return all notifications, oldest first."""
    return [_notification(notification) for notification in simulator.repository.notifications]


def _find(simulator: Simulator, reference: str) -> Order:
    order = simulator.repository.find(reference)
    if order is None:
        raise order_not_found(reference)
    return order


def _result(simulator: Simulator, order: Order, notifications: list[Notification]) -> dict[str, Any]:
    return {
        "order": _order(simulator, order),
        "notifications": [_notification(notification) for notification in notifications],
        "acknowledged": all(notification.acknowledged for notification in notifications),
        "as_expected": all(is_as_expected(notification) for notification in notifications),
    }


def _order(simulator: Simulator, order: Order) -> dict[str, Any]:
    sale, expected = order.sale, expected_order(order)
    return {
        "id": order.id,
        "store_order_id": sale.store_order_id,
        "token_type": sale.token_type,
        "status": order.status_at(simulator.repository.clock()),
        "user_id": sale.user.id,
        "total": as_text(sale.total),
        "currency": sale.currency,
        "items": [{"sku": line.sku, "quantity": line.quantity} for line in sale.lines],
        "transactions": [
            {"id": each.id, "status": each.status, "refunded": as_text(each.refunded)}
            for each in order.transactions
        ],
        "expected": {"status": expected.status, "purchases": expected.purchases},
        "store_notified": is_store_notified(order),
    }


def _notification(notification: Notification) -> dict[str, Any]:
    return {
        "id": notification.id,
        "order_id": notification.order_id,
        "type": notification.type,
        "status": notification.status,
        "deliveries": len(notification.deliveries),
        "last_response_status": notification.last_response_status,
        "last_response": notification.deliveries[-1].response_text if notification.deliveries else None,
        "acknowledged": notification.acknowledged,
        "expected_response": expected_response(notification),
        "as_expected": is_as_expected(notification),
    }
