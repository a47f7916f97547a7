"""Refreshing open tabs: after a message, the States that a tab shows are read in one transaction, and updated."""

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import pytest
import reflex as rx
from reflex.istate.data import RouterData
from sqlalchemy import event

from store_app.accounts.service import CurrentUser, open_session, sign_out, token_hash
from store_app.db.outbox import Message
from store_app.db.threads import read
from store_app.web.library.state import LibraryState
from store_app.web.live.refresh import refresh
from store_app.web.live.tabs import Tab
from store_app.web.orders.state import OrderState
from store_app.web.ui.shell import ShellState
from tests.integration.shop import Shop

TOKEN = "token-of-the-tab"


@dataclass
class Pages:
    """The States of one tab, in the place of Reflex's app that keeps them."""

    states: dict[type[rx.State], Any] = field(default_factory=dict)
    modified: int = 0

    @asynccontextmanager
    async def modify_state(self, token: rx.BaseStateToken) -> AsyncIterator[Self]:
        assert token.ident == TOKEN
        self.modified += 1
        yield self

    async def get_state(self, state: type[rx.State]) -> Any:
        return self.states.setdefault(state, state(_reflex_internal_init=True))  # type: ignore[call-arg]


@dataclass
class OpenTab:
    """An open tab of a user who has a purchase; `closed` is not empty once the store has closed it."""

    tab: Tab
    pages: Pages
    closed: list[bool]
    order_id: str
    session_token: str

    def send(self) -> None:
        """Send the user a message."""
        payload = {
            "event": "purchase_success",
            "order_id": self.order_id,
            "items": [{"name": "Map", "sku": "map"}],
        }
        asyncio.run(self.tab.send(Message(1, self.tab.user_id, payload)))

    def state(self, state: type[Any]) -> Any:
        """Return one of the tab's States."""
        return self.pages.states[state]


@pytest.fixture
def opened(shop: Shop) -> Iterator[OpenTab]:
    user = shop.user()
    order = shop.paid_order(user, shop.item())
    session_token = open_session(user.user_id).token
    pages, closed = Pages(), []

    def disconnect() -> None:
        closed.append(True)

    async def show(tab: Tab, message: Message) -> None:
        await refresh(pages, tab, message)  # type: ignore[arg-type]

    tab = Tab(TOKEN, CurrentUser(user.user_id, user.username, token_hash(session_token)), "", disconnect, show)
    tab.register()
    yield OpenTab(tab, pages, closed, order.id, session_token)
    tab.unregister()


@contextmanager
def _reading(shop: Shop) -> Iterator[list[str]]:
    """Yield a list to which each transaction and each query of the database is added."""
    seen: list[str] = []

    def queried(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("SELECT"):
            seen.append("query")

    def begun(_connection: Any) -> None:
        seen.append("transaction")

    event.listen(shop.engine, "before_cursor_execute", queried)
    event.listen(shop.engine, "begin", begun)
    yield seen
    event.remove(shop.engine, "before_cursor_execute", queried)
    event.remove(shop.engine, "begin", begun)


def test_a_message_changes_the_header_and_what_the_page_watches(opened: OpenTab) -> None:
    opened.tab.watching[LibraryState] = ()
    opened.send()
    assert "Map was added" in opened.state(ShellState).notice
    assert len(opened.state(LibraryState).owned) == 1
    assert opened.pages.modified == 1
    assert set(opened.pages.states) == {ShellState, LibraryState}
    assert not opened.closed


def test_the_order_page_shows_the_order_that_it_watches(opened: OpenTab) -> None:
    opened.tab.watching[OrderState] = (opened.order_id,)
    opened.send()
    assert opened.state(OrderState).order.status == "paid"


def test_a_page_that_was_left_is_not_refreshed(opened: OpenTab) -> None:
    opened.tab.watching[LibraryState] = ()
    opened.tab.watching.clear()
    opened.send()
    assert set(opened.pages.states) == {ShellState}


def test_all_is_read_in_one_database_transaction(opened: OpenTab, shop: Shop) -> None:
    opened.tab.watching[LibraryState] = ()
    with _reading(shop) as seen:
        opened.send()
    # The session, the header's count and the purchases.
    assert seen == ["transaction", "query", "query", "query"]


def test_a_tab_of_an_ended_session_is_closed_and_shows_nothing_new(opened: OpenTab) -> None:
    opened.tab.watching[LibraryState] = ()
    assert opened.tab.current_user is not None
    sign_out(opened.tab.current_user)
    opened.send()
    assert opened.closed
    assert not opened.pages.states


@pytest.mark.parametrize("state_class", [LibraryState, OrderState])
@pytest.mark.parametrize("exists", [True, False])
def test_a_page_is_watched_before_it_is_read(
    opened: OpenTab, state_class: type[rx.State], exists: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a message between the two would be lost: it is neither in what is read, nor does it refresh."""
    module = importlib.import_module(state_class.__module__)
    watched: list[bool] = []

    async def read_and_note(query: Callable[..., Any], *arguments: Any) -> Any:
        watched.append(state_class in opened.tab.watching)
        return await read(query, *arguments)

    monkeypatch.setattr(module, "read", read_and_note)
    asyncio.run(_load(opened, state_class, opened.order_id if exists else "no-such-order"))
    assert watched == [True]
    assert (state_class in opened.tab.watching) is (exists or state_class is LibraryState)


async def _load(opened: OpenTab, state_class: Any, order_id: str) -> None:
    state = await opened.pages.get_state(state_class)
    headers = {"cookie": f"session={opened.session_token}", "origin": "http://localhost"}
    path = f"/orders/{order_id}"
    state.router = RouterData.from_router_data(
        {"token": TOKEN, "headers": headers, "pathname": path, "asPath": path}
    )
    await state_class.load.fn(state)
