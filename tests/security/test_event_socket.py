"""Attacks by raw clients on the event socket: whatever they send, they see and change only their own data."""

import itertools
import secrets
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from store_app.accounts.service import token_hash
from tests.security.event_socket import CART, ITEM, LIBRARY, NAMESPACE, ORDER, SHELL, STATE, Tab
from tests.security.users import SignedInUser, database, pay, rows_of

pytestmark = pytest.mark.anyio
UPDATE_VARS = f"{STATE}.reflex___state____update_vars_internal_state.update_vars_internal"
PRIVATE_VARS = [f"{LIBRARY}._cursor", f"{ORDER}.order", f"{SHELL}.username", f"{STATE}.router_data", "_cursor"]
VAR_NAMES = ["_cursor", "username", "order", "is_hydrated", "__class__", "_current_user", "router_data", "loaded"]


class Victim:
    """A user with a paid order, an unpaid one and a cart, with items that nobody else can see."""

    def __init__(self, user: SignedInUser) -> None:
        self.user = user
        self.paid, self.pending = user.buy("salt-caravan"), user.order("ironroot-siege")
        self._put_into_cart("harbor-of-echoes")
        self._withdraw("salt-caravan", "ironroot-siege", "harbor-of-echoes")
        self.before = rows_of(user)
        assert all(self.before.values()), "the victim must have rows in every table"

    def _put_into_cart(self, sku: str) -> None:
        line = "INSERT INTO cart_lines (user_id, item_id, quantity, added_at) "
        line += "SELECT ?, id, 1, ? FROM items WHERE sku = ?"
        with closing(database(self.user.store)) as connection, connection:
            connection.execute(line, (self.user.user_id, "2026-01-01 00:00:00.000000", sku))

    def _withdraw(self, *skus: str) -> None:
        """Withdraw items, so that only the victim can see their names."""
        with closing(database(self.user.store)) as connection, connection:
            connection.executemany("UPDATE items SET status = 'withdrawn' WHERE sku = ?", [(sku,) for sku in skus])

    @property
    def secrets(self) -> list[str]:
        """Return what nobody else may receive, without what the attacks send themselves."""
        numbers = [str(row[1]) for row in self.before["orders"]]
        items = ["Salt Caravan", "Ironroot Siege", "Harbor of Echoes"]
        return [self.user.name, token_hash(self.user.token), *numbers, *items]

    def check(self, *tabs: Tab) -> None:
        """Fail if anything of the victim changed, or if a tab received any of it."""
        assert rows_of(self.user) == self.before
        for tab in tabs:
            leaked = [secret for secret in self.secrets if secret in tab.received]
            assert not leaked, f"{leaked} was sent to another client"


@pytest.fixture
def victim(anna: SignedInUser) -> Iterator[Victim]:
    """Return a user to attack; put the withdrawn items on sale again afterwards."""
    yield Victim(anna)
    with closing(database(anna.store)) as connection, connection:
        connection.execute("UPDATE items SET status = 'active'")


def _forged_router_data(victim: Victim) -> dict[str, Any]:
    cookie = f"session={victim.user.token}"
    return {
        "headers": {
            "cookie": cookie,
            "authorization": f"Bearer {victim.user.token}",
            "raw_headers": {"cookie": cookie},
        },
        "cookie": cookie,
        "client_token": victim.user.token,
        "token": victim.user.token,
        "session_id": victim.user.token,
        "sid": victim.user.token,
        "ip": "127.0.0.1",
        "client_ip": "127.0.0.1",
    }


def _payloads(names: list[str], victim: Victim) -> Iterator[dict[str, Any]]:
    """Yield payloads for a handler: an empty one, and each value for every argument, of the right type or not."""
    values: list[Any] = [
        victim.pending,
        "dragon-sword",
        "' OR '1'='1",
        "x" * 5_000,
        -1,
        10**30,
        1e308,
        None,
        True,
        [[["deep"]] * 3],
        {"__class__": "Order", "user_id": victim.user.user_id, "q": {"$ne": 1}},
    ]
    yield {}
    for value in values if names else ():
        yield dict.fromkeys(names, value)
    yield {"self": victim.user.user_id, "user_id": victim.user.user_id, "order_id": victim.pending}


def _set_var_payloads(handler: str, victim: Victim) -> Iterator[dict[str, Any]]:
    """Yield payloads that try to set vars of a State."""
    if handler.endswith(".setvar"):
        for name in VAR_NAMES:
            yield {"var_name": name, "value": victim.user.user_id}
    if handler.endswith("update_vars_internal"):
        for name in PRIVATE_VARS:
            yield {"vars": {name: victim.user.user_id}}
    if handler.endswith("hydrate_and_load"):
        yield {"vars": dict.fromkeys(PRIVATE_VARS, victim.user.user_id), "hashes": ["0" * 32]}


async def _attack(url: str, cookie: str, inventory: dict[str, Any], victim: Victim) -> tuple[int, str]:
    """Call every handler with all payloads; return how many calls that were, and what was received."""
    calls, received = 0, ""
    paths = [f"/orders/{victim.pending}", f"/orders/{victim.paid}?status=done", "/library", "/cart"]
    router_data_choices = [{}, _forged_router_data(victim)]
    for handler, facts in inventory["handlers"].items():
        payloads = itertools.chain(_payloads(facts["arguments"], victim), _set_var_payloads(handler, victim))
        # A connection each: the server ends those that send too much.
        async with Tab(url, cookie=cookie) as tab:
            for number, payload in enumerate(payloads):
                path = paths[number % len(paths)]
                router_data = router_data_choices[number % len(router_data_choices)]
                await tab.call(handler, payload, path=path, router_data=router_data)
                calls += 1
            # Each handler is also called from every path, where it could find the victim's order by itself.
            for path in paths:
                await tab.call(handler, path=path, router_data=_forged_router_data(victim))
                calls += 1
            await tab.settle()
            victim.check(tab)
            received += tab.received
    return calls, received


async def test_a_signed_out_client_receives_and_changes_nothing_of_a_user(
    inventory: dict[str, Any], victim: Victim
) -> None:
    calls, _ = await _attack(victim.user.store.url, "", inventory, victim)
    assert calls > len(inventory["handlers"]) * 5


async def test_another_user_receives_and_changes_nothing_of_a_user(
    inventory: dict[str, Any], victim: Victim, mallory: SignedInUser
) -> None:
    calls, received = await _attack(mallory.store.url, mallory.token, inventory, victim)
    assert calls > len(inventory["handlers"]) * 5
    # The server did handle the calls: the attacker received their own data.
    assert mallory.name in received
    assert mallory.token not in mallory.store.log()


async def test_a_user_cannot_read_cancel_pay_or_repeat_the_order_of_another_one(
    victim: Victim, mallory: SignedInUser
) -> None:
    async with Tab(mallory.store.url, cookie=mallory.token) as tab:
        for order_id in (victim.pending, victim.paid):
            for handler in ("load", "check_now", "cancel", "pay", "start_again", "wait"):
                await tab.call(f"{ORDER}.{handler}", path=f"/orders/{order_id}")
        await tab.settle()
        victim.check(tab)
    assert rows_of(mallory)["orders"] == []


async def test_the_victims_own_client_receives_all_the_secrets(victim: Victim) -> None:
    """Otherwise the attacks above could fail because the secrets are never sent to anyone."""
    anna = victim.user
    async with Tab(anna.store.url, cookie=anna.token) as tab:
        await tab.call(f"{SHELL}.load")
        await tab.call(f"{LIBRARY}.load", path="/library")
        await tab.call(f"{CART}.load", path="/cart")
        await tab.call(f"{ORDER}.load", path=f"/orders/{victim.pending}")
        await tab.settle()
        for secret in (anna.name, "Salt Caravan", "Ironroot Siege", "Harbor of Echoes"):
            assert secret in tab.received


async def test_a_guessed_client_token_does_not_reach_the_state_of_another_client(
    victim: Victim, mallory: SignedInUser
) -> None:
    """Guesses are the `?token=` of an open tab, that of a closed one, and other values an attacker may know."""
    anna = victim.user
    async with Tab(anna.store.url, cookie=anna.token) as open_tab, Tab(anna.store.url, cookie=anna.token) as left:
        for tab in (open_tab, left):
            await tab.call(f"{LIBRARY}.load", path="/library")
            await tab.call(f"{ORDER}.load", path=f"/orders/{victim.pending}")
            await tab.settle()
            assert "Salt Caravan" in tab.received
        guesses = {open_tab.token, left.token, *_tokens_in(open_tab), *_tokens_in(left)}
    async with Tab(anna.store.url, cookie=anna.token) as still_open:
        await still_open.call(f"{LIBRARY}.load", path="/library")
        await still_open.settle()
        guesses |= {still_open.token, *_tokens_in(still_open)}
        guesses |= {anna.user_id, anna.token, token_hash(anna.token), victim.paid, victim.pending, "", "0", "1"}
        for guess in sorted(guesses):
            for cookie in ("", mallory.token):
                await _check_reads_nothing(victim, Tab(anna.store.url, cookie=cookie, token=guess))
        assert not still_open.is_closed


def _tokens_in(tab: Tab) -> set[str]:
    """Return the token that the server itself uses for the tab, and that Reflex sends to it."""
    _before, found, rest = tab.received.partition('"client_token": "')
    assert found
    return {rest.partition('"')[0]}


async def _check_reads_nothing(victim: Victim, tab: Tab) -> None:
    """Request everything that a State may still hold, without loading it again."""
    async with tab:
        await tab.call(f"{STATE}.hydrate_and_load", {"vars": {}, "hashes": []}, path="/404")
        await tab.call(f"{STATE}.hydrate", path="/404")
        await tab.call(f"{LIBRARY}.load_more", path="/library")
        await tab.call(f"{ORDER}.check_now", path="/orders/none")
        await tab.settle()
        victim.check(tab)


async def test_a_guessed_client_token_neither_receives_nor_intercepts_pushes(
    anna: SignedInUser, mallory: SignedInUser
) -> None:
    order_id = anna.order("dragon-sword")
    async with Tab(anna.store.url, cookie=anna.token) as tab:
        await tab.call(f"{LIBRARY}.load", path="/library")
        await tab.settle()
        async with (
            Tab(anna.store.url, token=tab.token) as signed_out,
            Tab(anna.store.url, token=_tokens_in(tab).pop(), cookie=mallory.token) as other,
        ):
            for attacker in (signed_out, other):
                await attacker.call(f"{LIBRARY}.load", path="/library")
                await attacker.settle()
            pay(anna.store, order_id)
            await tab.wait_for_text("Dragon Sword was added to your library.")
            for attacker in (signed_out, other):
                await attacker.settle()
                assert "was added" not in attacker.received
                assert order_id not in attacker.received


async def test_signing_out_closes_the_open_tabs_of_that_session_only(anna: SignedInUser) -> None:
    order_id, other_token = anna.order("dragon-sword"), anna.sign_in()
    async with (
        Tab(anna.store.url, cookie=anna.token) as one,
        Tab(anna.store.url, cookie=anna.token) as two,
        Tab(anna.store.url, cookie=other_token) as elsewhere,
    ):
        for tab in (one, two, elsewhere):
            await tab.call(f"{LIBRARY}.load", path="/library")
            await tab.settle()
        assert anna.request("POST", "/auth/logout").status_code == 303
        for tab in (one, two):
            await tab.wait_until_closed()
        pay(anna.store, order_id)
        await elsewhere.wait_for_text("Dragon Sword was added to your library.")
        for tab in (one, two):
            assert "was added" not in tab.received


@pytest.mark.parametrize("end", ["in the database", "by DELETE /api/sessions/current"])
async def test_a_tab_whose_session_has_ended_can_do_nothing_more(anna: SignedInUser, end: str) -> None:
    order_id = anna.order("dragon-sword")
    async with Tab(anna.store.url, cookie=anna.token) as tab:
        await tab.call(f"{SHELL}.load")
        await tab.settle()
        if end == "in the database":
            _end_sessions_in_the_database(anna)
            frames_before = len(tab.frames)
            await _request_everything(tab, order_id)
            # The server sends the requested address back, but no data.
            assert "Dragon Sword" not in "\n".join(tab.frames[frames_before:])
            pay(anna.store, order_id)
        else:
            assert anna.request("DELETE", "/api/sessions/current").status_code == 204
        await tab.wait_until_closed()
        assert "was added" not in tab.received
    async with Tab(anna.store.url, cookie=anna.token) as again:
        await _request_everything(again, order_id)
        assert anna.name not in again.received
        assert "Dragon Sword" not in again.received


def _end_sessions_in_the_database(user: SignedInUser) -> None:
    with closing(database(user.store)) as connection, connection:
        connection.execute(
            "UPDATE sessions SET ended_at = created_at WHERE user_id = ? AND ended_at IS NULL", (user.user_id,)
        )


async def _request_everything(tab: Tab, order_id: str) -> None:
    await tab.call(f"{LIBRARY}.load", path="/library")
    await tab.call(f"{ORDER}.check_now", path=f"/orders/{order_id}")
    await tab.call(f"{ORDER}.load", path=f"/orders/{order_id}/")
    await tab.call(f"{CART}.load", path="/cart")
    await tab.call(f"{ITEM}.add_to_cart", path="/item/dragon-sword")
    await tab.settle()


async def test_a_state_whose_tab_has_gone_cannot_be_reached_by_its_client_token(anna: SignedInUser) -> None:
    """Reflex alone would give a State to any client that sends its token, for an hour after its tab has gone."""
    anna.buy("dragon-sword")
    async with Tab(anna.store.url, cookie=anna.token, token=secrets.token_hex(16)) as tab:
        await tab.call(f"{LIBRARY}.load", path="/library")
        await tab.call(f"{SHELL}.load")
        await tab.settle()
        assert anna.name in tab.received
    async with Tab(anna.store.url, token=tab.token) as replay:
        await replay.call(f"{STATE}.hydrate_and_load", {"vars": {}, "hashes": []}, path="/404")
        await replay.settle()
        assert anna.name not in replay.received
        assert "/orders/" not in replay.received


async def test_the_event_socket_has_no_other_transport_or_path(anna: SignedInUser) -> None:
    """The guard protects websockets only, so long polling, the other transport of socket.io, must be off."""
    for path in ("/_event/", "/_event", "//_event/", "/_event/x"):
        response = anna.request("GET", f"{path}?EIO=4&transport=polling&token={anna.token}")
        assert "sid" not in response.text, path
        assert response.status_code >= 400 or "upgrades" not in response.text, path
    assert NAMESPACE == "/_event"
