"""The State of what every page shows: the signed-in user, the number of items in the cart, and a notice."""

import reflex as rx

from store_app.checkout import cart
from store_app.db.outbox import Message
from store_app.db.threads import read
from store_app.payments.registry import default_provider
from store_app.web.live.refresh import refresh_on
from store_app.web.ui.session import SessionMixin
from store_app.web.ui.words import NOTICES


def _items_in_words(message: Message) -> str:
    names = [item["name"] for item in message.payload["items"]]
    if len(names) > 2:
        return f"{names[0]} and {len(names) - 1} more were"
    return f"{' and '.join(names)} {'were' if len(names) > 1 else 'was'}"


class ShellState(SessionMixin, rx.State):
    """The header and the notice of every page."""

    username: str = ""
    # Not part of the built pages, which are the same whichever provider the store uses.
    provider_name: str = ""
    cart_count: int = 0
    notice: str = ""
    notice_href: str = ""
    # SKUs of items bought while this tab was open.
    arrived: list[str] = []  # noqa: RUF012 - Reflex copies the default for each state

    @rx.event
    async def load(self) -> None:
        """Show the signed-in user and the number of items in the cart."""
        current_user = await self._current_user()
        self._watch_nothing()
        self.provider_name = default_provider().display_name
        self.username = current_user.username if current_user else ""
        self.cart_count = await read(cart.count, current_user.user_id) if current_user else 0

    @rx.event
    async def dismiss_notice(self) -> None:
        """Remove the notice."""
        self.notice = ""

    def _refresh(self, message: Message, cart_count: int) -> None:
        """Show a notice of what happened to an order of this user."""
        event = message.payload["event"]
        self.cart_count = cart_count
        if event in NOTICES:
            self.notice = NOTICES[event].format(items=_items_in_words(message))
            self.notice_href = f"/orders/{message.payload['order_id']}"
        if event == "purchase_success":
            self.arrived = [*self.arrived, *(item["sku"] for item in message.payload["items"])]


refresh_on(ShellState, cart.count, in_every_tab=True)
