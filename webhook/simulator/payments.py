"""What buyers and operators can do with an order: each act is booked first, then told to the store."""

from collections.abc import Sequence
from decimal import Decimal

from webhook.simulator import notifications, sequences
from webhook.simulator.books import Books
from webhook.simulator.courier import Courier, explain
from webhook.simulator.errors import BuyerRefused, NotNow
from webhook.simulator.payload_parts import Json, Project, Reason
from webhook.simulator.records import Delivery, Mint, Order, OrderStatus, Transaction
from webhook.simulator.settings import Mode

BY_GAME_REQUEST = Reason(10, "Cancellation by the game request")
BY_REQUEST = Reason(1, "Cancellation by the user request / the game request")


class Payments:
    """The acts; each gives the deliveries that it started, which go on in the background."""

    def __init__(self, project: Project, mode: Mode, books: Books, courier: Courier) -> None:
        self._project = project
        self._mode = mode
        self._books = books
        self._courier = courier

    async def validate(self, order: Order) -> Delivery:
        """Ask the store about the buyer, once; raises BuyerRefused unless it says yes."""
        delivery = self._books.write_delivery(order, notifications.user_validation(self._project, order))
        await self._courier.deliver(delivery)
        if not delivery.acknowledged:
            raise BuyerRefused(delivery, explain(delivery))
        return delivery

    async def pay(self, order: Order) -> list[Delivery]:
        """Take the money once the store confirmed the buyer; nothing is started when it is taken."""
        async with order.paying:
            if order.payment is not None:
                return []
            self._must_be_open(order)
            validation = await self.validate(order)
            made = self._books.book_payment(order)
        told = self._tell(order, sequences.after_payment(self._mode, self._project, order, made))
        return [validation, *told]

    async def decline(self, order: Order) -> list[Delivery]:
        """Decline a try to pay; the order stays open for another."""
        async with order.paying:
            self._must_be_open(order)
            made = self._books.book_decline(order)
        return self._tell(order, [notifications.ps_declined(self._project, order, made)])

    def refund(self, order: Order, reason: Reason) -> list[Delivery]:
        """Give all the money back."""
        made = _refundable(order)
        self._books.book_return(order, made, order.sale.total - made.returned)
        return self._tell(order, sequences.after_refund(self._mode, self._project, order, made, reason))

    def partial_refund(self, order: Order, reason: Reason, amount: Decimal) -> list[Delivery]:
        """Give a part of the money back."""
        made = _refundable(order)
        left = order.sale.total - made.returned
        if amount > left:
            raise NotNow(f"Only {left} {order.sale.currency} of order {order.id} are left to give back.")
        self._books.book_return(order, made, amount)
        payload = notifications.partial_refund(self._project, order, made, reason, amount)
        return self._tell(order, [payload])

    async def cancel(self, order: Order) -> list[Delivery]:
        """Cancel the Store order; money that was taken goes back."""
        async with order.paying:
            if order.payment is not None:
                return self.refund(order, BY_GAME_REQUEST)
            if order.sale.mint is Mint.MERCHANT:
                raise NotNow(f"Payment {order.id} has no Store order that could be canceled.")
            self._must_be_open(order)
            order.canceled = True
        return self._tell(order, [notifications.order_canceled(order, None, BY_GAME_REQUEST, None)])

    def repeat(self, order: Order) -> list[Delivery]:
        """Send the notifications of the newest fact once more, byte for byte."""
        if not order.newest_chain:
            raise NotNow(f"Nothing was sent about order {order.id} that could be sent again.")
        copies = [self._books.copy_delivery(order, original) for original in order.newest_chain]
        self._courier.dispatch(order, copies)
        return copies

    def _must_be_open(self, order: Order) -> None:
        status = order.status_at(self._books.clock())
        if status is not OrderStatus.NEW:
            raise NotNow(f"Order {order.id} is {status}, so it cannot be paid, declined or canceled.")

    def _tell(self, order: Order, payloads: Sequence[Json]) -> list[Delivery]:
        deliveries = [self._books.write_delivery(order, payload) for payload in payloads]
        order.newest_chain = deliveries
        self._courier.dispatch(order, deliveries)
        return deliveries


def _refundable(order: Order) -> Transaction:
    if order.payment is None:
        raise NotNow(f"Order {order.id} is not paid, so there is nothing to give back.")
    if order.is_refunded:
        raise NotNow(f"Order {order.id} is refunded already.")
    return order.payment
