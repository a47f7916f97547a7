"""Which notifications a fact causes, and in which order: the two delivery modes differ only here."""

from simulator import notifications
from simulator.payload_parts import Json, Project, Reason
from simulator.records import Mint, Order, Transaction
from simulator.settings import Mode


def after_payment(mode: Mode, project: Project, order: Order, made: Transaction) -> list[Json]:
    """Notifications of a payment; each waits for the success of the one before it."""
    if order.sale.mint is Mint.MERCHANT:
        return [notifications.payment(project, order, made)]
    if mode == "combined":
        return [notifications.order_paid(order, made, project)]
    return [notifications.payment(project, order, made), notifications.order_paid(order, made, None)]


def after_refund(mode: Mode, project: Project, order: Order, made: Transaction, reason: Reason) -> list[Json]:
    """Notifications of a payment given back in full."""
    if order.sale.mint is Mint.MERCHANT:
        return [notifications.refund(project, order, made, reason)]
    if mode == "combined":
        return [notifications.order_canceled(order, made, reason, project)]
    return [
        notifications.refund(project, order, made, reason),
        notifications.order_canceled(order, made, reason, None),
    ]
