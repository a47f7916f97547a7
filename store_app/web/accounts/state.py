"""The States of the sign-in, register and account pages. The forms themselves are posted by the browser."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import reflex as rx
from reflex.event import EventSpec

from store_app import money, routes
from store_app.accounts import passwords
from store_app.accounts.service import list_sessions, name_rule
from store_app.catalogue.queries import find_item
from store_app.db.threads import read
from store_app.errors import Busy, NameTaken, NotFound, TooManyTries, WrongPassword
from store_app.languages import gettext as _
from store_app.orders.queries import list_orders
from store_app.web.orders.view import OrderRow, moment, order_row
from store_app.web.ui.session import SessionMixin, query_parameter

# After a refusal, the address of the form contains its code, or the name of the wrong field. The sentence is
# looked up here, so that a link cannot put a text of its own on the page.
_FIELD_CODES = {"username", "password", NameTaken.code}
_MAX_PROBLEMS = 3
_SENTENCES = {refusal.code: refusal.sentence for refusal in (WrongPassword, NameTaken, Busy)}


def sentence_of(code: str) -> str:
    """Return the sentence for the code of a refusal or the name of a field; empty for other texts."""
    match code:
        case TooManyTries.code:
            return _("Too many tries. Try again in a few minutes.")
        case "username":
            return name_rule()
        case "password":
            return passwords.rule()
    return _(_SENTENCES.get(code, ""))


@dataclass
class FormProblem:
    """What is wrong with a form, and the field where the user can correct it; `at_field`: of that field alone."""

    field: str = ""
    sentence: str = ""
    at_field: bool = False


def problems_of(codes: str) -> list[FormProblem]:
    """Return what is wrong, by the codes of refusals and names of fields in the address, separated by commas."""
    named = [code for code in dict.fromkeys(codes.split(",")[:_MAX_PROBLEMS]) if sentence_of(code)]
    return [
        FormProblem("password" if code == "password" else "username", sentence_of(code), code in _FIELD_CODES)
        for code in named
    ]


class FormState(SessionMixin, rx.State):
    """The sign-in and register forms: what is wrong after a refusal, and the page to go to afterwards."""

    problems: list[FormProblem] = []
    # What is wrong with each field; empty if nothing is.
    name_problem: str = ""
    password_problem: str = ""
    username: str = ""
    # Empty until it is known.
    next: str = ""
    # The SKU of an item that the user was about to buy, and what the page says of it.
    buy: str = ""
    item: str = ""
    # What the link between the two forms hands on.
    query: str = ""

    @rx.event
    async def load(self) -> EventSpec | None:
        """Read the query string; redirect a user who is signed in already."""
        # In the language of the form, which the user may have changed meanwhile.
        self.next = routes.own_path_here(query_parameter(self, "next"))
        if await self._current_user():
            return rx.redirect(self.next)
        self.problems = problems_of(query_parameter(self, "problem"))
        at_fields = {problem.field: problem.sentence for problem in self.problems if problem.at_field}
        self.name_problem = at_fields.get("username", "")
        self.password_problem = at_fields.get("password", "")
        self.username = query_parameter(self, "name")[:32]
        self.buy = query_parameter(self, "buy")[:64]
        self.item = await self._item_in_words(self.buy)
        self.query = urlsplit(routes.login(self.next, buy=self.buy)).query
        return None

    async def _item_in_words(self, sku: str) -> str:
        if not sku:
            return ""
        try:
            item = await read(find_item, sku)
        except NotFound:
            return ""
        return _("Next: {name}, {price}", name=item.name, price=money.display(item.price, item.currency))


@dataclass
class SessionView:
    """A session on the account page; `is_current` is that of this browser."""

    opened: str = ""
    is_current: bool = False


class AccountState(SessionMixin, rx.State):
    """The account page: the user's open sessions and orders."""

    sessions: list[SessionView] = []
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
            order_row(order, payability) for order, payability in await read(list_orders, current_user.user_id)
        ]
        self.sessions = [
            SessionView(moment(one.created_at), one.token_hash == current_user.session_hash)
            for one in await read(list_sessions, current_user.user_id)
        ]
        self.loaded = True
        return None
