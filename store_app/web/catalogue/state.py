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
from store_app.errors import Invalid, NotFound
from store_app.library.queries import owned_skus
from store_app.models import ItemKind
from store_app.orders.queries import find_open_order_with
from store_app.web.catalogue import view
from store_app.web.catalogue.view import CardView, ItemView
from store_app.web.ui.session import RefusalMixin, SessionMixin, query_parameter, shows_refusals
from store_app.web.ui.shell import ShellState


def _page_of_items(
    session: Session, wanted: ItemFilter, cursor: str, current_user: CurrentUser | None
) -> tuple[list[CardView], str]:
    page = queries.list_items(session, wanted, cursor=cursor)
    skus = [item.sku for item in page.rows]
    owned = owned_skus(session, current_user.user_id, skus) if current_user else set()
    return [view.card_view(item, owned) for item in page.rows], page.next_cursor


class ItemListState(SessionMixin, rx.State):
    """The list of items on the store page. Search, filter and sort come from the query string."""

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
        """Show the items that the query string selects."""
        self.q, self.kind = query_parameter(self, "q"), query_parameter(self, "kind")
        self.sort = query_parameter(self, "sort") or Sort.FEATURED
        await self._show_first_page()

    async def _show_first_page(self) -> None:
        self.cards, self._cursor = await read(_page_of_items, self._wanted(), "", await self._current_user())
        self.has_more, self.loaded = bool(self._cursor), True

    @rx.event
    async def load_more(self) -> None:
        """Append the next items."""
        if not self._cursor:
            return
        current_user = await self._current_user()
        try:
            more, self._cursor = await read(_page_of_items, self._wanted(), self._cursor, current_user)
        except Invalid:
            # The cursor is from a release whose cursors had another form.
            await self._show_first_page()
            return
        self.cards, self.has_more = [*self.cards, *more], bool(self._cursor)

    @rx.event
    async def search(self, form: dict[str, Any]) -> EventSpec:
        """Go to the address of a search, which loads the page again."""
        asked = {name: str(form.get(name) or "").strip()[:100] for name in ("q", "kind", "sort")}
        if asked["sort"] == Sort.FEATURED:
            del asked["sort"]
        query = urlencode({name: value for name, value in asked.items() if value})
        return rx.redirect(f"{routes.STORE}?{query}" if query else routes.STORE)


def _item_for(session: Session, sku: str, current_user: CurrentUser | None) -> ItemView:
    item = queries.find_item(session, sku)
    if current_user is None or item.kind == ItemKind.CONSUMABLE:
        return view.item_view(item)
    owned = owned_skus(session, current_user.user_id, [sku])
    return view.item_view(item, owned, find_open_order_with(session, current_user.user_id, item.id))


class ItemState(RefusalMixin, rx.State):
    """The item page: one item, and what the current user can do with it."""

    item: ItemView = ItemView()
    in_cart: bool = False
    loaded: bool = False
    missing: bool = False

    @rx.event
    async def load(self) -> None:
        """Show the item with the SKU in the address."""
        self._reset()
        try:
            self.item = await read(_item_for, self._last_part(), await self._current_user())
        except NotFound:
            self.missing = True
        self.loaded = True

    @rx.event
    @shows_refusals
    async def buy(self) -> EventSpec | None:
        """Place an order for this item, and go to the payment page."""
        paying = await checkout.buy(await self._require_user(), {self._last_part(): 1}, address=self._address())
        return rx.redirect(paying.payment_url)

    @rx.event
    @shows_refusals
    async def add_to_cart(self) -> None:
        """Add this item to the cart."""
        current_user = await self._require_user()
        shell = await self.get_state(ShellState)
        shell.cart_count = await in_database_thread(cart.add, current_user.user_id, self._last_part())
        self.in_cart = True
