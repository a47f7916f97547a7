"""The State of the order page, which follows the status of the order."""

import asyncio
from contextlib import suppress

import reflex as rx
from reflex.event import EventSpec

from store_app import routes
from store_app.checkout import service as checkout
from store_app.db.outbox import Message
from store_app.db.threads import in_database_thread, read
from store_app.errors import NotFound
from store_app.orders import service
from store_app.orders.queries import OrderDetails, find_order
from store_app.payments.registry import default_provider
from store_app.settings import get_settings
from store_app.web.checkout.payment_check import PaymentCheckMixin
from store_app.web.live import tabs
from store_app.web.live.refresh import refresh_on
from store_app.web.orders.view import OrderView, order_view
from store_app.web.ui.session import query_parameter, shows_refusals

# Fallback polling: a page that waits for a payment reads the order after each of these pauses, for ten minutes.
# Messages are faster, but a message can be lost.
POLL_AFTER_SECONDS = [2] * 5 + [5] * 10 + [15] * 36
# After so many seconds the page says that it takes long, and very long.
LONG_AFTER_SECONDS, VERY_LONG_AFTER_SECONDS = 12, 60


def _phase(waited: int) -> str:
    if waited < LONG_AFTER_SECONDS:
        return "checking"
    return "long" if waited < VERY_LONG_AFTER_SECONDS else "very_long"


class OrderState(PaymentCheckMixin, rx.State):
    """One order of the signed-in user."""

    order: OrderView = OrderView()
    loaded: bool = False
    missing: bool = False
    # Empty until the user returns from the payment page; then "checking", "long" and "very_long".
    phase: str = ""
    _buyer: str = ""

    @rx.event
    @shows_refusals
    async def load(self) -> EventSpec | None:
        """Show the order with the id in the address. The query string of the return address only chooses words."""
        self._reset()
        current_user = await self._require_user()
        order_id = self._last_part()
        # Before the order is read: a message that comes in between would be lost otherwise.
        self._watch(order_id)
        try:
            self._buyer = current_user.username
            self._show(await read(find_order, current_user.user_id, order_id))
        except NotFound:
            self._watch_nothing()
            self.missing = self.loaded = True
            return None
        if query_parameter(self, "status") and self.order.can_pay:
            self.phase = "checking"
        return None if self.order.settled else OrderState.wait

    def _refresh(self, _message: Message, details: OrderDetails) -> None:
        self._show(details)

    def _show(self, details: OrderDetails) -> None:
        provider, seller = default_provider().display_name, get_settings().seller
        self.order, self.loaded = order_view(details, provider, self._buyer, seller), True
        # The user need not wait either when the payment was declined, or when staff look at the order.
        if not self.order.can_pay:
            self.phase = ""

    @rx.event(background=True)
    async def wait(self) -> None:
        """Poll the order until it is settled or the tab shows another page."""
        token = self.router.session.client_token
        with tabs.polling(token) as allowed:
            waited = 0
            for pause in POLL_AFTER_SECONDS if allowed else ():
                await asyncio.sleep(pause)
                waited += pause
                if not tabs.find(token) or not await self._still_waiting(waited):
                    return

    async def _still_waiting(self, waited: int) -> bool:
        """Read the order once; return whether to continue."""
        async with self:
            if self.order.order_id != self._last_part() or self.order.settled:
                return False
            await self._read_again()
            if self.phase and not self.order.settled:
                self.phase = _phase(waited)
            return True

    async def _read_again(self) -> None:
        # A client can call the event with any address. When the page loads, it says that there is no order.
        with suppress(NotFound):
            if current_user := await self._current_user():
                details = await read(find_order, current_user.user_id, self._last_part())
                if details.order.status != self.order.status:
                    self._show(details)

    @rx.event
    async def check_now(self) -> None:
        """Read the order now."""
        await self._read_again()

    @rx.event
    @shows_refusals
    async def cancel(self) -> None:
        """Cancel the order."""
        current_user = await self._require_user()
        self._show(await in_database_thread(service.cancel, current_user.user_id, self._last_part()))

    @rx.event
    @shows_refusals
    async def pay(self) -> EventSpec | None:
        """Go to the payment page; after a declined payment this is a new attempt of the same order."""
        paying = await checkout.open_payment_page(
            await self._require_user(), self._last_part(), address=self._address()
        )
        return rx.redirect(routes.to_pay(paying.order_id, paying.payment_url))

    @rx.event
    @shows_refusals
    async def start_again(self) -> EventSpec | None:
        """Place a new order for the same items, and go to the payment page."""
        current_user = await self._require_user()
        details = await read(find_order, current_user.user_id, self._last_part())
        paying = await checkout.buy(current_user, details.wanted, address=self._address())
        return rx.redirect(routes.to_pay(paying.order_id, paying.payment_url))


refresh_on(OrderState, find_order)
