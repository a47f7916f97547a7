"""What users and staff can do with an order: each action is recorded first and then sent to the store."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from simulator.delivery import notifications
from simulator.delivery.notifications import Json, Project, RefundReason
from simulator.delivery.sender import DeliverySender, SequenceOptions, describe_response
from simulator.records import Delivery, DeliveryOptions, Order, OrderStatus, TokenType, Transaction
from simulator.repository import Repository
from simulator.settings import Mode

CANCELED_BY_GAME = RefundReason(10, "Cancellation by the game request")
REQUESTED_BY_USER = RefundReason(1, "Cancellation by the user request / the game request")
CHARGEBACK = RefundReason(2, "Chargeback")

_DEFAULT_SEQUENCE = SequenceOptions()
_DEFAULT_DELIVERY = DeliveryOptions()


class UserRefused(Exception):
    """The store did not confirm the user, so nothing can be paid."""

    def __init__(self, delivery: Delivery) -> None:
        super().__init__(describe_response(delivery))
        self.delivery = delivery


class ActionRefused(Exception):
    """The action is not possible in the order's current status."""


class Payments:
    """The actions. Each returns the deliveries that it started, which continue in the background.

    `speed` is how many times faster than the provider's schedule failed deliveries are retried.
    """

    def __init__(
        self,
        project: Project,
        mode: Mode,
        repository: Repository,
        sender: DeliverySender,
        speed: float | None = None,
    ) -> None:
        self.repository = repository
        self._project = project
        self._mode = mode
        self._sender = sender
        self._speed = speed

    def with_options(self, mode: Mode | None, speed: float | None) -> "Payments":
        """Return the same actions with another delivery mode or another speed."""
        return Payments(self._project, mode or self._mode, self.repository, self._sender, speed or self._speed)

    async def validate_user(self, order: Order) -> Delivery:
        """Ask the store about the user, once; raise UserRefused unless the store confirms."""
        delivery = self.repository.add_delivery(order, notifications.user_validation(self._project, order))
        await self._sender.deliver(delivery)
        if not delivery.acknowledged:
            raise UserRefused(delivery)
        return delivery

    async def pay(self, order: Order) -> list[Delivery]:
        """Take the money if the store confirms the user; do nothing if the order is already paid."""
        validation = await self.take_payment(order)
        return validation + self.notify(order, self.payment_notifications(order)) if validation else []

    async def take_payment(self, order: Order) -> list[Delivery]:
        """Take the money without notifying the store.

        The result is the delivery that asked about the user, or empty if the order is already paid.
        """
        async with order.payment_lock:
            if order.payment is not None:
                return []
            self._require_new(order)
            validation = await self.validate_user(order)
            self.repository.record_payment(order)
        return [validation]

    async def decline(self, order: Order) -> list[Delivery]:
        """Decline a payment; the order can still be paid."""
        async with order.payment_lock:
            self._require_new(order)
            transaction = self.repository.record_decline(order)
        return self.notify(order, [notifications.ps_declined(self._project, order, transaction)])

    def refund(self, order: Order, reason: RefundReason) -> list[Delivery]:
        """Refund all the money."""
        self.record_refund(order)
        return self.notify(order, self.refund_notifications(order, reason))

    def record_refund(self, order: Order) -> None:
        """Refund all the money without notifying the store."""
        transaction = _refundable(order)
        self.repository.record_refund(order, transaction, order.sale.total - transaction.refunded)

    def charge_back(self, order: Order) -> list[Delivery]:
        """Let the bank take back all the money."""
        self.repository.record_chargeback(order, _refundable(order))
        return self.notify(order, self.refund_notifications(order, CHARGEBACK))

    def partial_refund(self, order: Order, reason: RefundReason, amount: Decimal) -> list[Delivery]:
        """Refund a part of the money."""
        transaction = _refundable(order)
        rest = order.sale.total - transaction.refunded
        if amount > rest:
            raise ActionRefused(f"Only {rest} {order.sale.currency} of order {order.id} can still be refunded.")
        self.repository.record_refund(order, transaction, amount)
        payload = notifications.partial_refund(self._project, order, transaction, reason, amount)
        return self.notify(order, [payload])

    async def cancel(self, order: Order) -> list[Delivery]:
        """Cancel the Store order; money that was paid is refunded."""
        async with order.payment_lock:
            if order.payment is not None:
                return self.refund(order, CANCELED_BY_GAME)
            if order.sale.token_type is TokenType.MERCHANT:
                raise ActionRefused(f"Payment {order.id} has no Store order that could be canceled.")
            self._require_new(order)
            order.canceled = True
        return self.notify(order, [notifications.order_canceled(order, None, CANCELED_BY_GAME, None)])

    def resend(self, order: Order) -> list[Delivery]:
        """Send the notifications of the latest event again, with the same bytes."""
        if not order.latest_deliveries:
            raise ActionRefused(f"No notification about order {order.id} was sent that could be sent again.")
        copies = [self.repository.copy_delivery(order, original) for original in order.latest_deliveries]
        self._sender.start(order, copies, SequenceOptions(speed=self._speed))
        return copies

    def release(self, order: Order) -> list[Delivery]:
        """Send held notifications now; return the deliveries that are not finished."""
        order.released.set()
        return [delivery for delivery in order.deliveries if not delivery.finished.is_set()]

    def payment_notifications(
        self, order: Order, transaction: Transaction | None = None, mode: Mode | None = None
    ) -> list[Json]:
        """Return the notifications of the order's payment, or of another transaction."""
        transaction = transaction or _paid(order)
        return notifications.for_payment(mode or self._mode, self._project, order, transaction)

    def refund_notifications(self, order: Order, reason: RefundReason, mode: Mode | None = None) -> list[Json]:
        """Return the notifications of the full refund of the order's payment."""
        return notifications.for_refund(mode or self._mode, self._project, order, _paid(order), reason)

    def notify(
        self,
        order: Order,
        payloads: Sequence[Json],
        sequence_options: SequenceOptions = _DEFAULT_SEQUENCE,
        delivery_options: DeliveryOptions = _DEFAULT_DELIVERY,
    ) -> list[Delivery]:
        """Start to send notifications; `lose_responses` concerns the last one only."""
        *first, last = payloads
        options_of_first = replace(delivery_options, lose_responses=False)
        deliveries = [self.repository.add_delivery(order, payload, options_of_first) for payload in first]
        deliveries.append(self.repository.add_delivery(order, last, delivery_options))
        # Of equal notifications, only one is sent again later.
        order.latest_deliveries = list({delivery.body: delivery for delivery in deliveries}.values())
        speed = sequence_options.speed or self._speed
        self._sender.start(order, deliveries, replace(sequence_options, speed=speed))
        return deliveries

    def add_unsent(self, order: Order, payloads: Sequence[Json]) -> list[Delivery]:
        """Record notifications that are not sent unless somebody sends them again."""
        order.latest_deliveries = [self.repository.add_unsent_delivery(order, payload) for payload in payloads]
        return order.latest_deliveries

    def _require_new(self, order: Order) -> None:
        status = order.status_at(self.repository.clock())
        if status is not OrderStatus.NEW:
            raise ActionRefused(f"Order {order.id} is {status}, so it cannot be paid, declined or canceled.")


def _refundable(order: Order) -> Transaction:
    transaction = _paid(order)
    if order.is_refunded:
        raise ActionRefused(f"Order {order.id} is already refunded.")
    return transaction


def _paid(order: Order) -> Transaction:
    if order.payment is None:
        raise ActionRefused(f"Order {order.id} is not paid, so there is nothing to refund.")
    return order.payment
