"""What every State needs: the user of its connection, looked up again for each event."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any
from urllib.parse import unquote

import reflex as rx
from reflex.event import EventSpec

from store_app import routes
from store_app.accounts.service import CurrentUser, find_current_user
from store_app.db.threads import in_database_thread
from store_app.errors import InOpenOrder, NotSignedIn, Refusal
from store_app.web.http.cart_cookie import guest_cart_of_header
from store_app.web.http.session_cookie import token_of_cookies
from store_app.web.live import tabs


class SessionMixin(rx.State, mixin=True):
    """Mixin for States. All methods begin with an underscore, because any client can call the others."""

    async def _current_user(self) -> CurrentUser | None:
        """Return the user of the session whose cookie was in the handshake of this connection, if it is open."""
        return await in_database_thread(find_current_user, token_of_cookies(self._cookies()))

    def _guest_cart(self) -> dict[str, int]:
        """Return the guest cart whose cookie was in the handshake of this connection."""
        return guest_cart_of_header(self._cookies())

    def _cookies(self) -> str:
        return self.router.headers.raw_headers.get("cookie", "")

    async def _require_user(self) -> CurrentUser:
        """Return the signed-in user.

        Raises:
            NotSignedIn: there is none.
        """
        current_user = await self._current_user()
        if current_user is None:
            raise NotSignedIn
        return current_user

    def _address(self) -> str:
        """Return the network address of this connection; empty if it has ended."""
        tab = tabs.find(self.router.session.client_token)
        return tab.address if tab else ""

    def _reset(self) -> None:
        """Reset all vars: the tab may have shown another item or order on the same page before."""
        self.reset()  # type: ignore[no-untyped-call]  # a method of Reflex

    def _watch(self, *key: Any) -> None:
        """Have messages refresh this State while the tab shows this page; see `live.refresh.refresh_on`."""
        if tab := tabs.find(self.router.session.client_token):
            tab.watching[type(self)] = key

    def _watch_nothing(self) -> None:
        """Have messages refresh no State of this page."""
        if tab := tabs.find(self.router.session.client_token):
            tab.watching.clear()

    def _to_sign_in(self) -> EventSpec:
        """Redirect to the sign-in page, which leads back to this page."""
        url = self.router.url
        return rx.redirect(routes.login(f"{url.path}?{url.query}" if url.query else url.path))

    def _last_part(self) -> str:
        """Return the last segment of the page's address, such as the SKU of `/item/[sku]`."""
        return unquote(self.router.url.path.rstrip("/").rpartition("/")[2])


class RefusalMixin(SessionMixin, mixin=True):
    """Mixin for States whose events can be refused: the page shows the sentence of the refusal."""

    problem: str = ""
    # The address of the open order that caused the refusal, if one did.
    open_order: str = ""

    def _show_refusal(self, refusal: Refusal) -> EventSpec | None:
        """Show why an event was refused; redirect to the sign-in page if the user is not signed in."""
        if isinstance(refusal, NotSignedIn):
            return self._to_sign_in()
        self.problem = str(refusal)
        self.open_order = routes.order(refusal.order_id) if isinstance(refusal, InOpenOrder) else ""
        return None


_Method = Callable[..., Coroutine[Any, Any, EventSpec | None]]


def shows_refusals(method: _Method) -> _Method:
    """Have a method of a `RefusalMixin` State show the refusal that it raises, in place of an earlier one."""

    @wraps(method)
    async def show(self: RefusalMixin, *arguments: Any) -> EventSpec | None:
        self.problem = self.open_order = ""
        try:
            return await method(self, *arguments)
        except Refusal as refusal:
            return self._show_refusal(refusal)

    return show


def query_parameter(state: rx.State, name: str) -> str:
    """Return a parameter of the page's query string, or an empty string."""
    return state.router.url.query_parameters.get(name, "")
