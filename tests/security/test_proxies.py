"""The sample configurations of nginx and Caddy, in front of a store: what players do, and what attackers try."""

import asyncio
import json
import socket
import ssl
import time
from collections.abc import Iterator

import httpx
import pytest
import websockets

from tests.security.users import PASSWORD
from tests.support.proxy import ProxiedStore, allow_many_sockets, idle_connections

pytestmark = pytest.mark.anyio
LIMITS = {"LIMIT_SIGN_INS_PER_ADDRESS": "5/hour"}


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def proxied(request: pytest.FixtureRequest) -> Iterator[ProxiedStore]:
    """Return a store behind a proxy."""
    with ProxiedStore(request.param, LIMITS) as proxied:
        yield proxied


def _client(proxied: ProxiedStore, source: str) -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport(verify=proxied.tls, local_address=source)
    return httpx.AsyncClient(base_url=proxied.url, transport=transport, timeout=30)


async def _sign_up(client: httpx.AsyncClient, name: str) -> str:
    account = {"username": name, "password": PASSWORD}
    assert (await client.post("/api/users", json=account)).status_code == 201
    session = await client.post("/api/sessions", json=account)
    client.headers["Authorization"] = f"Bearer {session.json()['token']}"
    return str(session.json()["token"])


async def _buy(proxied: ProxiedStore, client: httpx.AsyncClient) -> str:
    order = await client.post("/api/purchases", json={"items": [{"sku": "health-potion", "quantity": 1}]})
    assert order.status_code == 201, order.text
    order_id = str(order.json()["order_id"])
    async with httpx.AsyncClient(timeout=30) as provider:
        url = f"{proxied.store.simulator_url}/simulator/orders/{order_id}/send"
        sent = await provider.post(url, json={"scenario": "happy"})
    assert sent.json()["acknowledged"], sent.text
    return order_id


async def _owns(client: httpx.AsyncClient, order_id: str) -> bool:
    purchases = (await client.get("/api/purchases")).json()
    return order_id in {purchase["order_id"] for purchase in purchases}


async def test_a_player_buys_and_hears_of_it(proxied: ProxiedStore) -> None:
    async with _client(proxied, "127.10.0.1") as client:
        token = await _sign_up(client, "buyer")
        async with websockets.connect(
            proxied.url.replace("https", "wss") + "/ws", ssl=proxied.tls, proxy=None
        ) as messages:
            await messages.send(json.dumps({"token": token}))
            order_id = await _buy(proxied, client)
            heard = json.loads(await asyncio.wait_for(messages.recv(), 10))
        assert (heard["event"], heard["order_id"]) == ("purchase_success", order_id)
        assert await _owns(client, order_id)


async def test_a_form_and_the_socket_of_a_page_are_served(proxied: ProxiedStore) -> None:
    async with _client(proxied, "127.10.0.2") as client:
        assert (await client.get("/api/items")).headers["strict-transport-security"]
        # The cookie of a site with https, which no other host can set.
        form = {"username": "by-form", "password": PASSWORD}
        signed_in = await client.post("/auth/register", data=form, headers={"Origin": proxied.url})
        assert signed_in.status_code == 303
        assert signed_in.headers["set-cookie"].startswith("__Host-session=")
    url = proxied.url.replace("https", "wss") + "/_event/?EIO=4&transport=websocket&token=x"
    async with websockets.connect(url, ssl=proxied.tls, proxy=None, origin=proxied.url) as page_socket:  # type: ignore[arg-type]
        assert str(await page_socket.recv()).startswith("0{")
        await page_socket.send("40/_event,")
        assert str(await page_socket.recv()).startswith("40/_event,")


async def test_clients_are_told_apart_by_their_own_address(proxied: ProxiedStore) -> None:
    wrong = {"username": "nobody", "password": "wrong, and long enough"}
    async with _client(proxied, "127.10.0.3") as one, _client(proxied, "127.10.0.4") as other:
        tries = [
            await one.post("/api/sessions", json=wrong, headers={"X-Forwarded-For": f"198.51.100.{number}"})
            for number in range(7)
        ]
        assert [answer.status_code for answer in tries] == [401] * 5 + [429] * 2
        assert (await other.post("/api/sessions", json=wrong)).status_code == 401


async def test_what_is_not_for_the_internet_is_closed(proxied: ProxiedStore) -> None:
    async with _client(proxied, "127.10.0.5") as client:
        assert (await client.get("/metrics")).status_code == 404
        # Caddy 2.6 answers 502 when the store hangs up before it has sent all of the body.
        assert (await client.post("/api/users", content=b"x" * 2_000_000)).status_code in {413, 502}


def _connect(proxied: ProxiedStore) -> ssl.SSLSocket:
    raw = socket.create_connection(("127.0.0.1", proxied.port), timeout=30)
    return proxied.tls.wrap_socket(raw, server_hostname="localhost")


@pytest.mark.slow
async def test_clients_that_stop_in_the_middle_are_disconnected(proxied: ProxiedStore) -> None:
    def stop_in_the_middle(sent: bytes) -> float:
        begin = time.monotonic()
        with _connect(proxied) as connection:
            connection.sendall(sent)
            while connection.recv(10_000):
                pass
        return time.monotonic() - begin

    head = f"POST /api/users HTTP/1.1\r\nHost: localhost:{proxied.port}\r\nContent-Length: 100\r\n"
    took = await asyncio.gather(
        asyncio.to_thread(stop_in_the_middle, head.encode()),
        asyncio.to_thread(stop_in_the_middle, f"{head}\r\n{{".encode()),
    )
    assert all(5 < seconds < 20 for seconds in took), took


async def test_a_player_buys_while_thousands_of_connections_are_idle(proxied: ProxiedStore) -> None:
    # Fewer where an account may open fewer: each takes one here and one in the proxy.
    wanted = min(10_000, allow_many_sockets() - 1_000)
    async with idle_connections(proxied.port, wanted) as count, _client(proxied, "127.10.0.6") as client:
        assert count == wanted
        await _sign_up(client, "beside-idle-ones")
        assert await _owns(client, await _buy(proxied, client))
