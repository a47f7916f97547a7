"""The States of the sign-in, register and account pages. The forms themselves are posted by the browser."""

import reflex as rx
from reflex.event import EventSpec

from store_app import routes
from store_app.accounts import passwords
from store_app.accounts.service import NAME_RULE
from store_app.db.threads import read
from store_app.errors import Busy, NameTaken, TooManyTries, WrongPassword
from store_app.orders.queries import list_orders
from store_app.web.orders.view import OrderRow, order_row
from store_app.web.ui.session import SessionMixin, query_parameter

# After a refusal, the address of the form contains its code, or the name of the wrong field. The sentence is
# looked up here, so that a link cannot put a text of its own on the page.
PROBLEMS = {
    WrongPassword.code: str(WrongPassword()),
    TooManyTries.code: "Too many tries. Try again in a few minutes.",
    Busy.code: Busy.sentence,
    NameTaken.code: str(NameTaken()),
    "username": NAME_RULE,
    "password": passwords.RULE,
}


class FormState(SessionMixin, rx.State):
    """The sign-in and register forms: the problem after a refusal, and the page to go to afterwards."""

    problem: str = ""
    at_password: bool = False
    username: str = ""
    next: str = routes.STORE

    @rx.event
    async def load(self) -> EventSpec | None:
        """Read the query string; redirect a user who is signed in already."""
        self.next = routes.own_path(query_parameter(self, "next") or routes.STORE)
        if await self._current_user():
            return rx.redirect(self.next)
        code = query_parameter(self, "problem")
        self.problem, self.at_password = PROBLEMS.get(code, ""), code == "password"
        self.username = query_parameter(self, "name")[:32]
        return None


class AccountState(SessionMixin, rx.State):
    """The account page: the user's orders."""

    orders: list[OrderRow] = []
    loaded: bool = False

    @rx.event
    async def load(self) -> EventSpec | None:
        """Show the account; redirect to the sign-in page if the user is not signed in."""
        self._reset()
        current_user = await self._current_user()
        if current_user is None:
            return self._to_sign_in()
        self.orders = [
            order_row(order, under_review=under_review)
            for order, under_review in await read(list_orders, current_user.user_id)
        ]
        self.loaded = True
        return None
