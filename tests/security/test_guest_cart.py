"""Hostile cart cookies: they break nothing, show nothing that is not on sale, and change nothing of anybody."""

from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from tests.security.event_socket import CART, SHELL, Tab
from tests.security.users import PASSWORD, SignedInUser, database, rows_of
from tests.support.store import StoreProcess

FORMS = {"/cart/add": {}, "/cart/remove": {}, "/cart/quantity": {"quantity": "2"}}
HOSTILE = [
    "x" * 3_900,
    "a:1&" * 900,
    "&".join(f"no-such-item-{number}:1" for number in range(60)),
    "health-potion:1e9",
    "health-potion:99999999999999999999",
    "health-potion:-1",
    "health-potion:%00",
    "%00:1&%ff%fe:1&%0d%0aSet-Cookie%3A%20session=x:1",
    "%27%20OR%201=1--:1&%25:1&_:1",
    "%3Cscript%3Ealert(1)%3C%2Fscript%3E:1",
    "..%2F..%2Fetc%2Fpasswd:1",
    '"dragon-sword:1\\"',
    "{}[]()$where:1",
    ":::::&&&&&====",
]


@pytest.fixture
def withdrawn(store: StoreProcess) -> Iterator[str]:
    """Return the SKU of an item that is no longer sold, which only its owners may see."""
    sku = "harbor-of-echoes"
    with closing(database(store)) as connection, connection:
        connection.execute("UPDATE items SET status = 'withdrawn' WHERE sku = ?", (sku,))
    yield sku
    with closing(database(store)) as connection, connection:
        connection.execute("UPDATE items SET status = 'active' WHERE sku = ?", (sku,))


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value)[:24])
def test_forms_take_no_harm(store: StoreProcess, value: str) -> None:
    for path, more in FORMS.items():
        answer = httpx.post(
            store.url + path, data={"sku": "health-potion", **more}, headers={"Cookie": f"cart={value}"}
        )
        assert answer.status_code in {303, 422}, path
        kept = answer.headers.get("set-cookie", "")
        assert kept.startswith("cart=") == (answer.status_code == 303), path
        assert "session" not in kept
        assert "<" not in kept
        assert len(answer.headers.get_list("set-cookie")) <= 1
    added = httpx.post(f"{store.url}/cart/add", data={"sku": "health-potion"}, headers={"Cookie": f"cart={value}"})
    assert "health-potion:1" in added.headers["set-cookie"]


@pytest.mark.anyio
@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value)[:24])
async def test_pages_take_no_harm(store: StoreProcess, value: str) -> None:
    async with Tab(store.url, cart=value) as tab:
        await tab.call(f"{SHELL}.load", path="/cart")
        await tab.call(f"{CART}.load", path="/cart")
        await tab.settle()
        assert "script" not in tab.received
        assert "passwd" not in tab.received
        shown = [frame for frame in tab.frames if '"rows_rx_state_"' in frame]
        assert all('"rows_rx_state_": []' in frame for frame in shown)


@pytest.mark.anyio
async def test_a_guest_cart_shows_only_what_is_on_sale(store: StoreProcess, withdrawn: str) -> None:
    async with Tab(store.url, cart=f"{withdrawn}:1&dragon-sword:1") as tab:
        await tab.call(f"{SHELL}.load", path="/cart")
        await tab.call(f"{CART}.load", path="/cart")
        await tab.wait_for_text("Dragon Sword")
        await tab.settle()
        assert "Harbor of Echoes" not in tab.received
        assert '"cart_count_rx_state_": 1' in tab.received
        # The cookie is HttpOnly so that scripts cannot read it; therefore no frame may carry it.
        assert "dragon-sword:1" not in tab.received


@pytest.mark.anyio
async def test_the_cart_of_a_user_is_not_that_of_the_cookie(anna: SignedInUser) -> None:
    before = rows_of(anna)
    async with Tab(anna.store.url, cookie=anna.token, cart="dragon-sword:1") as tab:
        await tab.call(f"{SHELL}.load", path="/cart")
        await tab.call(f"{CART}.load", path="/cart")
        await tab.settle()
        assert "Dragon Sword" not in tab.received
    assert rows_of(anna) == before


@pytest.mark.anyio
async def test_events_do_not_change_a_guest_cart_and_lead_to_sign_in(store: StoreProcess) -> None:
    for handler in ("remove", "one_more", "one_fewer", "pay", "undo"):
        async with Tab(store.url, cart="health-potion:2") as tab:
            await tab.call(f"{CART}.load", path="/cart")
            await tab.wait_for_text("Health Potion")
            arguments = {} if handler in {"pay", "undo"} else {"sku": "health-potion"}
            await tab.call(f"{CART}.{handler}", arguments, path="/cart")
            await tab.wait_for_text("/login?next=%2Fcart")


@pytest.mark.parametrize("elsewhere", ["//evil.example", "https://evil.example/", "/\\evil.example"])
def test_a_form_of_the_cart_never_leads_to_another_site(store: StoreProcess, elsewhere: str) -> None:
    form = {"sku": "health-potion", "quantity": "2", "next": elsewhere}
    answer = httpx.post(f"{store.url}/cart/quantity", data=form, headers={"Cookie": "cart=health-potion:1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_signing_in_merges_only_what_the_user_may_buy(anna: SignedInUser, withdrawn: str) -> None:
    anna.buy("dragon-sword")
    hostile = f"dragon-sword:1&{withdrawn}:1&%00:1&health-potion:101&magic-shield:2&wizard-hat:1"
    form = {"username": anna.name, "password": PASSWORD}
    answer = httpx.post(f"{anna.store.url}/auth/login", data=form, headers={"Cookie": f"cart={hostile}"})
    assert answer.status_code == 303
    assert any(header.startswith('cart=""') for header in answer.headers.get_list("set-cookie"))
    with closing(database(anna.store)) as connection:
        query = "SELECT sku, quantity FROM cart_lines JOIN items ON items.id = item_id WHERE user_id = ?"
        assert connection.execute(query, (anna.user_id,)).fetchall() == [("wizard-hat", 1)]


def test_a_failed_sign_in_keeps_the_guest_cart(anna: SignedInUser) -> None:
    form = {"username": anna.name, "password": "not my password"}
    headers = {"Cookie": "cart=wizard-hat:1"}
    answer = httpx.post(f"{anna.store.url}/auth/login", data=form, headers=headers)
    assert "problem=" in answer.headers["location"]
    assert "set-cookie" not in answer.headers
    assert rows_of(anna)["cart_lines"] == []


def test_over_https_no_other_host_of_the_domain_can_fill_a_cart() -> None:
    with StoreProcess(env={"PUBLIC_URL": "https://shop.example"}) as store:
        form, foreign = {"sku": "wizard-hat"}, {"Cookie": "cart=dragon-sword:1"}
        added = httpx.post(f"{store.url}/cart/add", data=form, headers=foreign).headers["set-cookie"]
        assert added.startswith("__Host-cart=wizard-hat:1; HttpOnly;")
        assert added.endswith("; Path=/; SameSite=lax; Secure")
        own = {"Cookie": added.partition(";")[0]}
        registered = httpx.post(
            f"{store.url}/auth/register", data={"username": "kira", "password": PASSWORD}, headers=own
        )
        cleared = registered.headers.get_list("set-cookie")[1]
        assert cleared.startswith('__Host-cart="";')
        assert cleared.endswith("; Secure")
