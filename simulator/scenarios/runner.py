"""Named courses of events, for the command line, the developer's window and tests."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from decimal import Decimal

from simulator.amounts import smallest_unit, split_evenly
from simulator.delivery.sender import Way
from simulator.payments import BY_REQUEST, NotNow, Payments
from simulator.records import Delivery, Manner, Order, OrderStatus, Sale
from simulator.scenarios import HOLD_SECONDS, Scenario

_BURST = 50
_PARTS = 3
# How many tries of each notification the client hangs up on.
_ABANDONED = 2


async def run(payments: Payments, order: Order, scenario: Scenario, hold: float = HOLD_SECONDS) -> list[Delivery]:
    """Make it happen; gives the deliveries, which may still be on their way.

    `hold` is for `late`: its notifications leave after so many seconds, or when they are released.
    Raises BuyerRefused and NotNow.
    """
    if scenario is Scenario.LATE:
        return await _late(payments, order, hold)
    return await _COURSES[scenario](payments, order)


def fitting(order: Order, status: OrderStatus) -> list[Scenario]:
    """Give the scenarios that may be run on an order now."""
    if status is OrderStatus.NEW:
        return [each for each in Scenario if each is not Scenario.REFUND]
    fits = [Scenario.DUPLICATE] if order.newest_chain else []
    if order.payment is not None and not order.is_refunded:
        fits += _WHEN_PAID
    return fits


async def wait_for(deliveries: Iterable[Delivery], seconds: float) -> None:
    """Wait until all deliveries are settled, or for so long."""
    ends = (delivery.settled.wait() for delivery in deliveries)
    try:
        async with asyncio.timeout(seconds):
            await asyncio.gather(*ends)
    except TimeoutError:
        return


async def _happy(payments: Payments, order: Order) -> list[Delivery]:
    return await _take(payments, order) + payments.tell(order, payments.about_payment(order))


async def _refund(payments: Payments, order: Order) -> list[Delivery]:
    return payments.refund(order, BY_REQUEST)


async def _duplicate(payments: Payments, order: Order) -> list[Delivery]:
    """Pay unless it is done, then tell the newest fact once more."""
    return await payments.pay(order) + payments.repeat(order)


async def _burst(payments: Payments, order: Order) -> list[Delivery]:
    """Fifty equal notifications of the payment at once, with no earlier one of that kind on a new order."""
    taken = await payments.take(order)
    *first, last = payments.about_payment(order)
    return taken + payments.tell(order, [*first, *[last] * _BURST], Way(at_once=True))


async def _out_of_order(payments: Payments, order: Order) -> list[Delivery]:
    """Paid and refunded, then told backwards, with all notifications of the separate mode."""
    taken = await _take(payments, order)
    payments.give_back(order)
    facts = payments.about_payment(order, mode="separate") + payments.about_refund(order, BY_REQUEST, "separate")
    return taken + payments.tell(order, facts[::-1], Way(stubborn=True))


async def _late(payments: Payments, order: Order, hold: float) -> list[Delivery]:
    """Paid, and told when the store may have given the order up."""
    taken = await _take(payments, order)
    return taken + payments.tell(order, payments.about_payment(order), Way(hold=hold))


async def _refund_first(payments: Payments, order: Order) -> list[Delivery]:
    """Paid and refunded; the refund is told before the payment."""
    taken = await _take(payments, order)
    payments.give_back(order)
    refunded = payments.tell(order, payments.about_refund(order, BY_REQUEST))
    return taken + refunded + payments.tell(order, payments.about_payment(order))


async def _partial_refund(payments: Payments, order: Order) -> list[Delivery]:
    """Paid unless it is, and the first of those parts given back."""
    paid = await payments.pay(order)
    return paid + payments.partial_refund(order, BY_REQUEST, _parts_left(order)[0])


async def _partial_refunds(payments: Payments, order: Order) -> list[Delivery]:
    """Paid unless it is, and all that is left given back in parts, the first of which are equal."""
    deliveries = await payments.pay(order)
    for part in _parts_left(order):
        deliveries += payments.partial_refund(order, BY_REQUEST, part)
    return deliveries


def _parts_left(order: Order) -> list[Decimal]:
    returned = order.payment.returned if order.payment else Decimal(0)
    return split_evenly(order.sale.total - returned, _PARTS, order.sale.currency)


async def _chargeback(payments: Payments, order: Order) -> list[Delivery]:
    """Paid unless it is, and taken back by the bank."""
    return await payments.pay(order) + payments.charge_back(order)


async def _declined_then_paid(payments: Payments, order: Order) -> list[Delivery]:
    declined = await payments.decline(order)
    return declined + await payments.pay(order)


async def _drop_all(payments: Payments, order: Order) -> list[Delivery]:
    """Paid, and nobody tells the store: only a look-up does."""
    return await _take(payments, order) + payments.withhold(order, payments.about_payment(order))


async def _slow(payments: Payments, order: Order) -> list[Delivery]:
    """Paid; the first tries of each notification are abandoned by the client and repeated."""
    taken = await _take(payments, order)
    return taken + payments.tell(order, payments.about_payment(order), manner=Manner(abandoned=_ABANDONED))


async def _never_acknowledged(payments: Payments, order: Order) -> list[Delivery]:
    """Paid; every answer of the store is lost, so that it hears the same until the schedule is over."""
    taken = await _take(payments, order)
    return taken + payments.tell(order, payments.about_payment(order), manner=Manner(deaf=True))


async def _take(payments: Payments, order: Order) -> list[Delivery]:
    taken = await payments.take(order)
    if not taken:
        raise NotNow(f"Order {order.id} is paid already; the scenario duplicate sends its notifications again.")
    return taken


_WHEN_PAID = [
    Scenario.BURST,
    Scenario.REFUND,
    Scenario.PARTIAL_REFUND,
    Scenario.PARTIAL_REFUNDS,
    Scenario.CHARGEBACK,
    Scenario.CANCEL,
]

_STRANGER = "somebody-else"


async def wrong_amount(payments: Payments, order: Order) -> list[Delivery]:
    """Paid, but the smallest unit less than the store asked for (more, where less would be nothing)."""
    unit = smallest_unit(order.sale.currency)
    total = order.sale.total - unit if order.sale.total > unit else order.sale.total + unit
    return await _sell(payments, order, replace(order.sale, total=total), "INCORRECT_AMOUNT")


async def wrong_currency(payments: Payments, order: Order) -> list[Delivery]:
    """Paid, but in another currency."""
    other = "EUR" if order.sale.currency != "EUR" else "USD"
    return await _sell(payments, order, replace(order.sale, currency=other), "INCORRECT_AMOUNT")


async def wrong_user(payments: Payments, order: Order) -> list[Delivery]:
    """Paid, but for another buyer: one that the store knows, if we know one."""
    buyer = replace(order.sale.buyer, id=_another_buyer(payments, order))
    return await _sell(payments, order, replace(order.sale, buyer=buyer), "INVALID_USER")


async def unknown_order(payments: Payments, order: Order) -> list[Delivery]:
    """Told of a payment for an order that the store never placed; the order at hand stays as it is."""
    made = payments.books.imagine_payment()
    name = f"unknown-{made.id}"
    sale = replace(order.sale, external_id=f"{name}-1", custom_parameters={"order_id": name})
    return payments.tell(order, payments.about_payment(payments.books.imagine_order(sale), made))


async def bad_signature(payments: Payments, order: Order) -> list[Delivery]:
    """Told of a payment by somebody who does not know the secret; nothing was paid."""
    _must_be_new(payments, order)
    payloads = payments.about_payment(order, payments.books.imagine_payment())
    return payments.tell(order, payloads, Way(stubborn=True), Manner(forged=True, refusal="INVALID_SIGNATURE"))


async def _sell(payments: Payments, order: Order, sale: Sale, refusal: str) -> list[Delivery]:
    """Sell something else; our books say so too, as every look-up shows."""
    _must_be_new(payments, order)
    taken = await payments.take(order)
    order.sale = sale
    return taken + payments.tell(order, payments.about_payment(order), manner=Manner(refusal=refusal))


def _another_buyer(payments: Payments, order: Order) -> str:
    others = (each.asked.buyer.id for each in reversed(payments.books.orders.values()))
    return next((other for other in others if other != order.sale.buyer.id), _STRANGER)


def _must_be_new(payments: Payments, order: Order) -> None:
    status = order.status_at(payments.books.clock())
    if status is not OrderStatus.NEW:
        raise NotNow(f"Order {order.id} is {status}; the scenario is for orders that wait for their payment.")


_COURSES: dict[Scenario, Callable[[Payments, Order], Awaitable[list[Delivery]]]] = {
    Scenario.HAPPY: _happy,
    Scenario.DECLINE: Payments.decline,
    Scenario.CANCEL: Payments.cancel,
    Scenario.REFUND: _refund,
    Scenario.DUPLICATE: _duplicate,
    Scenario.BURST: _burst,
    Scenario.OUT_OF_ORDER: _out_of_order,
    Scenario.REFUND_FIRST: _refund_first,
    Scenario.PARTIAL_REFUND: _partial_refund,
    Scenario.PARTIAL_REFUNDS: _partial_refunds,
    Scenario.CHARGEBACK: _chargeback,
    Scenario.DECLINED_THEN_PAID: _declined_then_paid,
    Scenario.WRONG_AMOUNT: wrong_amount,
    Scenario.WRONG_CURRENCY: wrong_currency,
    Scenario.WRONG_USER: wrong_user,
    Scenario.UNKNOWN_ORDER: unknown_order,
    Scenario.BAD_SIGNATURE: bad_signature,
    Scenario.DROP_ALL: _drop_all,
    Scenario.SLOW: _slow,
    Scenario.NEVER_ACKNOWLEDGED: _never_acknowledged,
}
