"""The State of the cart page."""

from collections.abc import Callable

import reflex as rx
from reflex.event import EventSpec
from sqlmodel import Session

from store_app.checkout import cart, service
from store_app.db.threads import in_database_thread, read
from store_app.library.queries import owned_skus
from store_app.web.checkout.view import CartRow, cart_rows, cart_total
from store_app.web.ui.session import RefusalMixin, shows_refusals
from store_app.web.ui.shell import ShellState


def _rows_and_total(session: Session, user_id: str) -> tuple[list[CartRow], str]:
    found = cart.read_cart(session, user_id)
    owned = owned_skus(session, user_id, list(found.wanted))
    return cart_rows(found, owned), cart_total(found)


class CartState(RefusalMixin, rx.State):
    """The user's cart, read again after each change."""

    rows: list[CartRow] = []
    total: str = ""
    loaded: bool = False

    async def _show(self, user_id: str) -> None:
        self.rows, self.total = await read(_rows_and_total, user_id)
        (await self.get_state(ShellState)).cart_count = len(self.rows)

    @rx.event
    async def load(self) -> None:
        """Show the cart."""
        self._reset()
        current_user = await self._current_user()
        if current_user:
            await self._show(current_user.user_id)
        self.loaded = True

    @rx.event
    async def remove(self, sku: str) -> EventSpec | None:
        """Remove an item from the cart."""
        return await self._change(cart.remove, str(sku))

    @rx.event
    async def one_more(self, sku: str) -> EventSpec | None:
        """Increase the quantity of a consumable by one."""
        return await self._step(str(sku), 1)

    @rx.event
    async def one_fewer(self, sku: str) -> EventSpec | None:
        """Decrease the quantity of a consumable by one."""
        return await self._step(str(sku), -1)

    async def _step(self, sku: str, by: int) -> EventSpec | None:
        # Computed here: a second click before the page is updated would send the same number again.
        quantity = next((row.quantity for row in self.rows if row.sku == sku), 0)
        return await self._change(cart.set_quantity, sku, quantity + by)

    @shows_refusals
    async def _change(self, change: Callable[..., None], *arguments: object) -> None:
        current_user = await self._require_user()
        await in_database_thread(change, current_user.user_id, *arguments)
        await self._show(current_user.user_id)

    @rx.event
    @shows_refusals
    async def pay(self) -> EventSpec | None:
        """Place an order for the items in the cart, and go to the payment page."""
        current_user = await self._require_user()
        wanted = (await read(cart.read_cart, current_user.user_id)).wanted
        paying = await service.buy(current_user, wanted, address=self._address())
        return rx.redirect(paying.payment_url)
