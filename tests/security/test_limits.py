"""Limits hold against tries at the same moment, and do not harm others."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from tests.security.event_socket import LIBRARY, SHELF, Tab
from tests.security.users import SignedInUser
from tests.support.redis import redis_server
from tests.support.store import StoreProcess

pytestmark = pytest.mark.anyio
PASSWORD = "a long one, please"
LIMITS = {
    "LIMIT_SIGN_INS_PER_NAME": "10/day",
    "LIMIT_SIGN_INS_PER_ADDRESS": "100/day",
    "LIMIT_REGISTRATIONS": "30/hour",
    "LIMIT_ORDERS": "30/hour",
    "LIMIT_PAYMENT_CHECKS": "1/hour",
    "LIMIT_SEARCHES": "20/hour",
    "LIMIT_SOCKETS": "120/minute",
    "MAX_OPEN_ORDERS": "20",
    "TRUSTED_PROXIES": "127.0.0.1",
}


@pytest.fixture(scope="module", params=["memory", "redis"])
def limited(request: pytest.FixtureRequest) -> Iterator[StoreProcess]:
    """Return a store whose limits count in memory or, for several workers, in Redis."""
    if request.param == "memory":
        with StoreProcess(env=LIMITS, simulator=True) as store:
            yield store
    else:
        with redis_server() as redis, StoreProcess(env=LIMITS, simulator=True, redis_url=redis.url) as store:
            yield store


async def _post(
    client: httpx.AsyncClient, path: str, body: object, address: str, token: str = ""
) -> httpx.Response:
    headers = {"X-Forwarded-For": address} | ({"Authorization": f"Bearer {token}"} if token else {})
    return await client.post(path, json=body, headers=headers)


async def _register(client: httpx.AsyncClient, address: str) -> tuple[str, httpx.Response]:
    name = f"p-{uuid4().hex[:12]}"
    return name, await _post(client, "/api/users", {"username": name, "password": PASSWORD}, address)


def _client(store: StoreProcess) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=store.url, timeout=30, limits=httpx.Limits(max_connections=300))


async def test_parallel_wrong_passwords_do_not_get_round_the_limit(limited: StoreProcess) -> None:
    async with _client(limited) as client:
        name, created = await _register(client, "198.51.100.1")
        assert created.status_code == 201
        wrong = {"username": name, "password": "not the password"}
        tries = [asyncio.create_task(_post(client, "/api/sessions", wrong, "198.51.100.2")) for _ in range(200)]
        right = {"username": name, "password": PASSWORD}
        begin = time.perf_counter()
        elsewhere = await _post(client, "/api/sessions", right, "198.51.100.3")
        took = time.perf_counter() - begin
        answers = await asyncio.gather(*tries)
    found = Counter(answer.status_code for answer in answers)
    assert found == {401: 10, 429: 190}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers if answer.status_code == 429)
    assert elsewhere.status_code == 201
    assert took < 5


async def test_an_address_cannot_register_without_end(limited: StoreProcess) -> None:
    async with _client(limited) as client:
        name, _ = await _register(client, "198.51.100.4")
        tries = [asyncio.create_task(_register(client, "2001:db8:1:2::1")) for _ in range(100)]
        signed_in = await _post(client, "/api/sessions", {"username": name, "password": PASSWORD}, "198.51.100.5")
        answers = [answer for _, answer in await asyncio.gather(*tries)]
        # Another address of the same network counts as the same.
        _, again = await _register(client, "2001:db8:1:2::2")
    found = Counter(answer.status_code for answer in answers)
    assert found[201] <= 30
    assert found[429] >= 70
    assert sum(found.values()) == found[201] + found[429] + found[503]
    assert again.status_code == 429
    assert signed_in.status_code == 201


async def test_a_user_can_have_so_many_unpaid_orders(limited: StoreProcess) -> None:
    async with _client(limited) as client:
        name, _ = await _register(client, "198.51.100.6")
        session = await _post(client, "/api/sessions", {"username": name, "password": PASSWORD}, "198.51.100.6")
        token = session.json()["token"]
        answers = [
            await _post(
                client,
                "/api/purchases",
                {"items": [{"sku": "health-potion", "quantity": quantity}]},
                "198.51.100.6",
                token,
            )
            for quantity in range(1, 35)
        ]
    codes = [answer.json().get("code") for answer in answers if answer.status_code >= 400]
    assert [answer.status_code for answer in answers[:20]] == [201] * 20
    assert codes == ["too-many-open-orders"] * 10 + ["too-many-tries"] * 4


async def test_searches_are_limited(limited: StoreProcess) -> None:
    async with _client(limited) as client:
        headers = {"X-Forwarded-For": "198.51.100.7"}
        answers = [await client.get("/api/items", params={"q": "a"}, headers=headers) for _ in range(21)]
        unlimited = await client.get("/api/items", headers=headers)
    assert [answer.status_code for answer in answers] == [200] * 20 + [429]
    assert unlimited.status_code == 200


async def test_a_client_cannot_choose_its_address_in_a_line_of_its_own(limited: StoreProcess) -> None:
    """HAProxy adds the client's address in a line of its own, after the client's."""
    async with _client(limited) as client:
        answers = [
            await client.get(
                "/api/items",
                params={"q": "a"},
                headers=[("X-Forwarded-For", f"192.0.2.{number}"), ("X-Forwarded-For", "::ffff:198.51.100.8")],
            )
            for number in range(20)
        ]
        # The same address, as another proxy writes it.
        same = {"X-Forwarded-For": "192.0.2.99, 198.51.100.8:5000"}
        answers.append(await client.get("/api/items", params={"q": "a"}, headers=same))
    assert [answer.status_code for answer in answers] == [200] * 20 + [429]


async def test_searches_of_a_page_are_limited_too(limited: StoreProcess) -> None:
    async with Tab(limited.url) as tab:
        for _ in range(21):
            await tab.call(f"{SHELF}.load", path="/?q=a")
        await tab.wait_for_text("Too many tries")
        mark = len(tab.frames)
        await tab.call(f"{SHELF}.load", path="/")
        await tab.wait_for(lambda: "Dragon Sword" in "".join(tab.frames[mark:]))


async def test_payment_checks_are_limited(limited: StoreProcess) -> None:
    user = SignedInUser(limited)
    async with Tab(limited.url, cookie=user.token) as tab:
        await tab.call(f"{LIBRARY}.check_payments")
        await tab.wait_for_text("You have no unpaid orders")
        await tab.call(f"{LIBRARY}.check_payments")
        await tab.wait_for_text("Too many tries")
