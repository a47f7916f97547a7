"""Showing a message in an open tab: the States that show it are changed out of band."""

from dataclasses import dataclass
from functools import partial

import reflex as rx

from store_app.accounts.service import session_is_open
from store_app.checkout import cart
from store_app.db.outbox import Message
from store_app.db.pagination import Page
from store_app.db.threads import in_database_thread
from store_app.db.unit_of_work import read_session
from store_app.orders.queries import OrderDetails, find_order
from store_app.web.library.state import LibraryState, read_page
from store_app.web.library.view import PurchaseView
from store_app.web.live import tabs
from store_app.web.live.tabs import Tab
from store_app.web.orders.state import OrderState
from store_app.web.ui.shell import ShellState


@dataclass(frozen=True, slots=True)
class Seen:
    """What a tab shows, as the database has it now."""

    cart_count: int
    library: Page[PurchaseView] | None = None
    order: OrderDetails | None = None


def start(app: rx.App) -> None:
    """Show messages in the tabs of this app from now on."""
    tabs.push_with(partial(_push, app))


def _look(user_id: str, session_hash: str, watching: str) -> Seen | None:
    """Read what the tab shows, in one transaction; None when its session has ended."""
    with read_session() as session:
        if not session_is_open(session, session_hash):
            return None
        count = cart.count(session, user_id)
        if watching == "library":
            return Seen(count, library=read_page(session, user_id))
        if watching.startswith("order:"):
            return Seen(count, order=find_order(session, user_id, watching.removeprefix("order:")))
        return Seen(count)


async def _push(app: rx.App, tab: Tab, message: Message) -> None:
    """Show a message, and what it changed on the page that the tab shows."""
    seen = await in_database_thread(_look, tab.user_id, tab.session_hash, tab.watching)
    if seen is None:
        await tab.close()
        return
    async with app.modify_state(rx.BaseStateToken(ident=tab.token, cls=ShellState)) as root:
        (await root.get_state(ShellState))._show_message(message, seen.cart_count)
        if seen.library:
            (await root.get_state(LibraryState))._renew(seen.library)
        if seen.order:
            (await root.get_state(OrderState))._show(seen.order)
