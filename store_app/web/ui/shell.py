"""The State of what every page shows: the signed-in user, the number of items in the cart, and a notice."""

from typing import Any
from urllib.parse import urlencode

import reflex as rx
import regex
from reflex.event import EventSpec

from store_app import languages, routes
from store_app.accounts.service import CurrentUser
from store_app.checkout import cart
from store_app.db.outbox import Message
from store_app.db.threads import read
from store_app.languages import gettext as _
from store_app.payments.registry import default_provider
from store_app.routes import cover_address
from store_app.settings import get_settings
from store_app.web.live.refresh import refresh_on
from store_app.web.ui.session import SessionMixin, query_parameter
from store_app.web.ui.words import notice_of


def first_letter(name: str) -> str:
    """Return what a reader sees as the first character of a name, as a capital."""
    return "".join(regex.findall(r"^\X", name)).upper()


class ShellState(SessionMixin, rx.State):
    """The header and the notice of every page."""

    username: str = ""
    # The first letter of the name, for the link to the account.
    initial: str = ""
    # Not part of the built pages, which are the same whichever provider the store uses.
    provider_name: str = ""
    cart_count: int = 0
    # What is searched for, on the store page.
    q: str = ""
    # The offered languages; the setting may name fewer than the pages were built in.
    languages: list[str] = list(languages.known())  # noqa: RUF012 - Reflex copies the default for each state
    notice: str = ""
    notice_label: str = ""
    notice_href: str = ""
    # The cover of what the notice is about; empty if it is about no item.
    notice_image: str = ""
    # Counts the notices: each is shown for some seconds.
    notice_number: int = 0
    # SKUs of items bought while this tab was open.
    arrived: list[str] = []  # noqa: RUF012 - Reflex copies the default for each state

    @rx.event
    async def load(self) -> None:
        """Show the signed-in user and the number of items in the cart."""
        current_user = await self._current_user()
        self._watch_nothing()
        self.q = query_parameter(self, "q") if routes.split(self.router.url.path)[1] == routes.STORE else ""
        self.languages = list(get_settings().offered_languages)
        self.provider_name = default_provider().display_name
        self.username = current_user.username if current_user else ""
        self.initial = first_letter(self.username)
        self.cart_count = await self._count_cart(current_user)

    async def _count_cart(self, current_user: CurrentUser | None) -> int:
        if current_user:
            return await read(cart.count, current_user.user_id)
        guest_cart = self._guest_cart()
        return len((await read(cart.read_guest_cart, guest_cart)).lines) if guest_cart else 0

    @rx.event
    async def search(self, form: dict[str, Any]) -> EventSpec:
        """Go to the address of a search, which loads the store page."""
        wanted = str(form.get("q") or "").strip()[:100]
        return rx.redirect(
            routes.localized(f"{routes.STORE}?{urlencode({'q': wanted})}" if wanted else routes.STORE)
        )

    @rx.event
    async def dismiss_notice(self) -> None:
        """Remove the notice."""
        self.notice = ""

    def _show_notice(self, notice: str, label: str, href: str, image: str = "") -> None:
        """Show a notice with a link."""
        self.notice, self.notice_label, self.notice_href, self.notice_image = notice, label, href, image
        self.notice_number += 1

    def _refresh(self, message: Message, cart_count: int) -> None:
        """Show a notice of what happened to an order of this user."""
        event, items = message.payload["event"], message.payload.get("items", ())
        # A guest cart changes by a form only, which loads the page again.
        if self.username:
            self.cart_count = cart_count
        if notice := notice_of(event, [item["name"] for item in items]):
            image = cover_address(items[0]["sku"]) if items else ""
            self._show_notice(notice, _("View order"), routes.order(message.payload["order_id"]), image)
        if event == "purchase_success":
            self.arrived = [*self.arrived, *(item["sku"] for item in items)]


refresh_on(ShellState, cart.count, in_every_tab=True)
