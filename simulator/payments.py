"""What users and staff can do with an order: each action is recorded first and then sent to the store."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from simulator.delivery import payloads
from simulator.delivery.payloads import Json, Project, RefundReason
from simulator.delivery.sender import NotificationSender, SequenceOptions, describe_response
from simulator.records import DeliveryOptions, Notification, Order, OrderStatus, TokenType, Transaction
from simulator.repository import Repository
from simulator.settings import Mode

CANCELED_BY_GAME = RefundReason(10, "Cancellation by the game request")
REQUESTED_BY_USER = RefundReason(1, "Cancellation by the user request / the game request")
CHARGEBACK = RefundReason(2, "Chargeback")

_DEFAULT_SEQUENCE = SequenceOptions()
_DEFAULT_DELIVERY = DeliveryOptions()


class UserRefused(Exception):
    """The store did not confirm the user, so nothing can be paid."""

    def __init__(self, notification: Notification) -> None:
        super().__init__(describe_response(notification))
        self.notification = notification


class ActionRefused(Exception):
    """The action is not possible in the order's current status."""


class Payments:
    """The actions. Each returns the notifications that it started, which continue in the background.

    `speed` is how many times faster than the provider's schedule failed deliveries are retried.
    """

    def __init__(
        self,
        project: Project,
        mode: Mode,
        repository: Repository,
        sender: NotificationSender,
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

    async def validate_user(self, order: Order) -> Notification:
        """Ask the store about the user, once; raise UserRefused unless the store confirms."""
        notification = self.repository.add_notification(order, payloads.user_validation(self._project, order))
        await self._sender.deliver(notification)
        if not notification.acknowledged:
            raise UserRefused(notification)
        return notification

    async def pay(self, order: Order) -> list[Notification]:
        """Take the money if the store confirms the user; do nothing if the order is already paid."""
        validation = await self.take_payment(order)
        return validation + self.notify(order, self.payment_payloads(order)) if validation else []

    async def take_payment(self, order: Order) -> list[Notification]:
        """Take the money without notifying the store.

        The result is the notification that asked about the user, or empty if the order is already paid.
        """
        async with order.payment_lock:
            if order.payment is not None:
                return []
            self._require_new(order)
            validation = await self.validate_user(order)
            self.repository.record_payment(order)
        return [validation]

    async def decline(self, order: Order) -> list[Notification]:
        """Decline a payment; the order can still be paid."""
        async with order.payment_lock:
            self._require_new(order)
            transaction = self.repository.record_decline(order)
        return self.notify(order, [payloads.ps_declined(self._project, order, transaction)])

    def refund(self, order: Order, reason: RefundReason) -> list[Notification]:
        """Refund all the money."""
        self.record_refund(order)
        return self.notify(order, self.refund_payloads(order, reason))

    def record_refund(self, order: Order) -> None:
        """Refund all the money without notifying the store."""
        transaction = _refundable(order)
        self.repository.record_refund(order, transaction, order.sale.total - transaction.refunded)

    def charge_back(self, order: Order) -> list[Notification]:
        """Let the bank take back all the money."""
        self.repository.record_chargeback(order, _refundable(order))
        return self.notify(order, self.refund_payloads(order, CHARGEBACK))

    def partial_refund(self, order: Order, reason: RefundReason, amount: Decimal) -> list[Notification]:
        """Refund a part of the money."""
        transaction = _refundable(order)
        rest = order.sale.total - transaction.refunded
        if amount > rest:
            raise ActionRefused(f"Only {rest} {order.sale.currency} of order {order.id} can still be refunded.")
        self.repository.record_refund(order, transaction, amount)
        payload = payloads.partial_refund(self._project, order, transaction, reason, amount)
        return self.notify(order, [payload])

    async def cancel(self, order: Order) -> list[Notification]:
        """Cancel the Store order; money that was paid is refunded."""
        async with order.payment_lock:
            if order.payment is not None:
                return self.refund(order, CANCELED_BY_GAME)
            if order.sale.token_type is TokenType.MERCHANT:
                raise ActionRefused(f"Payment {order.id} has no Store order that could be canceled.")
            self._require_new(order)
            order.canceled = True
        return self.notify(order, [payloads.order_canceled(order, None, CANCELED_BY_GAME, None)])

    def resend(self, order: Order) -> list[Notification]:
        """Send the notifications of the latest event again, with the same bytes."""
        if not order.latest_notifications:
            raise ActionRefused(f"No notification about order {order.id} was sent that could be sent again.")
        copies = [self.repository.copy_notification(order, original) for original in order.latest_notifications]
        self._sender.start(order, copies, SequenceOptions(speed=self._speed))
        return copies

    def release(self, order: Order) -> list[Notification]:
        """Send held notifications now; return the notifications that are not finished."""
        order.released.set()
        return [notification for notification in order.notifications if not notification.finished.is_set()]

    def payment_payloads(
        self, order: Order, transaction: Transaction | None = None, mode: Mode | None = None
    ) -> list[Json]:
        """Return the payloads for the order's payment, or for another transaction."""
        transaction = transaction or _paid(order)
        return payloads.for_payment(mode or self._mode, self._project, order, transaction)

    def refund_payloads(self, order: Order, reason: RefundReason, mode: Mode | None = None) -> list[Json]:
        """Return the payloads for the full refund of the order's payment."""
        return payloads.for_refund(mode or self._mode, self._project, order, _paid(order), reason)

    def notify(
        self,
        order: Order,
        payload_list: Sequence[Json],
        sequence_options: SequenceOptions = _DEFAULT_SEQUENCE,
        delivery_options: DeliveryOptions = _DEFAULT_DELIVERY,
    ) -> list[Notification]:
        """Start to send notifications; `lose_responses` concerns the last one only."""
        *first, last = payload_list
        options_of_first = replace(delivery_options, lose_responses=False)
        notifications = [self.repository.add_notification(order, payload, options_of_first) for payload in first]
        notifications.append(self.repository.add_notification(order, last, delivery_options))
        # Of equal notifications, only one is sent again later.
        order.latest_notifications = list({each.body: each for each in notifications}.values())
        speed = sequence_options.speed or self._speed
        self._sender.start(order, notifications, replace(sequence_options, speed=speed))
        return notifications

    def add_unsent(self, order: Order, payload_list: Sequence[Json]) -> list[Notification]:
        """Record notifications that are not sent unless somebody sends them again."""
        notifications = [self.repository.add_unsent_notification(order, payload) for payload in payload_list]
        order.latest_notifications = notifications
        return notifications

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
