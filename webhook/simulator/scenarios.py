"""Named courses of events, for the command line, the developer's window and tests."""

import asyncio
from collections.abc import Iterable
from enum import StrEnum

from webhook.simulator.errors import NotNow
from webhook.simulator.payments import BY_REQUEST, Payments
from webhook.simulator.records import Delivery, Order


class Scenario(StrEnum):
    """What may be made to happen to an order."""

    HAPPY = "happy"
    DECLINE = "decline"
    CANCEL = "cancel"
    REFUND = "refund"
    DUPLICATE = "duplicate"


async def run(payments: Payments, order: Order, scenario: Scenario) -> list[Delivery]:
    """Make it happen; gives the deliveries, which may still be on their way.

    Raises BuyerRefused and NotNow.
    """
    match scenario:
        case Scenario.HAPPY:
            return await _pay_once(payments, order)
        case Scenario.DECLINE:
            return await payments.decline(order)
        case Scenario.CANCEL:
            return await payments.cancel(order)
        case Scenario.REFUND:
            return payments.refund(order, BY_REQUEST)
        case Scenario.DUPLICATE:
            return await payments.pay(order) + payments.repeat(order)


async def wait_for(deliveries: Iterable[Delivery], seconds: float) -> None:
    """Wait until all deliveries are settled, or for so long."""
    ends = (delivery.settled.wait() for delivery in deliveries)
    try:
        async with asyncio.timeout(seconds):
            await asyncio.gather(*ends)
    except TimeoutError:
        return


async def _pay_once(payments: Payments, order: Order) -> list[Delivery]:
    deliveries = await payments.pay(order)
    if not deliveries:
        raise NotNow(f"Order {order.id} is paid already; the scenario duplicate sends its notifications again.")
    return deliveries
