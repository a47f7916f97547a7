"""The States of the store page and the item page."""

from urllib.parse import urlencode

import reflex as rx
from reflex.event import EventSpec
from sqlmodel import Session

from store_app import limits, routes
from store_app.accounts.service import CurrentUser
from store_app.addresses import address_group
from store_app.catalogue import queries
from store_app.catalogue.queries import PAGE_SIZE, ItemFilter, Sort, Storefront
from store_app.checkout import cart
from store_app.checkout import service as checkout
from store_app.db.outbox import Message
from store_app.db.threads import in_database_thread, read
from store_app.errors import Invalid, NotFound
from store_app.languages import gettext as _
from store_app.library.queries import owned_skus
from store_app.limits import Limit
from store_app.models import ItemKind
from store_app.orders.queries import find_open_order_with
from store_app.web.catalogue import storefront, view
from store_app.web.catalogue.view import CardView, ItemView, TagView
from store_app.web.live.refresh import refresh_on
from store_app.web.ui.session import RefusalMixin, query_parameter, shows_refusals
from store_app.web.ui.shell import ShellState

# The cards of a list, its cursor, what stands above it, and the SKUs of all these that the user owns.
_Shown = tuple[list[CardView], str, Storefront, set[str]]


# The most items that are loaded at once when a user comes back to a list.
_MAX_AT_ONCE = 20 * PAGE_SIZE


def _page_of_items(
    session: Session, wanted: ItemFilter, cursor: str, current_user: CurrentUser | None, limit: int = PAGE_SIZE
) -> tuple[list[CardView], str]:
    page = queries.list_items(session, wanted, limit, cursor)
    skus = [item.sku for item in page.rows]
    owned = owned_skus(session, current_user.user_id, skus) if current_user else set()
    return [view.card_view(item, owned) for item in page.rows], page.next_cursor


def _list_again(session: Session, user_id: str, wanted: ItemFilter, limit: int) -> _Shown:
    """Read the items that a list shows, and what stands above it."""
    page, front = queries.list_items(session, wanted, limit), queries.storefront(session)
    skus = [item.sku for item in (*page.rows, *front.items)]
    owned = owned_skus(session, user_id, skus) if user_id else set()
    return [view.card_view(item, owned) for item in page.rows], page.next_cursor, front, owned


def _as_many_as(shown: str) -> int:
    """Return how many items to load for a list that showed so many; any client can send anything."""
    number = int(shown) if shown.isascii() and shown.isdecimal() and len(shown) < 5 else 0
    return min(max(number, PAGE_SIZE), _MAX_AT_ONCE)


class BuyMixin(RefusalMixin, mixin=True):
    """Mixin for States of pages with a button that buys an item."""

    async def _buy(self, sku: str) -> EventSpec:
        """Place an order for an item, and go to the payment page; sign in first if need be."""
        if (current_user := await self._current_user()) is None:
            return rx.redirect(routes.login(routes.item(sku), buy=sku))
        paying = await checkout.buy(current_user, {sku: 1}, address=self._address())
        return rx.redirect(routes.to_pay(paying.order_id, paying.payment_url))


class ItemListState(BuyMixin, rx.State):
    """The list of items on the store page. Search, filter and sort come from the query string."""

    cards: list[CardView] = []
    # Above the list, unless it is narrowed: the featured item, and two shelves.
    is_narrowed: bool = False
    featured: CardView = CardView()
    newest: list[CardView] = []
    best_sellers: list[CardView] = []
    tags: list[TagView] = []
    q: str = ""
    tag: str = ""
    kind: str = ""
    sort: str = Sort.FEATURED
    has_more: bool = False
    loaded: bool = False
    _cursor: str = ""

    def _wanted(self) -> ItemFilter:
        kind = self.kind if self.kind in set(ItemKind) else ""
        sort = Sort(self.sort) if self.sort in set(Sort) else Sort.FEATURED
        return ItemFilter(q=self.q[:100], kind=kind, tag=self.tag[:30], sort=sort)

    @rx.event
    @shows_refusals
    async def load(self) -> None:
        """Show the items that the query string selects."""
        self.q, self.kind = query_parameter(self, "q"), query_parameter(self, "kind")
        self.tag = query_parameter(self, "tag")
        self.sort = query_parameter(self, "sort") or Sort.FEATURED
        # What was shown must not look like the answer to a search that is refused.
        self.cards, self.loaded = [], False
        await self._count_search()
        await self._show_first_items(_as_many_as(query_parameter(self, "shown")))

    async def _count_search(self) -> None:
        if self.q:
            await limits.count(Limit.SEARCHES, address_group(self._address()))

    async def _show_first_items(self, limit: int = PAGE_SIZE) -> None:
        current_user = await self._current_user()
        self._watch(self._wanted(), limit)
        self.cards, self._cursor = await read(_page_of_items, self._wanted(), "", current_user, limit)
        await self._show_storefront(current_user)
        self.has_more, self.loaded = bool(self._cursor), True

    async def _show_storefront(self, current_user: CurrentUser | None) -> None:
        front = await storefront.current()
        owned: set[str] = set()
        if current_user:
            owned = await read(owned_skus, current_user.user_id, [item.sku for item in front.items])
        self._set_storefront(front, owned)

    def _set_storefront(self, front: Storefront, owned: set[str]) -> None:
        self.is_narrowed = bool(self.q or self.tag or self.kind or self.sort != Sort.FEATURED)
        self.tags = view.tag_views(front, self.tag)
        if self.is_narrowed:
            return
        self.featured = view.card_view(front.featured, owned) if front.featured else CardView()
        self.newest = [view.card_view(item, owned) for item in front.newest]
        self.best_sellers = [view.card_view(item, owned) for item in front.best_sellers]

    @rx.event
    @shows_refusals
    async def load_more(self) -> None:
        """Append the next items."""
        if not self._cursor:
            return
        await self._count_search()
        current_user = await self._current_user()
        try:
            more, self._cursor = await read(_page_of_items, self._wanted(), self._cursor, current_user)
        except Invalid:
            # The cursor is from a release whose cursors had another form.
            await self._show_first_items()
            return
        self.cards, self.has_more = [*self.cards, *more], bool(self._cursor)
        self._watch(self._wanted(), len(self.cards))

    def _refresh(self, _message: Message, shown: _Shown) -> None:
        """Show the items as they are now, as many as before."""
        self.cards, self._cursor, front, owned = shown
        self.has_more = bool(self._cursor)
        self._set_storefront(front, owned)

    @rx.event
    async def sort_by(self, sort: str) -> EventSpec:
        """Go to the address of the same list, sorted another way, which loads the page again."""
        asked = {"q": self.q[:100], "tag": self.tag[:30], "kind": self.kind[:30], "sort": str(sort)[:30]}
        if asked["sort"] == Sort.FEATURED:
            del asked["sort"]
        query = urlencode({name: value for name, value in asked.items() if value})
        return rx.redirect(routes.localized(f"{routes.STORE}?{query}" if query else routes.STORE))

    @rx.event
    @shows_refusals
    async def buy_featured(self) -> EventSpec | None:
        """Place an order for the featured item, and go to the payment page."""
        return await self._buy(self.featured.sku)


refresh_on(ItemListState, _list_again)


# An item, related items, and the item's quantity in the user's cart; None for a visitor.
_ShownItem = tuple[ItemView, list[CardView], int | None]


def _item_for(session: Session, user_id: str, sku: str) -> _ShownItem:
    item = queries.find_item(session, sku)
    related = queries.list_related(session, item)
    skus = [sku, *(other.sku for other in related)]
    owned = owned_skus(session, user_id, skus) if user_id else set()
    open_order = ""
    if user_id and item.kind == ItemKind.NON_CONSUMABLE:
        open_order = find_open_order_with(session, user_id, item.id)
    in_cart = cart.quantity_of(session, user_id, sku) if user_id else None
    return view.item_view(item, owned, open_order), [view.card_view(other, owned) for other in related], in_cart


class ItemState(BuyMixin, rx.State):
    """The item page: one item, and what the current user can do with it."""

    item: ItemView = ItemView()
    related: list[CardView] = []
    # The item's quantity in the cart.
    in_cart: int = 0
    loaded: bool = False
    missing: bool = False

    @rx.event
    async def load(self) -> None:
        """Show the item with the SKU in the address."""
        self._reset()
        current_user, sku = await self._current_user(), self._last_part()
        # Before the item is read: a message that comes in between would be lost otherwise.
        self._watch(sku)
        try:
            self._show(await read(_item_for, current_user.user_id if current_user else "", sku))
            if current_user is None:
                self.in_cart = await self._in_guest_cart(sku)
        except NotFound:
            self._watch_nothing()
            self.missing = True
        self.loaded = True

    async def _in_guest_cart(self, sku: str) -> int:
        guest_cart = self._guest_cart()
        if sku not in guest_cart:
            return 0
        return (await read(cart.read_guest_cart, {sku: guest_cart[sku]})).wanted.get(sku, 0)

    def _refresh(self, _message: Message, shown: _ShownItem) -> None:
        self._show(shown)

    def _show(self, shown: _ShownItem) -> None:
        self.item, self.related, in_cart = shown
        if in_cart is not None:
            self.in_cart = in_cart

    @rx.event
    @shows_refusals
    async def buy(self) -> EventSpec | None:
        """Place an order for this item, and go to the payment page."""
        return await self._buy(self._last_part())

    @rx.event
    @shows_refusals
    async def add_to_cart(self) -> EventSpec | None:
        """Add this item to the cart."""
        current_user = await self._require_user()
        shell = await self.get_state(ShellState)
        shell.cart_count = await in_database_thread(cart.add, current_user.user_id, self._last_part())
        self.in_cart = await read(cart.quantity_of, current_user.user_id, self._last_part())
        notice = _("{name} was added to your cart.", name=self.item.name or _("It"))
        shell._show_notice(notice, _("View cart"), routes.localized(routes.CART), self.item.image)  # noqa: SLF001 - not an event
        return None

    @rx.event
    @shows_refusals
    async def one_more(self) -> None:
        """Increase the quantity of this consumable in the cart by one."""
        await self._set_quantity(self.in_cart + 1)

    @rx.event
    @shows_refusals
    async def one_fewer(self) -> None:
        """Decrease the quantity of this consumable in the cart by one."""
        await self._set_quantity(self.in_cart - 1)

    async def _set_quantity(self, quantity: int) -> None:
        current_user = await self._require_user()
        await in_database_thread(cart.set_quantity, current_user.user_id, self._last_part(), quantity)
        self.in_cart = quantity


refresh_on(ItemState, _item_for)
