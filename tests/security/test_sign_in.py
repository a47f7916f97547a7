"""Attacks on signing in: rate limits, equal times, cookies, and hashing that does not block other requests."""

import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie

import httpx
import pytest

from tests.security.users import PASSWORD, SignedInUser
from tests.support.store import StoreProcess

MAX_TRIES = 10
WRONG = "wrong, all wrong"


@pytest.fixture
def fresh_store() -> Iterator[StoreProcess]:
    """Return a store of the test's own, so that the rate limits reached by one test do not affect the others."""
    with StoreProcess(samples=False, env={"LIMIT_SIGN_INS_PER_ADDRESS": "50/day"}) as store:
        yield store


def _sign_in(store: StoreProcess, name: str, password: str = WRONG) -> httpx.Response:
    return httpx.post(f"{store.url}/api/sessions", json={"username": name, "password": password}, timeout=30)


def test_tries_are_limited_for_one_name_and_other_users_can_still_sign_in(fresh_store: StoreProcess) -> None:
    victim, other = SignedInUser(fresh_store), SignedInUser(fresh_store)
    responses = [_sign_in(fresh_store, victim.name) for _time in range(MAX_TRIES)]
    assert {response.status_code for response in responses} == {401}
    refused = _sign_in(fresh_store, victim.name.upper(), PASSWORD)
    assert refused.status_code == 429
    assert refused.json()["detail"].startswith("Too many tries.")
    assert int(refused.headers["retry-after"]) > 0
    form = httpx.post(f"{fresh_store.url}/auth/login", data={"username": victim.name, "password": PASSWORD})
    assert form.status_code == 303
    assert "problem=too-many-tries" in form.headers["location"]
    assert "set-cookie" not in form.headers
    assert _sign_in(fresh_store, other.name, PASSWORD).status_code == 201
    # A signed-in user stays signed in, and a forged address does not evade the limit.
    assert victim.request("GET", "/api/purchases").status_code == 200
    forged = {"X-Forwarded-For": "203.0.113.7"}
    json = {"username": victim.name, "password": PASSWORD}
    assert httpx.post(f"{fresh_store.url}/api/sessions", json=json, headers=forged).status_code == 429


def test_tries_are_limited_for_one_address_with_any_names(fresh_store: StoreProcess) -> None:
    with ThreadPoolExecutor(4) as threads:
        responses = list(threads.map(lambda number: _sign_in(fresh_store, f"nobody-{number}"), range(60)))
    statuses = [response.status_code for response in responses]
    assert statuses.count(429) >= 5
    assert set(statuses) == {401, 429}


def test_known_and_unknown_names_cannot_be_distinguished(fresh_store: StoreProcess) -> None:
    known = [SignedInUser(fresh_store).name for _number in range(5)]
    times: dict[bool, list[float]] = {True: [], False: []}
    bodies = set()
    for number in range(20):
        for is_known in (True, False):
            name = known[number % len(known)] if is_known else f"unknown-{number}"
            begin = time.perf_counter()
            response = _sign_in(fresh_store, name)
            times[is_known].append(time.perf_counter() - begin)
            assert response.status_code == 401
            bodies.add(response.text)
    assert len(bodies) == 1
    one, other = (statistics.median(times[is_known]) for is_known in (True, False))
    assert abs(one - other) / max(one, other) < 0.25, (one, other)


def test_the_cookie_is_unreadable_for_scripts_and_new_at_each_sign_in(anna: SignedInUser) -> None:
    form = {"username": anna.name, "password": PASSWORD}
    response = anna.request("POST", "/auth/login", data=form)
    cookie = SimpleCookie(response.headers["set-cookie"])["session"]
    assert cookie["httponly"]
    assert cookie["samesite"].lower() == "lax"
    assert cookie["path"] == "/"
    assert not cookie["domain"]
    assert len(cookie.value) >= 43
    assert cookie.value != anna.token
    # Signing in ended the session that the browser had before.
    assert anna.request("GET", "/api/purchases").status_code == 401
    anna.token = cookie.value
    assert anna.request("GET", "/api/purchases").status_code == 200


def test_a_session_token_chosen_by_the_client_is_not_used(anna: SignedInUser) -> None:
    planted = "planted-by-an-attacker-000000000000000000000"
    form = {"username": anna.name, "password": PASSWORD}
    response = httpx.post(f"{anna.store.url}/auth/login", data=form, headers={"Cookie": f"session={planted}"})
    assert planted not in response.headers["set-cookie"]
    anna.token = planted
    assert anna.request("GET", "/api/purchases").status_code == 401


def test_a_signed_out_session_is_refused_everywhere(anna: SignedInUser) -> None:
    assert anna.request("POST", "/auth/logout").status_code == 303
    for method, path in (("GET", "/api/purchases"), ("DELETE", "/api/sessions/current")):
        assert anna.request(method, path).status_code == 401
    bearer = {"Authorization": f"Bearer {anna.token}"}
    assert httpx.get(f"{anna.store.url}/api/purchases", headers=bearer).status_code == 401


def test_over_https_the_cookie_is_secure_and_bound_to_the_host() -> None:
    with StoreProcess(env={"PUBLIC_URL": "https://shop.example"}, samples=False) as store:
        form = {"username": "kira", "password": PASSWORD}
        response = httpx.post(f"{store.url}/auth/register", data=form)
        cookie = SimpleCookie(response.headers["set-cookie"])["__Host-session"]
        assert cookie["secure"]
        assert cookie["path"] == "/"


def test_hashing_many_passwords_at_once_does_not_block_the_store(fresh_store: StoreProcess) -> None:
    """While twenty users register at the same moment, other requests get fast responses."""
    times = []
    with ThreadPoolExecutor(20) as threads, httpx.Client() as client:
        client.get(f"{fresh_store.url}/livez")
        registrations = [threads.submit(_register, fresh_store, number) for number in range(20)]
        while not all(registration.done() for registration in registrations):
            begin = time.perf_counter()
            assert client.get(f"{fresh_store.url}/livez").status_code == 200
            times.append(time.perf_counter() - begin)
    # More than about a second of work is not queued.
    statuses = [registration.result() for registration in registrations]
    assert set(statuses) <= {201, 503}
    assert statuses.count(201) >= 10
    # Hashing on the event loop would make many responses slow; a busy machine delays only a few.
    assert statistics.quantiles(times, n=20)[-1] < 0.2


def _register(store: StoreProcess, number: int) -> int:
    user = {"username": f"one-of-many-{number}", "password": PASSWORD}
    return httpx.post(f"{store.url}/api/users", json=user, timeout=30).status_code
