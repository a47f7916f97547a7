"""What buyers and operators can do with an order: each act is booked first, then told to the store."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from simulator.delivery import notifications
from simulator.delivery.notifications import Json, Project, Reason
from simulator.delivery.sender import Courier, Way, explain
from simulator.records import Delivery, Manner, Mint, Order, OrderStatus, Transaction
from simulator.repository import Books
from simulator.settings import Mode


class BuyerRefused(Exception):
    """The store did not confirm the buyer, so nothing may be paid."""

    def __init__(self, delivery: Delivery, argv: str) -> None:
        super().__init__(argv)
        self.delivery = delivery


class NotNow(Exception):
    """What was asked for does not fit where the order stands."""


BY_GAME_REQUEST = Reason(10, "Cancellation by the game request")
BY_REQUEST = Reason(1, "Cancellation by the user request / the game request")
CHARGEBACK = Reason(2, "Chargeback")

_ORDINARY_WAY = Way()
_ORDINARY_MANNER = Manner()


class Payments:
    """The acts; each gives the deliveries that it started, which go on in the background.

    With a `speed`, notifications are repeated so many times faster than on schedule.
    """

    def __init__(
        self, project: Project, mode: Mode, books: Books, courier: Courier, speed: float | None = None
    ) -> None:
        self.books = books
        self._project = project
        self._mode = mode
        self._courier = courier
        self._speed = speed

    def under(self, mode: Mode | None, speed: float | None) -> "Payments":
        """Give the same acts, told in another mode or repeated at another speed."""
        return Payments(self._project, mode or self._mode, self.books, self._courier, speed or self._speed)

    async def validate(self, order: Order) -> Delivery:
        """Ask the store about the buyer, once; raises BuyerRefused unless it says yes."""
        delivery = self.books.write_delivery(order, notifications.user_validation(self._project, order))
        await self._courier.deliver(delivery)
        if not delivery.acknowledged:
            raise BuyerRefused(delivery, explain(delivery))
        return delivery

    async def pay(self, order: Order) -> list[Delivery]:
        """Take the money once the store confirmed the buyer; nothing is started when it is taken."""
        taken = await self.take(order)
        return taken + self.tell(order, self.about_payment(order)) if taken else []

    async def take(self, order: Order) -> list[Delivery]:
        """Take the money and tell nobody: gives the question about the buyer, nothing when it is taken."""
        async with order.paying:
            if order.payment is not None:
                return []
            self._must_be_open(order)
            validation = await self.validate(order)
            self.books.book_payment(order)
        return [validation]

    async def decline(self, order: Order) -> list[Delivery]:
        """Decline a try to pay; the order stays open for another."""
        async with order.paying:
            self._must_be_open(order)
            made = self.books.book_decline(order)
        return self.tell(order, [notifications.ps_declined(self._project, order, made)])

    def refund(self, order: Order, reason: Reason) -> list[Delivery]:
        """Give all the money back."""
        self.give_back(order)
        return self.tell(order, self.about_refund(order, reason))

    def give_back(self, order: Order) -> None:
        """Give all the money back and tell nobody."""
        made = _refundable(order)
        self.books.book_return(order, made, order.sale.total - made.returned)

    def charge_back(self, order: Order) -> list[Delivery]:
        """Let the bank take all the money back."""
        self.books.book_chargeback(order, _refundable(order))
        return self.tell(order, self.about_refund(order, CHARGEBACK))

    def partial_refund(self, order: Order, reason: Reason, amount: Decimal) -> list[Delivery]:
        """Give a part of the money back."""
        made = _refundable(order)
        left = order.sale.total - made.returned
        if amount > left:
            raise NotNow(f"Only {left} {order.sale.currency} of order {order.id} are left to give back.")
        self.books.book_return(order, made, amount)
        payload = notifications.partial_refund(self._project, order, made, reason, amount)
        return self.tell(order, [payload])

    async def cancel(self, order: Order) -> list[Delivery]:
        """Cancel the Store order; money that was taken goes back."""
        async with order.paying:
            if order.payment is not None:
                return self.refund(order, BY_GAME_REQUEST)
            if order.sale.mint is Mint.MERCHANT:
                raise NotNow(f"Payment {order.id} has no Store order that could be canceled.")
            self._must_be_open(order)
            order.canceled = True
        return self.tell(order, [notifications.order_canceled(order, None, BY_GAME_REQUEST, None)])

    def repeat(self, order: Order) -> list[Delivery]:
        """Send the notifications of the newest fact once more, byte for byte."""
        if not order.newest_chain:
            raise NotNow(f"Nothing was sent about order {order.id} that could be sent again.")
        copies = [self.books.copy_delivery(order, original) for original in order.newest_chain]
        self._courier.dispatch(order, copies, Way(self._speed))
        return copies

    def release(self, order: Order) -> list[Delivery]:
        """Let notifications go that are held for later; gives those still on their way."""
        order.released.set()
        return [delivery for delivery in order.deliveries if not delivery.settled.is_set()]

    def about_payment(self, order: Order, made: Transaction | None = None, mode: Mode | None = None) -> list[Json]:
        """Give the notifications of the order's payment, or of another one."""
        return notifications.after_payment(mode or self._mode, self._project, order, made or _paid(order))

    def about_refund(self, order: Order, reason: Reason, mode: Mode | None = None) -> list[Json]:
        """Give the notifications of the order's payment given back."""
        return notifications.after_refund(mode or self._mode, self._project, order, _paid(order), reason)

    def tell(
        self,
        order: Order,
        payloads: Sequence[Json],
        way: Way = _ORDINARY_WAY,
        manner: Manner = _ORDINARY_MANNER,
    ) -> list[Delivery]:
        """Start sending notifications; only the answers to the last one are lost on the deaf."""
        *first, last = payloads
        heard = replace(manner, deaf=False)
        deliveries = [self.books.write_delivery(order, payload, heard) for payload in first]
        deliveries.append(self.books.write_delivery(order, last, manner))
        # A burst is told again as one.
        order.newest_chain = list({delivery.body: delivery for delivery in deliveries}.values())
        self._courier.dispatch(order, deliveries, replace(way, speed=way.speed or self._speed))
        return deliveries

    def withhold(self, order: Order, payloads: Sequence[Json]) -> list[Delivery]:
        """Write down notifications that will not be sent, unless they are asked for again."""
        order.newest_chain = [self.books.withhold_delivery(order, payload) for payload in payloads]
        return order.newest_chain

    def _must_be_open(self, order: Order) -> None:
        status = order.status_at(self.books.clock())
        if status is not OrderStatus.NEW:
            raise NotNow(f"Order {order.id} is {status}, so it cannot be paid, declined or canceled.")


def _refundable(order: Order) -> Transaction:
    made = _paid(order)
    if order.is_refunded:
        raise NotNow(f"Order {order.id} is refunded already.")
    return made


def _paid(order: Order) -> Transaction:
    if order.payment is None:
        raise NotNow(f"Order {order.id} is not paid, so there is nothing to give back.")
    return order.payment
