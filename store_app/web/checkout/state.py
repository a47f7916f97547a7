"""The State of the cart page."""

from collections.abc import Callable

import reflex as rx
from reflex.event import EventSpec

from store_app import routes
from store_app.checkout import cart, service
from store_app.db.threads import in_database_thread, read
from store_app.web.checkout.view import CartRow, cart_rows, cart_total
from store_app.web.ui.session import RefusalMixin, shows_refusals
from store_app.web.ui.shell import ShellState


class CartState(RefusalMixin, rx.State):
    """The cart page: a user's cart, read again after each change, or a guest cart, which only forms change."""

    rows: list[CartRow] = []
    # Of the lines that can be bought now; empty if there are none.
    total: str = ""
    loaded: bool = False
    # The name of the item that was removed last, which can be put back.
    removed: str = ""
    _removed_sku: str = ""
    _removed_quantity: int = 1

    async def _show(self, user_id: str) -> None:
        self._show_cart(await read(cart.read_cart, user_id))
        (await self.get_state(ShellState)).cart_count = len(self.rows)

    def _show_cart(self, found: cart.Cart) -> None:
        self.rows, self.total = cart_rows(found), cart_total(found)

    @rx.event
    async def load(self) -> None:
        """Show the cart."""
        self._reset()
        current_user = await self._current_user()
        if current_user:
            await self._show(current_user.user_id)
        else:
            self._show_cart(await read(cart.read_guest_cart, self._guest_cart()))
        self.loaded = True

    @rx.event
    async def remove(self, sku: str) -> EventSpec | None:
        """Remove an item from the cart."""
        row = next((row for row in self.rows if row.sku == sku), None)
        if row is not None:
            self.removed, self._removed_sku, self._removed_quantity = row.name, row.sku, row.quantity
        return await self._change(cart.remove, str(sku))

    @rx.event
    async def undo(self) -> EventSpec | None:
        """Put back the item that was removed last."""
        self.removed = ""
        return await self._change(cart.add, self._removed_sku, self._removed_quantity)

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
    async def _change(self, change: Callable[..., object], *arguments: object) -> None:
        current_user = await self._require_user()
        await in_database_thread(change, current_user.user_id, *arguments)
        await self._show(current_user.user_id)

    @rx.event
    @shows_refusals
    async def pay(self) -> EventSpec | None:
        """Place an order for the lines that can be bought now, and go to the payment page."""
        current_user = await self._require_user()
        wanted = (await read(cart.read_cart, current_user.user_id)).wanted
        paying = await service.buy(current_user, wanted, address=self._address())
        return rx.redirect(routes.to_pay(paying.order_id, paying.payment_url))
