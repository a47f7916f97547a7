"""Accounts and sessions over real servers."""

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.web import PASSWORD, Player, Web, problem


def test_an_account_and_a_session(web: Web) -> None:
    name = f"Kira {uuid4().hex[:8]}"
    created = web.register(name)
    assert created.status_code == 201
    assert set(created.json()) == {"id", "username"}
    assert created.json()["username"] == name
    session = web.sign_in(name.upper())
    assert session.status_code == 201
    assert set(session.json()) == {"token", "expires_at", "user_id"}
    assert session.json()["user_id"] == created.json()["id"]
    assert session.json()["expires_at"].endswith(("Z", "+00:00"))
    assert session.headers["cache-control"] == "no-store"
    ((stored,),) = web.rows("SELECT password FROM users WHERE id = :id", id=created.json()["id"])
    assert stored.startswith("$argon2id$")
    hashes = web.rows("SELECT token_hash FROM sessions WHERE user_id = :id", id=created.json()["id"])
    assert session.json()["token"] not in str(hashes)


@pytest.mark.parametrize(
    "change", [str.upper, str.swapcase, lambda name: f"  {name} ", lambda name: "\uff50" + name[1:]]
)
def test_a_name_is_taken_in_every_letter_case(web: Web, change: Any) -> None:
    name = f"p-{uuid4().hex[:12]}"
    assert web.register(name).status_code == 201
    problem(web.register(change(name)), 409, "name-taken")


@pytest.mark.parametrize(
    "name",
    ["", "ab", "x" * 33, "x" * 10_000, "a\x00bc", "a\nbc", "a\u202ebc", "a\u200bbc", "a\u2028bc"],
    ids=ascii,
)
def test_names_that_are_refused(web: Web, name: str) -> None:
    answer = web.http.post("/api/users", json={"username": name, "password": PASSWORD})
    assert problem(answer, 422)["field"] == "username"
    assert len(answer.text) < 1_000


@pytest.mark.parametrize("password", ["", "short", "x" * 129, "x" * 100_000, "password123"])
def test_passwords_that_are_refused(web: Web, password: str) -> None:
    assert problem(web.register(password=password), 422)["field"] == "password"


BROKEN = {
    "nothing": b"",
    "no JSON": b"{",
    "words": b"username=kira",
    "another type": b"[]",
    "null": b"null",
    "no fields": b"{}",
    "numbers": b'{"username": 1, "password": 2}',
    "nulls": b'{"username": null, "password": null}',
    "half a character": b'{"username": "\\ud800abc", "password": "a long one, please"}',
    "half a character in a name of a field": b'{"\\ud800": 1, "username": "kira"}',
    "not UTF-8": b'{"username": "\xff\xfe", "password": "a long one, please"}',
    "deep": b'{"username": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "a huge number": b'{"username": ' + b"9" * 10_000 + b"}",
}


@pytest.mark.parametrize("path", ["/api/users", "/api/sessions"])
@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_bodies_that_make_no_sense(web: Web, path: str, body: bytes) -> None:
    answer = web.http.post(path, content=body, headers={"Content-Type": "application/json"})
    # A name or password may be any text: one that nobody can have is only a wrong one.
    text = path == "/api/sessions" and body.startswith(b'{"username": "') and b"\\ud800" in body
    assert answer.status_code in ({401, 422} if text else {400, 422})
    problem(answer, answer.status_code)


@pytest.mark.parametrize(
    "password", ["\ud800 half a character", "\x00\x01\x02\x03\x04\x05\x06\x07", "x" * 128], ids=ascii
)
def test_a_password_may_be_any_text(web: Web, password: str) -> None:
    body = {"username": f"p-{uuid4().hex[:12]}", "password": password}
    for path in ("/api/users", "/api/sessions"):
        answer = web.http.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})
        assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    "name", ["nobody", "", "\x00", "a\x00b", "x" * 10_000, "\u202e", "' OR 1=1 --"], ids=ascii
)
def test_unknown_names_and_wrong_passwords_are_answered_alike(web: Web, name: str) -> None:
    player = web.player()
    wrong = problem(web.sign_in(player.username, "not the password"), 401, "wrong-password")
    assert problem(web.sign_in(name), 401, "wrong-password") == wrong


def _works(player: Player) -> bool:
    status = player.get("/api/purchases").status_code
    assert status in {200, 401}
    return status == 200


def test_signing_out_ends_this_session_and_no_other(web: Web) -> None:
    player = web.player()
    other = Player(web, player.id, player.username, web.sign_in(player.username).json()["token"])
    assert _works(player)
    assert player.delete("/api/sessions/current").status_code == 204
    assert not _works(player)
    assert _works(other)
    problem(player.delete("/api/sessions/current"), 401, "not-signed-in")


def test_closing_an_account_ends_it_and_frees_its_name(web: Web) -> None:
    player, other = web.player(), web.player()
    order = player.order("health-potion")
    assert player.pay(order).status_code == 204
    problem(player.delete(f"/api/users/{other.id}"), 403, "not-yours")
    problem(player.delete("/api/users/no-such-user"), 403)
    problem(web.http.delete(f"/api/users/{player.id}"), 401)
    assert _works(other)
    assert player.delete(f"/api/users/{player.id}").status_code == 204
    assert not _works(player)
    problem(web.sign_in(player.username), 401, "wrong-password")
    # What was bought stays on record, without the name.
    assert web.rows("SELECT COUNT(*) FROM purchases WHERE user_id = :id", id=player.id) == [(1,)]
    ((name, password),) = web.rows("SELECT username, password FROM users WHERE id = :id", id=player.id)
    assert player.username not in name
    assert password == ""
    assert web.register(player.username).status_code == 201
    assert web.sign_in(player.username).json()["user_id"] != player.id


@pytest.mark.parametrize(
    "credentials",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer " + "x" * 5_000},
        {"Authorization": "Basic YTpi"},
        {"Cookie": "session=wrong"},
        {"Cookie": "session="},
        {"Cookie": 'session="\\000"'},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/purchases"),
        ("POST", "/api/purchases"),
        ("GET", "/api/orders/5f0c"),
        ("POST", "/api/orders/5f0c/cancel"),
        ("DELETE", "/api/users/5f0c"),
        ("DELETE", "/api/sessions/current"),
    ],
)
def test_without_credentials_there_is_nothing(
    web: Web, method: str, path: str, credentials: dict[str, str]
) -> None:
    body = {"items": [{"sku": "dragon-sword"}]} if path == "/api/purchases" and method == "POST" else None
    answer = web.http.request(method, path, json=body, headers=credentials)
    problem(answer, 401, "not-signed-in")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_the_session_cookie_is_a_credential_too(web: Web) -> None:
    player = web.player()
    form = {"username": player.username, "password": PASSWORD, "next": "//evil.example"}
    answer = web.http.post("/auth/login", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    answer = web.http.get("/api/purchases")
    assert answer.status_code == 200
    # A bearer token comes before the cookie: a wrong one is not excused by it.
    problem(web.http.get("/api/purchases", headers={"Authorization": "Bearer wrong"}), 401)
    web.http.post("/auth/logout")
    web.http.headers["Cookie"] = cookie.partition(";")[0]
    problem(web.http.get("/api/purchases"), 401)


@pytest.mark.parametrize("next_path", ["//[", "//[evil", "https://evil.example", "\\\\evil", "/\x00"])
def test_the_forms_lead_nowhere_else(web: Web, next_path: str) -> None:
    for path in ("/auth/login", "/auth/register"):
        answer = web.http.post(path, data={"username": "x\x00", "password": "wrong", "next": next_path})
        assert answer.status_code == 303
        assert answer.headers["location"].startswith(("/login?", "/register?"))
        assert "evil" not in answer.headers["location"]


def test_too_many_tries_are_limited_by_address_without_locking_the_player_out(web: Web) -> None:
    player = web.player()
    answers = [web.sign_in(player.username, "not the password") for _ in range(11)]
    assert [answer.status_code for answer in answers[:10]] == [401] * 10
    problem(answers[10], 429, "too-many-tries")
    assert int(answers[10].headers["retry-after"]) > 0
    problem(web.sign_in(player.username), 429)
    elsewhere = web.sign_in(player.username, X_Forwarded_For="203.0.113.9")
    assert elsewhere.status_code == 201
    # Only the last hop is our proxy's word; what a client puts before it is not believed.
    forged = f"203.0.113.9, {web.address}"
    problem(web.sign_in(player.username, X_Forwarded_For=forged), 429)


def test_json_may_have_fields_we_do_not_know(web: Web) -> None:
    name = f"p-{uuid4().hex[:12]}"
    body = {"username": name, "password": PASSWORD, "id": "chosen", "created_at": "1970-01-01"}
    answer = web.http.post("/api/users", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code == 201
    assert answer.json()["id"] != "chosen"
