"""The States of the store page and the item page."""

from typing import Any
from urllib.parse import urlencode

import reflex as rx
from reflex.event import EventSpec
from sqlmodel import Session

from store_app import routes
from store_app.accounts.service import CurrentUser
from store_app.catalogue import queries
from store_app.catalogue.queries import ItemFilter, Sort
from store_app.checkout import cart
from store_app.checkout import service as checkout
from store_app.db.threads import in_database_thread, read
from store_app.errors import NotFound, Refusal
from store_app.library.queries import owned_skus
from store_app.models import ItemKind
from store_app.orders.queries import open_orders_with
from store_app.web.catalogue import view
from store_app.web.catalogue.view import CardView, ItemView
from store_app.web.ui.session import RefusalMixin, SessionMixin, query_parameter
from store_app.web.ui.shell import ShellState


def _shelf(
    session: Session, wanted: ItemFilter, cursor: str, current_user: CurrentUser | None
) -> tuple[list[CardView], str]:
    page = queries.list_items(session, wanted, cursor=cursor)
    skus = [item.sku for item in page.rows]
    owned = owned_skus(session, current_user.user_id, skus) if current_user else set()
    return [view.card_view(item, owned) for item in page.rows], page.next_cursor


class ShelfState(SessionMixin, rx.State):
    """The store page: items, search, filter and sort, all from the address."""

    cards: list[CardView] = []
    q: str = ""
    kind: str = ""
    sort: str = Sort.FEATURED
    has_more: bool = False
    loaded: bool = False
    _cursor: str = ""

    def _wanted(self) -> ItemFilter:
        kind = self.kind if self.kind in set(ItemKind) else ""
        sort = Sort(self.sort) if self.sort in set(Sort) else Sort.FEATURED
        return ItemFilter(q=self.q[:100], kind=kind, sort=sort)

    @rx.event
    async def load(self) -> None:
        """Show what the address asks for."""
        self.q, self.kind = query_parameter(self, "q"), query_parameter(self, "kind")
        self.sort = query_parameter(self, "sort") or Sort.FEATURED
        self.cards, self._cursor = await read(_shelf, self._wanted(), "", await self._current_user())
        self.has_more, self.loaded = bool(self._cursor), True

    @rx.event
    async def load_more(self) -> None:
        """Show the next items below."""
        if not self._cursor:
            return
        current_user = await self._current_user()
        more, self._cursor = await read(_shelf, self._wanted(), self._cursor, current_user)
        self.cards, self.has_more = [*self.cards, *more], bool(self._cursor)

    @rx.event
    async def search(self, form: dict[str, Any]) -> EventSpec:
        """Go to the address of a search; the page then loads it."""
        asked = {name: str(form.get(name) or "").strip()[:100] for name in ("q", "kind", "sort")}
        if asked["sort"] == Sort.FEATURED:
            del asked["sort"]
        query = urlencode({name: value for name, value in asked.items() if value})
        return rx.redirect(f"{routes.STORE}?{query}" if query else routes.STORE)


def _item_for(session: Session, sku: str, current_user: CurrentUser | None) -> tuple[ItemView, bool, str]:
    item = queries.find_item(session, sku)
    if current_user is None or item.kind == ItemKind.CONSUMABLE:
        return view.item_view(item), False, ""
    owned = bool(owned_skus(session, current_user.user_id, [sku]))
    waiting = open_orders_with(session, current_user.user_id, [item.id])
    return view.item_view(item), owned, routes.order(waiting[0].id) if waiting else ""


class ItemState(RefusalMixin, rx.State):
    """The item page: one item, and what this current user can do with it."""

    item: ItemView = ItemView()
    owned: bool = False
    in_cart: bool = False
    loaded: bool = False
    missing: bool = False

    @rx.event
    async def load(self) -> None:
        """Show the item that the address names."""
        self._start_over()
        try:
            found = await read(_item_for, self._last_part(), await self._current_user())
        except NotFound:
            self.missing = True
        else:
            self.item, self.owned, self.open_order = found
        self.loaded = True

    @rx.event
    async def buy(self) -> EventSpec | None:
        """Order this item and go to the payment page."""
        self.problem = ""
        try:
            paying = await checkout.buy(await self._require_user(), {self._last_part(): 1})
        except Refusal as refusal:
            return self._show_refusal(refusal)
        return rx.redirect(paying.payment_url)

    @rx.event
    async def add_to_cart(self) -> EventSpec | None:
        """Put this item into the cart."""
        self.problem = ""
        try:
            current_user = await self._require_user()
            count = await in_database_thread(cart.add, current_user.user_id, self._last_part())
        except Refusal as refusal:
            return self._show_refusal(refusal)
        self.in_cart = True
        (await self.get_state(ShellState)).cart_count = count
        return None
