"""Courses of events that the store has to refuse: what was sold is not what it asked for, or nothing was."""

from dataclasses import replace

from simulator.amounts import smallest_unit
from simulator.courier import Way
from simulator.errors import NotNow
from simulator.payments import Payments
from simulator.records import Delivery, Manner, Order, OrderStatus, Sale

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
