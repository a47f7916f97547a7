"""Requests that pages of other sites make a user's browser send are refused; so are unsafe settings."""

import aiohttp
import pytest
import socketio.exceptions

from tests.security.event_socket import SHELL, Tab
from tests.security.users import PASSWORD, SignedInUser, rows_of

EVIL = "https://evil.example"
FOREIGN = (EVIL, "null", "http://localhost", "http://localhost:1", "https://localhost.evil.example")


@pytest.mark.anyio
@pytest.mark.parametrize("origin", FOREIGN)
async def test_the_event_socket_refuses_pages_of_other_sites(anna: SignedInUser, origin: str) -> None:
    with pytest.raises(socketio.exceptions.ConnectionError):
        async with Tab(anna.store.url, cookie=anna.token, origin=origin):
            pass


@pytest.mark.anyio
async def test_the_event_socket_serves_the_stores_own_pages(anna: SignedInUser) -> None:
    async with Tab(anna.store.url, cookie=anna.token, origin=anna.store.url) as tab:
        await tab.call(f"{SHELL}.load")
        await tab.wait_for_text(anna.name)


@pytest.mark.anyio
@pytest.mark.parametrize("origin", FOREIGN)
async def test_the_message_socket_refuses_pages_of_other_sites(anna: SignedInUser, origin: str) -> None:
    headers = {"Cookie": f"session={anna.token}", "Origin": origin}
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(f"{anna.store.url}/ws", headers=headers)


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("path", ["/api/purchases", "/api/items", "/auth/login", "/livez", "/"])
def test_reading_from_another_site_is_refused(anna: SignedInUser, path: str, origin: str) -> None:
    response = anna.request("GET", path, headers={"Origin": origin})
    assert response.status_code == 403
    assert "access-control-allow-origin" not in response.headers
    assert anna.user_id not in response.text


@pytest.mark.parametrize("path", ["/api/purchases", "/api/users", "/auth/logout", "/auth/logout-everywhere"])
def test_preflights_of_other_sites_are_refused(anna: SignedInUser, path: str) -> None:
    preflight = {"Origin": EVIL, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x"}
    response = anna.request("OPTIONS", path, headers=preflight)
    assert response.status_code in {400, 403}
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("origin", FOREIGN)
def test_forms_of_other_sites_change_nothing(anna: SignedInUser, origin: str) -> None:
    before = rows_of(anna)
    headers = {"Origin": origin}
    form = {"username": anna.name, "password": PASSWORD}
    order = {"items": [{"sku": "dragon-sword", "quantity": 1}]}
    for path, options in (
        ("/auth/logout", {"data": {}}),
        ("/auth/logout-everywhere", {"data": {}}),
        ("/auth/login", {"data": form}),
        ("/auth/register", {"data": form | {"username": f"{anna.name}x"}}),
        ("/cart/add", {"data": {"sku": "dragon-sword"}}),
        ("/cart/remove", {"data": {"sku": "dragon-sword"}}),
        ("/cart/quantity", {"data": {"sku": "dragon-sword", "quantity": "1"}}),
        ("/api/purchases", {"json": order}),
        # A form of another site can send this without a preflight.
        ("/api/purchases", {"content": '{"items":[]}', "headers": headers | {"Content-Type": "text/plain"}}),
    ):
        response = anna.request("POST", path, **({"headers": headers} | options))
        assert response.status_code == 403, path
        assert "set-cookie" not in response.headers
    assert anna.request("DELETE", f"/api/users/{anna.user_id}", headers=headers).status_code == 403
    assert rows_of(anna) == before


def test_responses_to_the_stores_own_pages_allow_no_other_origin(anna: SignedInUser) -> None:
    for headers in ({}, {"Origin": anna.store.url}):
        response = anna.request("GET", "/api/purchases", headers=headers)
        assert response.status_code == 200
        assert response.headers.get("access-control-allow-origin") in {None, anna.store.url}


def test_responses_forbid_framing_and_sniffing_and_caching_of_private_data(anna: SignedInUser) -> None:
    page, private = anna.request("GET", "/"), anna.request("GET", "/api/purchases")
    for response in (page, private):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
    assert private.headers["cache-control"] == "no-store"
