"""Signing in under attack: limits, equal times, cookies, and hashing that leaves room for everybody else."""

import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie

import httpx
import pytest

from tests.security.users import PASSWORD, Person
from tests.support.store import StoreProcess

TRIES = 10
WRONG = "wrong, all wrong"


@pytest.fixture
def fresh_shop() -> Iterator[StoreProcess]:
    """Return a store with no failures noted: what one test does to the limits must not reach the others."""
    with StoreProcess(samples=False) as store:
        yield store


def _try(shop: StoreProcess, name: str, password: str = WRONG) -> httpx.Response:
    return httpx.post(f"{shop.url}/api/sessions", json={"username": name, "password": password}, timeout=30)


def test_tries_are_limited_for_one_name_and_others_still_sign_in(fresh_shop: StoreProcess) -> None:
    victim, other = Person(fresh_shop), Person(fresh_shop)
    answers = [_try(fresh_shop, victim.name) for _time in range(TRIES)]
    assert {answer.status_code for answer in answers} == {401}
    refused = _try(fresh_shop, victim.name.upper(), PASSWORD)
    assert refused.status_code == 429
    assert refused.json()["detail"].startswith("Too many tries.")
    assert int(refused.headers["retry-after"]) > 0
    form = httpx.post(f"{fresh_shop.url}/auth/login", data={"username": victim.name, "password": PASSWORD})
    assert form.status_code == 303
    assert "problem=too-many-tries" in form.headers["location"]
    assert "set-cookie" not in form.headers
    assert _try(fresh_shop, other.name, PASSWORD).status_code == 201
    # Who is signed in stays so, and a forged address counts for nothing.
    assert victim.ask("GET", "/api/purchases").status_code == 200
    forged = {"X-Forwarded-For": "203.0.113.7"}
    json = {"username": victim.name, "password": PASSWORD}
    assert httpx.post(f"{fresh_shop.url}/api/sessions", json=json, headers=forged).status_code == 429


def test_tries_are_limited_for_one_address_whatever_the_names(fresh_shop: StoreProcess) -> None:
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda number: _try(fresh_shop, f"nobody-{number}"), range(60)))
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(429) >= 5
    assert set(statuses) == {401, 429}


def test_unknown_and_known_names_cannot_be_told_apart(fresh_shop: StoreProcess) -> None:
    known = [Person(fresh_shop).name for _number in range(5)]
    times: dict[bool, list[float]] = {True: [], False: []}
    bodies = set()
    for number in range(20):
        for is_known in (True, False):
            name = known[number % len(known)] if is_known else f"stranger-{number}"
            begin = time.perf_counter()
            answer = _try(fresh_shop, name)
            times[is_known].append(time.perf_counter() - begin)
            assert answer.status_code == 401
            bodies.add(answer.text)
    assert len(bodies) == 1
    one, other = (statistics.median(times[is_known]) for is_known in (True, False))
    assert abs(one - other) / max(one, other) < 0.25, (one, other)


def test_the_cookie_is_out_of_reach_of_scripts_and_new_at_each_login(anna: Person) -> None:
    form = {"username": anna.name, "password": PASSWORD}
    answer = anna.ask("POST", "/auth/login", data=form)
    cookie = SimpleCookie(answer.headers["set-cookie"])["session"]
    assert cookie["httponly"]
    assert cookie["samesite"].lower() == "lax"
    assert cookie["path"] == "/"
    assert not cookie["domain"]
    assert len(cookie.value) >= 43
    assert cookie.value != anna.token
    # The session that the browser had before is over.
    assert anna.ask("GET", "/api/purchases").status_code == 401
    anna.token = cookie.value
    assert anna.ask("GET", "/api/purchases").status_code == 200


def test_a_session_id_from_outside_is_not_taken_over(anna: Person) -> None:
    planted = "planted-by-somebody-else-0000000000000000000"
    form = {"username": anna.name, "password": PASSWORD}
    answer = httpx.post(f"{anna.shop.url}/auth/login", data=form, headers={"Cookie": f"session={planted}"})
    assert planted not in answer.headers["set-cookie"]
    anna.token = planted
    assert anna.ask("GET", "/api/purchases").status_code == 401


def test_a_signed_out_session_is_dead_everywhere(anna: Person) -> None:
    assert anna.ask("POST", "/auth/logout").status_code == 303
    for method, path in (("GET", "/api/purchases"), ("DELETE", "/api/sessions/current")):
        assert anna.ask(method, path).status_code == 401
    bearer = {"Authorization": f"Bearer {anna.token}"}
    assert httpx.get(f"{anna.shop.url}/api/purchases", headers=bearer).status_code == 401


def test_over_https_the_cookie_is_secure_and_bound_to_the_host() -> None:
    with StoreProcess(env={"PUBLIC_URL": "https://shop.example"}, samples=False) as store:
        form = {"username": "kira", "password": PASSWORD}
        answer = httpx.post(f"{store.url}/auth/register", data=form)
        cookie = SimpleCookie(answer.headers["set-cookie"])["__Host-session"]
        assert cookie["secure"]
        assert cookie["path"] == "/"


def test_many_hashes_at_once_leave_the_store_alive(fresh_shop: StoreProcess) -> None:
    """Twenty players sign up in the same moment; whoever asks meanwhile is answered."""
    times = []
    with ThreadPoolExecutor(20) as threads, httpx.Client() as client:
        client.get(f"{fresh_shop.url}/livez")
        work = [threads.submit(_sign_up, fresh_shop, number) for number in range(20)]
        while not all(one.done() for one in work):
            begin = time.perf_counter()
            assert client.get(f"{fresh_shop.url}/livez").status_code == 200
            times.append(time.perf_counter() - begin)
    assert [one.result() for one in work] == [201] * 20
    # A hash on the event loop would leave few answers, and slow ones; one hiccup of a busy machine is none.
    assert statistics.quantiles(times, n=20)[-1] < 0.2


def _sign_up(shop: StoreProcess, number: int) -> int:
    person = {"username": f"one-of-many-{number}", "password": PASSWORD}
    return httpx.post(f"{shop.url}/api/users", json=person, timeout=30).status_code
