"""Pages of other sites: whatever they have a player's browser ask, the store refuses; and unsafe settings."""

import subprocess
import sys

import aiohttp
import httpx
import pytest
import socketio.exceptions

from tests.security.event_socket import SHELL, Tab
from tests.security.users import PASSWORD, Person, rows_of
from tests.support.processes import ROOT
from tests.support.store import StoreProcess

EVIL = "https://evil.example"
FOREIGN = (EVIL, "null", "http://localhost", "http://localhost:1", "https://localhost.evil.example")


@pytest.mark.anyio
@pytest.mark.parametrize("origin", FOREIGN)
async def test_the_event_socket_refuses_pages_of_other_sites(anna: Person, origin: str) -> None:
    with pytest.raises(socketio.exceptions.ConnectionError):
        async with Tab(anna.shop.url, cookie=anna.token, origin=origin):
            pass


@pytest.mark.anyio
async def test_the_event_socket_serves_the_stores_own_pages(anna: Person) -> None:
    async with Tab(anna.shop.url, cookie=anna.token, origin=anna.shop.url) as tab:
        await tab.call(f"{SHELL}.load")
        await tab.until_heard(anna.name)


@pytest.mark.anyio
@pytest.mark.parametrize("origin", FOREIGN)
async def test_the_message_socket_refuses_pages_of_other_sites(anna: Person, origin: str) -> None:
    headers = {"Cookie": f"session={anna.token}", "Origin": origin}
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(f"{anna.shop.url}/ws", headers=headers)


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("path", ["/api/purchases", "/api/items", "/auth/login", "/livez", "/"])
def test_reading_from_another_site_is_refused(anna: Person, path: str, origin: str) -> None:
    answer = anna.ask("GET", path, headers={"Origin": origin})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers
    assert anna.user_id not in answer.text


@pytest.mark.parametrize("path", ["/api/purchases", "/api/users", "/auth/logout"])
def test_preflights_of_other_sites_are_refused(anna: Person, path: str) -> None:
    asks = {"Origin": EVIL, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x"}
    answer = anna.ask("OPTIONS", path, headers=asks)
    assert answer.status_code in {400, 403}
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origin", FOREIGN)
def test_forms_of_other_sites_change_nothing(anna: Person, origin: str) -> None:
    before = rows_of(anna)
    headers = {"Origin": origin}
    form = {"username": anna.name, "password": PASSWORD}
    order = {"items": [{"sku": "dragon-sword", "quantity": 1}]}
    for path, more in (
        ("/auth/logout", {"data": {}}),
        ("/auth/login", {"data": form}),
        ("/auth/register", {"data": form | {"username": f"{anna.name}x"}}),
        ("/api/purchases", {"json": order}),
        # What a form of another site can send without a preflight.
        ("/api/purchases", {"content": '{"items":[]}', "headers": headers | {"Content-Type": "text/plain"}}),
    ):
        answer = anna.ask("POST", path, **({"headers": headers} | more))
        assert answer.status_code == 403, path
        assert "set-cookie" not in answer.headers
    assert anna.ask("DELETE", f"/api/users/{anna.user_id}", headers=headers).status_code == 403
    assert rows_of(anna) == before


def test_answers_to_the_stores_own_pages_name_no_other_origin(anna: Person) -> None:
    for headers in ({}, {"Origin": anna.shop.url}):
        answer = anna.ask("GET", "/api/purchases", headers=headers)
        assert answer.status_code == 200
        assert answer.headers.get("access-control-allow-origin") in {None, anna.shop.url}


def test_pages_cannot_be_framed_or_sniffed_and_private_answers_are_not_kept(anna: Person) -> None:
    page, private = anna.ask("GET", "/"), anna.ask("GET", "/api/purchases")
    for answer in (page, private):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
    assert private.headers["cache-control"] == "no-store"


# Safe values for production; each case below spoils one.
SAFE = {
    "ENVIRONMENT": "production",
    "PUBLIC_URL": "https://shop.example",
    "XSOLLA_WEBHOOK_SECRET": "a-long-enough-secret",
    "XSOLLA_STORE_API_URL": "https://store.xsolla.com",
    "XSOLLA_MERCHANT_API_URL": "https://api.xsolla.com",
    "XSOLLA_PAYSTATION_URL": "https://secure.xsolla.com",
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", "http://shop.example"),
        ("XSOLLA_WEBHOOK_SECRET", "short"),
        ("XSOLLA_WEBHOOK_SECRET", "a-long-enough-secret,short"),
        ("XSOLLA_WEBHOOK_SECRET", ""),
        ("XSOLLA_STORE_API_URL", "http://store.xsolla.com"),
        ("XSOLLA_MERCHANT_API_URL", "https://127.0.0.1:8001"),
        ("XSOLLA_PAYSTATION_URL", "https://localhost:8001"),
        ("XSOLLA_PAYSTATION_URL", "https://[::1]:8001"),
        ("XSOLLA_STORE_API_URL", "https://127.0.0.2:8001"),
        ("XSOLLA_STORE_API_URL", "https://LOCALHOST."),
    ],
)
def test_production_refuses_unsafe_settings(name: str, value: str) -> None:
    store = StoreProcess(env=SAFE | {name: value})
    try:
        done = subprocess.run(
            [sys.executable, "-m", "store_app.serve"],
            cwd=ROOT,
            env=store.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    finally:
        store.close()
    assert done.returncode == 1, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("The store cannot start: ")
    assert name in lines[0]
    assert "a-long-enough-secret" not in done.stderr


def test_production_starts_with_safe_settings() -> None:
    """So that the refusals above are about what they say."""
    with StoreProcess(env=SAFE, samples=False) as store:
        assert httpx.get(f"{store.url}/livez").status_code == 200
