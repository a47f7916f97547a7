"""The States of the sign-in, register and account pages. Signing in itself is an ordinary form post."""

import reflex as rx
from reflex.event import EventSpec

from store_app import routes
from store_app.db.threads import read
from store_app.orders.queries import list_orders
from store_app.web.accounts.view import OrderRow, order_row
from store_app.web.ui.session import SessionMixin, query_parameter

# The form routes name a problem by its code; the words are chosen here, so that no address can put other
# words on the page.
PROBLEMS = {
    "wrong-password": "The user name or password is not right.",
    "too-many-tries": "Too many tries. Try again in 5 minutes.",
    "name-taken": "That user name is taken. Choose another.",
    "username": "Enter a user name with 3 to 32 letters, digits, spaces or signs.",
    "password": "Enter a password with 8 to 128 characters that is not easy to guess.",
    "failed": "Sorry, that did not work. Try again in a minute.",
}


class FormState(SessionMixin, rx.State):
    """The sign-in and register forms: what to show in them after a refusal, and where to go afterwards."""

    problem: str = ""
    at_password: bool = False
    username: str = ""
    next: str = routes.STORE

    @rx.event
    async def load(self) -> EventSpec | None:
        """Read the address; somebody who is signed in already goes on."""
        self.next = routes.own_path(query_parameter(self, "next") or routes.STORE)
        if await self._current_user():
            return rx.redirect(self.next)
        code = query_parameter(self, "problem")
        self.problem, self.at_password = PROBLEMS.get(code, ""), code == "password"
        self.username = query_parameter(self, "name")[:32]
        return None


class AccountState(SessionMixin, rx.State):
    """The account page: who one is, and one's orders."""

    username: str = ""
    orders: list[OrderRow] = []
    loaded: bool = False

    @rx.event
    async def load(self) -> EventSpec | None:
        """Show the account, or lead through sign-in."""
        self._start_over()
        current_user = await self._current_user()
        if current_user is None:
            return self._to_sign_in()
        self.username = current_user.username
        self.orders = [order_row(order) for order in await read(list_orders, current_user.user_id)]
        self.loaded = True
        return None
