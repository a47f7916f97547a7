"""The States of the sign-in, register and account pages. Signing in itself is an ordinary form post."""

import reflex as rx
from reflex.event import EventSpec

from store_app import routes
from store_app.accounts import passwords
from store_app.accounts.service import NAME_RULE, SIGN_IN_WINDOW
from store_app.db.threads import read
from store_app.errors import NameTaken, TooManyTries, WrongPassword
from store_app.orders.queries import list_orders
from store_app.web.accounts.view import OrderRow, order_row
from store_app.web.ui.session import SessionMixin, query_parameter

# After a refusal the address of the form names it by its code, or by the field that is wrong. The sentence is
# looked up here, so that no link can put a text of its own on the page.
PROBLEMS = {
    WrongPassword.code: str(WrongPassword()),
    TooManyTries.code: str(TooManyTries(int(SIGN_IN_WINDOW.total_seconds()))),
    NameTaken.code: str(NameTaken()),
    "username": NAME_RULE,
    "password": passwords.RULE,
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
