"""Raw clients on the event socket: whatever they say, they change and see only what is their own."""

import itertools
import secrets
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from store_app.accounts.service import token_hash
from tests.security.event_socket import CART, ITEM, LIBRARY, NAMESPACE, ORDER, SHELL, STATE, Tab
from tests.security.users import Person, database, pay, rows_of

pytestmark = pytest.mark.anyio
UPDATE_VARS = f"{STATE}.reflex___state____update_vars_internal_state.update_vars_internal"
PRIVATE = [f"{LIBRARY}._cursor", f"{ORDER}.order", f"{SHELL}.username", f"{STATE}.router_data", "_cursor"]
NAMES = ["_cursor", "username", "order", "is_hydrated", "__class__", "_current_user", "router_data", "loaded"]


class Victim:
    """A player with one paid order, one unpaid and something in the cart, of things that nobody else sees."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.paid, self.pending = person.buy("salt-caravan"), person.order("ironroot-siege")
        self._put_into_cart("harbor-of-echoes")
        self._withdraw("salt-caravan", "ironroot-siege", "harbor-of-echoes")
        self.before = rows_of(person)
        assert all(self.before.values()), "the victim must have something everywhere"

    def _put_into_cart(self, sku: str) -> None:
        line = "INSERT INTO cart_lines (user_id, item_id, quantity, added_at) "
        line += "SELECT ?, id, 1, ? FROM items WHERE sku = ?"
        with closing(database(self.person.shop)) as connection, connection:
            connection.execute(line, (self.person.user_id, "2026-01-01 00:00:00.000000", sku))

    def _withdraw(self, *skus: str) -> None:
        """Take them off the shelves, so that their names are the victim's secret."""
        with closing(database(self.person.shop)) as connection, connection:
            connection.executemany("UPDATE items SET status = 'withdrawn' WHERE sku = ?", [(sku,) for sku in skus])

    @property
    def secrets(self) -> list[str]:
        """Return what nobody else may be shown, and what the attacks do not say themselves."""
        numbers = [str(row[1]) for row in self.before["orders"]]
        items = ["Salt Caravan", "Ironroot Siege", "Harbor of Echoes"]
        return [self.person.name, token_hash(self.person.token), *numbers, *items]

    def check(self, *tabs: Tab) -> None:
        """Fail if anything of the victim changed, or if a tab was told anything of it."""
        assert rows_of(self.person) == self.before
        for tab in tabs:
            seen = [secret for secret in self.secrets if secret in tab.heard]
            assert not seen, f"{seen} was sent to a stranger"


@pytest.fixture
def victim(anna: Person) -> Iterator[Victim]:
    """Return a player worth attacking; what was withdrawn is on sale again afterwards."""
    yield Victim(anna)
    with closing(database(anna.shop)) as connection, connection:
        connection.execute("UPDATE items SET status = 'active'")


def _forged(victim: Victim) -> dict[str, Any]:
    cookie = f"session={victim.person.token}"
    return {
        "headers": {
            "cookie": cookie,
            "authorization": f"Bearer {victim.person.token}",
            "raw_headers": {"cookie": cookie},
        },
        "cookie": cookie,
        "client_token": victim.person.token,
        "token": victim.person.token,
        "session_id": victim.person.token,
        "sid": victim.person.token,
        "ip": "127.0.0.1",
        "client_ip": "127.0.0.1",
    }


def _arguments(names: list[str], victim: Victim) -> Iterator[dict[str, Any]]:
    """Yield payloads for a handler: none, and each of these for every argument, right type or not."""
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
        {"__class__": "Order", "user_id": victim.person.user_id, "q": {"$ne": 1}},
    ]
    yield {}
    for value in values if names else ():
        yield dict.fromkeys(names, value)
    yield {"self": victim.person.user_id, "user_id": victim.person.user_id, "order_id": victim.pending}


def _special(handler: str, victim: Victim) -> Iterator[dict[str, Any]]:
    """Yield payloads that try to write into a State from outside."""
    if handler.endswith(".setvar"):
        for name in NAMES:
            yield {"var_name": name, "value": victim.person.user_id}
    if handler.endswith("update_vars_internal"):
        for name in PRIVATE:
            yield {"vars": {name: victim.person.user_id}}
    if handler.endswith("hydrate_and_load"):
        yield {"vars": dict.fromkeys(PRIVATE, victim.person.user_id), "hashes": ["0" * 32]}


async def _attack(tab: Tab, inventory: dict[str, Any], victim: Victim) -> int:
    calls = 0
    paths = [f"/orders/{victim.pending}", f"/orders/{victim.paid}?status=done", "/library", "/cart"]
    forged = [{}, _forged(victim)]
    for handler, facts in inventory["handlers"].items():
        payloads = itertools.chain(_arguments(facts["arguments"], victim), _special(handler, victim))
        for number, payload in enumerate(payloads):
            path, router_data = paths[number % len(paths)], forged[number % len(forged)]
            await tab.call(handler, payload, path=path, router_data=router_data)
            calls += 1
        # Each handler also from the page where it would find the victim's order, with nothing else said.
        for path in paths:
            await tab.call(handler, path=path, router_data=_forged(victim))
            calls += 1
        await tab.settle()
    return calls


async def test_a_signed_out_client_gets_and_changes_nothing(inventory: dict[str, Any], victim: Victim) -> None:
    async with Tab(victim.person.shop.url) as tab:
        assert await _attack(tab, inventory, victim) > len(inventory["handlers"]) * 5
        victim.check(tab)


async def test_another_player_gets_and_changes_nothing(
    inventory: dict[str, Any], victim: Victim, mallory: Person
) -> None:
    async with Tab(mallory.shop.url, cookie=mallory.token) as tab:
        assert await _attack(tab, inventory, victim) > len(inventory["handlers"]) * 5
        victim.check(tab)
        # The client was heard all the time: what is its own did answer.
        assert mallory.name in tab.heard
    assert mallory.token not in mallory.shop.log()


async def test_a_player_cannot_read_cancel_pay_or_repeat_anothers_order(victim: Victim, mallory: Person) -> None:
    async with Tab(mallory.shop.url, cookie=mallory.token) as tab:
        for order_id in (victim.pending, victim.paid):
            for act in ("load", "check_now", "cancel", "pay", "start_again", "wait"):
                await tab.call(f"{ORDER}.{act}", path=f"/orders/{order_id}")
        await tab.settle()
        victim.check(tab)
    assert rows_of(mallory)["orders"] == []


async def test_the_owner_of_the_session_gets_all_of_it(victim: Victim) -> None:
    """What the attacks above must not get is there to be had: with the right cookie it comes at once."""
    anna = victim.person
    async with Tab(anna.shop.url, cookie=anna.token) as tab:
        await tab.call(f"{SHELL}.load")
        await tab.call(f"{LIBRARY}.load", path="/library")
        await tab.call(f"{CART}.load", path="/cart")
        await tab.call(f"{ORDER}.load", path=f"/orders/{victim.pending}")
        await tab.settle()
        for secret in (anna.name, "Salt Caravan", "Ironroot Siege", "Harbor of Echoes"):
            assert secret in tab.heard


async def test_a_guessed_token_names_nobodys_state(victim: Victim, mallory: Person) -> None:
    """`?token=` of a tab that is open, of one that has gone, and of everything else that could be guessed."""
    anna = victim.person
    async with Tab(anna.shop.url, cookie=anna.token) as open_tab, Tab(anna.shop.url, cookie=anna.token) as left:
        for tab in (open_tab, left):
            await tab.call(f"{LIBRARY}.load", path="/library")
            await tab.call(f"{ORDER}.load", path=f"/orders/{victim.pending}")
            await tab.settle()
            assert "Salt Caravan" in tab.heard
        guesses = {open_tab.token, left.token, *_tokens_in(open_tab), *_tokens_in(left)}
    async with Tab(anna.shop.url, cookie=anna.token) as still_open:
        await still_open.call(f"{LIBRARY}.load", path="/library")
        await still_open.settle()
        guesses |= {still_open.token, *_tokens_in(still_open)}
        guesses |= {anna.user_id, anna.token, token_hash(anna.token), victim.paid, victim.pending, "", "0", "1"}
        for guess in sorted(guesses):
            for cookie in ("", mallory.token):
                await _reads_nothing(victim, Tab(anna.shop.url, cookie=cookie, token=guess))
        assert not still_open.is_closed


def _tokens_in(tab: Tab) -> set[str]:
    """Return the token by which the server itself calls the tab, which Reflex tells the tab."""
    _before, found, rest = tab.heard.partition('"client_token": "')
    assert found
    return {rest.partition('"')[0]}


async def _reads_nothing(victim: Victim, tab: Tab) -> None:
    """Ask for everything a State may still hold, without loading anything anew."""
    async with tab:
        await tab.call(f"{STATE}.hydrate_and_load", {"vars": {}, "hashes": []}, path="/404")
        await tab.call(f"{STATE}.hydrate", path="/404")
        await tab.call(f"{LIBRARY}.load_more", path="/library")
        await tab.call(f"{ORDER}.check_now", path="/orders/none")
        await tab.settle()
        victim.check(tab)


async def test_a_guessed_token_gets_no_pushes_and_does_not_take_them_away(anna: Person, mallory: Person) -> None:
    order_id = anna.order("dragon-sword")
    async with Tab(anna.shop.url, cookie=anna.token) as tab:
        await tab.call(f"{LIBRARY}.load", path="/library")
        await tab.settle()
        async with (
            Tab(anna.shop.url, token=tab.token) as signed_out,
            Tab(anna.shop.url, token=_tokens_in(tab).pop(), cookie=mallory.token) as other,
        ):
            for stranger in (signed_out, other):
                await stranger.call(f"{LIBRARY}.load", path="/library")
                await stranger.settle()
            pay(anna.shop, order_id)
            await tab.until_heard("Dragon Sword was added to your library.")
            for stranger in (signed_out, other):
                await stranger.settle()
                assert "was added" not in stranger.heard
                assert order_id not in stranger.heard


async def test_signing_out_closes_the_open_sockets_of_that_session_only(anna: Person) -> None:
    order_id, other_token = anna.order("dragon-sword"), anna.sign_in()
    async with (
        Tab(anna.shop.url, cookie=anna.token) as one,
        Tab(anna.shop.url, cookie=anna.token) as two,
        Tab(anna.shop.url, cookie=other_token) as elsewhere,
    ):
        for tab in (one, two, elsewhere):
            await tab.call(f"{LIBRARY}.load", path="/library")
            await tab.settle()
        assert anna.ask("POST", "/auth/logout").status_code == 303
        for tab in (one, two):
            await tab.until_closed()
        pay(anna.shop, order_id)
        await elsewhere.until_heard("Dragon Sword was added to your library.")
        for tab in (one, two):
            assert "was added" not in tab.heard


@pytest.mark.parametrize("end", ["in the database", "by DELETE /api/sessions/current"])
async def test_a_socket_whose_session_has_ended_can_do_nothing_more(anna: Person, end: str) -> None:
    order_id = anna.order("dragon-sword")
    async with Tab(anna.shop.url, cookie=anna.token) as tab:
        await tab.call(f"{SHELL}.load")
        await tab.settle()
        if end == "in the database":
            _end_sessions_behind_the_stores_back(anna)
            heard = len(tab.frames)
            await _ask_for_everything(tab, order_id)
            # The address that was asked for comes back, and nothing of what is there.
            assert "Dragon Sword" not in "\n".join(tab.frames[heard:])
            pay(anna.shop, order_id)
        else:
            assert anna.ask("DELETE", "/api/sessions/current").status_code == 204
        await tab.until_closed()
        assert "was added" not in tab.heard
    async with Tab(anna.shop.url, cookie=anna.token) as again:
        await _ask_for_everything(again, order_id)
        assert anna.name not in again.heard
        assert "Dragon Sword" not in again.heard


def _end_sessions_behind_the_stores_back(person: Person) -> None:
    with closing(database(person.shop)) as connection, connection:
        connection.execute(
            "UPDATE sessions SET ended_at = created_at WHERE user_id = ? AND ended_at IS NULL", (person.user_id,)
        )


async def _ask_for_everything(tab: Tab, order_id: str) -> None:
    await tab.call(f"{LIBRARY}.load", path="/library")
    await tab.call(f"{ORDER}.check_now", path=f"/orders/{order_id}")
    await tab.call(f"{ORDER}.load", path=f"/orders/{order_id}/")
    await tab.call(f"{CART}.load", path="/cart")
    await tab.call(f"{ITEM}.add_to_cart", path="/item/dragon-sword")
    await tab.settle()


async def test_a_state_left_behind_is_not_found_again_by_its_token(anna: Person) -> None:
    """Reflex itself would hand a state to whoever names its token, for an hour after its owner left."""
    anna.buy("dragon-sword")
    async with Tab(anna.shop.url, cookie=anna.token, token=secrets.token_hex(16)) as tab:
        await tab.call(f"{LIBRARY}.load", path="/library")
        await tab.call(f"{SHELL}.load")
        await tab.settle()
        assert anna.name in tab.heard
    async with Tab(anna.shop.url, token=tab.token) as replay:
        await replay.call(f"{STATE}.hydrate_and_load", {"vars": {}, "hashes": []}, path="/404")
        await replay.settle()
        assert anna.name not in replay.heard
        assert "/orders/" not in replay.heard


async def test_other_namespaces_and_transports_are_closed(anna: Person) -> None:
    """The guard stands before websockets; the socket's other way in, long polling, is shut."""
    for path in ("/_event/", "/_event", "//_event/", "/_event/x"):
        answer = anna.ask("GET", f"{path}?EIO=4&transport=polling&token={anna.token}")
        assert "sid" not in answer.text, path
        assert answer.status_code >= 400 or "upgrades" not in answer.text, path
    assert NAMESPACE == "/_event"
