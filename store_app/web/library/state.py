"""The State of the library page."""

import reflex as rx
from sqlmodel import Session

from store_app.db.outbox import Message
from store_app.db.pagination import Page
from store_app.db.threads import read
from store_app.library import queries
from store_app.web.checkout.payment_check import PaymentCheckMixin
from store_app.web.library.view import PurchaseView, purchase_view
from store_app.web.live.refresh import refresh_on


def _purchases(session: Session, user_id: str, cursor: str = "") -> Page[PurchaseView]:
    """Return a page of a user's purchases as view models, newest first."""
    page = queries.list_purchases(session, user_id, cursor=cursor)
    return Page([purchase_view(row) for row in page.rows], page.next_cursor)


class LibraryState(PaymentCheckMixin, rx.State):
    """The purchases of the signed-in user."""

    owned: list[PurchaseView] = []
    # What was refunded or charged back.
    gone: list[PurchaseView] = []
    # Keys of the rows that were added while this page was open.
    fresh: list[str] = []
    has_more: bool = False
    loaded: bool = False
    _rows: list[PurchaseView] = []
    _cursor: str = ""

    @rx.event
    async def load(self) -> None:
        """Show the newest purchases."""
        self._reset()
        current_user = await self._current_user()
        if current_user:
            # Before the purchases are read: a message that comes in between would be lost otherwise.
            self._watch()
            self._show(await read(_purchases, current_user.user_id))
            self.fresh = []
        self.loaded = True

    def _refresh(self, _message: Message, page: Page[PurchaseView]) -> None:
        self._show(page)

    def _show(self, page: Page[PurchaseView]) -> None:
        """Show the newest purchases, mark those that are new, and keep older ones that were loaded before."""
        known, newest = {row.key for row in self._rows}, {row.key for row in page.rows}
        self.fresh = [*self.fresh, *(key for key in newest if key not in known)]
        older = [row for row in self._rows if row.key not in newest] if page.next_cursor else []
        self._set_rows([*page.rows, *older])
        if not older:
            self._cursor, self.has_more = page.next_cursor, bool(page.next_cursor)

    def _set_rows(self, rows: list[PurchaseView]) -> None:
        self._rows = rows
        self.owned = [row for row in rows if not row.is_gone]
        self.gone = [row for row in rows if row.is_gone]

    @rx.event
    async def load_more(self) -> None:
        """Append older purchases."""
        current_user = await self._current_user()
        if current_user is None or not self._cursor:
            return
        page = await read(_purchases, current_user.user_id, self._cursor)
        self._set_rows([*self._rows, *page.rows])
        self._cursor, self.has_more = page.next_cursor, bool(page.next_cursor)


refresh_on(LibraryState, _purchases)
