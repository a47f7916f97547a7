"""Running scenarios: for the command line, the dashboard and tests."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from decimal import Decimal

from simulator.amounts import minor_unit, split_evenly
from simulator.delivery.sender import SequenceOptions
from simulator.payments import REQUESTED_BY_USER, ActionRefused, Payments
from simulator.records import DeliveryOptions, Notification, Order, OrderStatus, Sale, TokenType
from simulator.scenarios import HOLD_SECONDS, Scenario

_BURST_SIZE = 50
_REFUND_PARTS = 3
_ABORTED_DELIVERIES = 2
_UNKNOWN_USER_ID = "unknown-user"


async def run(
    payments: Payments, order: Order, scenario: Scenario, hold_seconds: float = HOLD_SECONDS
) -> list[Notification]:
    """Run a scenario on an order; return the notifications, which may continue in the background.

    `hold_seconds` is for the scenario `late`: how long its notifications are held, unless they are released.
    Raises UserRefused and ActionRefused.
    """
    if scenario is Scenario.LATE:
        return await _late(payments, order, hold_seconds)
    return await _SCENARIOS[scenario](payments, order)


def possible_scenarios(order: Order, status: OrderStatus) -> list[Scenario]:
    """Return the scenarios that can be run on an order now."""
    if status is OrderStatus.NEW:
        return [scenario for scenario in Scenario if scenario is not Scenario.REFUND]
    possible = [Scenario.DUPLICATE] if order.latest_notifications else []
    if order.payment is not None and not order.is_refunded:
        possible += _FOR_PAID_ORDERS
    return possible


async def wait_for(notifications: Iterable[Notification], timeout_seconds: float) -> None:
    """Wait until all notifications are finished, or until the timeout."""
    finished = (notification.finished.wait() for notification in notifications)
    try:
        async with asyncio.timeout(timeout_seconds):
            await asyncio.gather(*finished)
    except TimeoutError:
        return


async def _happy(payments: Payments, order: Order) -> list[Notification]:
    """The order is paid."""
    validation = await _take_payment(payments, order)
    return validation + payments.notify(order, payments.payment_payloads(order))


async def _refund(payments: Payments, order: Order) -> list[Notification]:
    """The payment is refunded in full."""
    return payments.refund(order, REQUESTED_BY_USER)


async def _duplicate(payments: Payments, order: Order) -> list[Notification]:
    """The order is paid unless it was already; then the notifications of the latest event are sent again."""
    return await payments.pay(order) + payments.resend(order)


async def _burst(payments: Payments, order: Order) -> list[Notification]:
    """The order is paid unless it was already; then its last notification is sent many times in parallel."""
    validation = await payments.take_payment(order)
    *first, last = payments.payment_payloads(order)
    options = SequenceOptions(parallel_duplicates=True)
    return validation + payments.notify(order, [*first, *[last] * _BURST_SIZE], options)


async def _out_of_order(payments: Payments, order: Order) -> list[Notification]:
    """The order is paid and refunded; all notifications of separate mode are sent in reverse order."""
    validation = await _take_payment(payments, order)
    payments.record_refund(order)
    payloads = payments.payment_payloads(order, mode="separate")
    payloads += payments.refund_payloads(order, REQUESTED_BY_USER, mode="separate")
    return validation + payments.notify(order, payloads[::-1], SequenceOptions(continue_after_failure=True))


async def _late(payments: Payments, order: Order, hold_seconds: float) -> list[Notification]:
    """The order is paid; its notifications are held, so that the store can cancel the order meanwhile."""
    validation = await _take_payment(payments, order)
    options = SequenceOptions(hold_seconds=hold_seconds)
    return validation + payments.notify(order, payments.payment_payloads(order), options)


async def _cancel(payments: Payments, order: Order) -> list[Notification]:
    """The order is canceled; of a merchant token, which has no order, the user leaves the page without paying."""
    if order.payment is None and order.sale.token_type is TokenType.MERCHANT:
        return []
    return await payments.cancel(order)


async def _refund_first(payments: Payments, order: Order) -> list[Notification]:
    """The order is paid and refunded; the notification of the refund is sent before that of the payment."""
    validation = await _take_payment(payments, order)
    payments.record_refund(order)
    refund = payments.notify(order, payments.refund_payloads(order, REQUESTED_BY_USER))
    return validation + refund + payments.notify(order, payments.payment_payloads(order))


async def _partial_refund(payments: Payments, order: Order) -> list[Notification]:
    """The order is paid unless it was already, and a part of the payment is refunded."""
    paid = await payments.pay(order)
    return paid + payments.partial_refund(order, REQUESTED_BY_USER, _parts_to_refund(order)[0])


async def _partial_refunds(payments: Payments, order: Order) -> list[Notification]:
    """The order is paid unless it was already, and the rest of the payment is refunded in parts."""
    notifications = await payments.pay(order)
    for part in _parts_to_refund(order):
        notifications += payments.partial_refund(order, REQUESTED_BY_USER, part)
    return notifications


async def _chargeback(payments: Payments, order: Order) -> list[Notification]:
    """The order is paid unless it was already, and the bank takes the money back."""
    return await payments.pay(order) + payments.charge_back(order)


async def _declined_then_paid(payments: Payments, order: Order) -> list[Notification]:
    """A payment is declined, the next one succeeds."""
    declined = await payments.decline(order)
    return declined + await payments.pay(order)


async def _drop_all(payments: Payments, order: Order) -> list[Notification]:
    """The order is paid, but no notification is sent: the store must ask the provider."""
    validation = await _take_payment(payments, order)
    return validation + payments.add_unsent(order, payments.payment_payloads(order))


async def _slow(payments: Payments, order: Order) -> list[Notification]:
    """The order is paid; the first deliveries of each notification are aborted and retried."""
    return await _pay_with(payments, order, DeliveryOptions(aborted_deliveries=_ABORTED_DELIVERIES))


async def _never_acknowledged(payments: Payments, order: Order) -> list[Notification]:
    """The order is paid; all responses are lost, so the last notification is retried until the schedule ends."""
    return await _pay_with(payments, order, DeliveryOptions(lose_responses=True))


# The following scenarios are fraud or errors: the store must grant nothing, because something else was sold than
# it asked for, or nothing was sold at all.


async def _wrong_amount(payments: Payments, order: Order) -> list[Notification]:
    """The amount paid is one minor unit too low (or too high, if it would be zero)."""
    unit = minor_unit(order.sale.currency)
    total = order.sale.total - unit if order.sale.total > unit else order.sale.total + unit
    return await _sell_instead(payments, order, replace(order.sale, total=total), "INCORRECT_AMOUNT")


async def _wrong_currency(payments: Payments, order: Order) -> list[Notification]:
    """The order is paid in another currency."""
    currency = "EUR" if order.sale.currency != "EUR" else "USD"
    return await _sell_instead(payments, order, replace(order.sale, currency=currency), "INCORRECT_AMOUNT")


async def _wrong_user(payments: Payments, order: Order) -> list[Notification]:
    """The order is paid for another user: for one of the store's users if the simulator knows another."""
    user = replace(order.sale.user, id=_other_user_id(payments, order))
    return await _sell_instead(payments, order, replace(order.sale, user=user), "INVALID_USER")


async def _unknown_order(payments: Payments, order: Order) -> list[Notification]:
    """The notifications are about an order that the store never placed; the given order stays as it is."""
    transaction = payments.repository.unsaved_payment()
    store_order_id = f"unknown-{transaction.id}"
    sale = replace(order.sale, external_id=f"{store_order_id}-1", custom_parameters={"order_id": store_order_id})
    unknown = payments.repository.unsaved_order(sale)
    return payments.notify(order, payments.payment_payloads(unknown, transaction))


async def _bad_signature(payments: Payments, order: Order) -> list[Notification]:
    """An attacker who does not know the secret sends the notifications of a payment; nothing was paid."""
    _require_new(payments, order)
    payloads = payments.payment_payloads(order, payments.repository.unsaved_payment())
    return payments.notify(
        order,
        payloads,
        SequenceOptions(continue_after_failure=True),
        DeliveryOptions(invalid_signature=True, expected_refusal="INVALID_SIGNATURE"),
    )


_FOR_PAID_ORDERS = [
    Scenario.BURST,
    Scenario.REFUND,
    Scenario.PARTIAL_REFUND,
    Scenario.PARTIAL_REFUNDS,
    Scenario.CHARGEBACK,
    Scenario.CANCEL,
]

_SCENARIOS: dict[Scenario, Callable[[Payments, Order], Awaitable[list[Notification]]]] = {
    Scenario.HAPPY: _happy,
    Scenario.DECLINE: Payments.decline,
    Scenario.CANCEL: _cancel,
    Scenario.REFUND: _refund,
    Scenario.DUPLICATE: _duplicate,
    Scenario.BURST: _burst,
    Scenario.OUT_OF_ORDER: _out_of_order,
    Scenario.REFUND_FIRST: _refund_first,
    Scenario.PARTIAL_REFUND: _partial_refund,
    Scenario.PARTIAL_REFUNDS: _partial_refunds,
    Scenario.CHARGEBACK: _chargeback,
    Scenario.DECLINED_THEN_PAID: _declined_then_paid,
    Scenario.WRONG_AMOUNT: _wrong_amount,
    Scenario.WRONG_CURRENCY: _wrong_currency,
    Scenario.WRONG_USER: _wrong_user,
    Scenario.UNKNOWN_ORDER: _unknown_order,
    Scenario.BAD_SIGNATURE: _bad_signature,
    Scenario.DROP_ALL: _drop_all,
    Scenario.SLOW: _slow,
    Scenario.NEVER_ACKNOWLEDGED: _never_acknowledged,
}


async def _take_payment(payments: Payments, order: Order) -> list[Notification]:
    validation = await payments.take_payment(order)
    if not validation:
        raise ActionRefused(
            f"Order {order.id} is already paid; the scenario duplicate sends its notifications again."
        )
    return validation


async def _pay_with(payments: Payments, order: Order, options: DeliveryOptions) -> list[Notification]:
    validation = await _take_payment(payments, order)
    return validation + payments.notify(order, payments.payment_payloads(order), delivery_options=options)


async def _sell_instead(payments: Payments, order: Order, sale: Sale, refusal: str) -> list[Notification]:
    """Sell something else than the store asked for; the simulator's APIs then show the other sale as well."""
    _require_new(payments, order)
    validation = await payments.take_payment(order)
    order.sale = sale
    options = DeliveryOptions(expected_refusal=refusal)
    return validation + payments.notify(order, payments.payment_payloads(order), delivery_options=options)


def _parts_to_refund(order: Order) -> list[Decimal]:
    refunded = order.payment.refunded if order.payment else Decimal(0)
    return split_evenly(order.sale.total - refunded, _REFUND_PARTS, order.sale.currency)


def _other_user_id(payments: Payments, order: Order) -> str:
    user_ids = (each.requested.user.id for each in reversed(payments.repository.orders.values()))
    return next((user_id for user_id in user_ids if user_id != order.sale.user.id), _UNKNOWN_USER_ID)


def _require_new(payments: Payments, order: Order) -> None:
    status = order.status_at(payments.repository.clock())
    if status is not OrderStatus.NEW:
        raise ActionRefused(f"Order {order.id} is {status}; the scenario is for orders that can still be paid.")
