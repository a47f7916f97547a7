"""Accounts and sessions on running stores."""

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.web import PASSWORD, ApiUser, Web, problem


def test_registering_and_signing_in(web: Web) -> None:
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
def test_a_taken_name_is_refused_in_every_letter_case(web: Web, change: Any) -> None:
    name = f"p-{uuid4().hex[:12]}"
    assert web.register(name).status_code == 201
    problem(web.register(change(name)), 409, "name-taken")


def test_a_name_that_looks_like_a_taken_one_is_refused(web: Web) -> None:
    name = f"pal-{uuid4().hex[:12]}"
    created = web.register(name)
    problem(web.register(name.replace("l", "1")), 409, "name-taken")
    session = web.sign_in(name).json()
    headers = {"Authorization": f"Bearer {session['token']}"}
    assert web.http.delete(f"/api/users/{created.json()['id']}", headers=headers).status_code == 204
    assert web.register(name.replace("l", "I")).status_code == 201


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
    "form data": b"username=kira",
    "another type": b"[]",
    "null": b"null",
    "no fields": b"{}",
    "numbers": b'{"username": 1, "password": 2}',
    "nulls": b'{"username": null, "password": null}',
    "a lone surrogate": b'{"username": "\\ud800abc", "password": "a long one, please"}',
    "a lone surrogate in the name of a field": b'{"\\ud800": 1, "username": "kira"}',
    "not UTF-8": b'{"username": "\xff\xfe", "password": "a long one, please"}',
    "deeply nested": b'{"username": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "a huge number": b'{"username": ' + b"9" * 10_000 + b"}",
}


@pytest.mark.parametrize("path", ["/api/users", "/api/sessions"])
@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_malformed_bodies_are_refused(web: Web, path: str, body: bytes) -> None:
    answer = web.http.post(path, content=body, headers={"Content-Type": "application/json"})
    # Sign-in accepts any text: a name that no account can have is an unknown one.
    text = path == "/api/sessions" and body.startswith(b'{"username": "') and b"\\ud800" in body
    assert answer.status_code in ({401, 422} if text else {400, 422})
    problem(answer, answer.status_code)


@pytest.mark.parametrize(
    "password", ["\ud800 lone surrogate", "\x00\x01\x02\x03\x04\x05\x06\x07", "x" * 128], ids=ascii
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
    user = web.user()
    wrong = problem(web.sign_in(user.username, "not the password"), 401, "wrong-password")
    assert problem(web.sign_in(name), 401, "wrong-password") == wrong


def _is_signed_in(user: ApiUser) -> bool:
    status = user.get("/api/purchases").status_code
    assert status in {200, 401}
    return status == 200


def test_signing_out_ends_this_session_and_no_other(web: Web) -> None:
    user = web.user()
    other = ApiUser(web, user.id, user.username, web.sign_in(user.username).json()["token"])
    assert _is_signed_in(user)
    assert user.delete("/api/sessions/current").status_code == 204
    assert not _is_signed_in(user)
    assert _is_signed_in(other)
    problem(user.delete("/api/sessions/current"), 401, "not-signed-in")


@pytest.mark.parametrize("way", ["api", "form"])
def test_signing_out_everywhere_ends_all_sessions_of_the_user_and_no_others(web: Web, way: str) -> None:
    user, stranger = web.user(), web.user()
    other = ApiUser(web, user.id, user.username, web.sign_in(user.username).json()["token"])
    if way == "api":
        answer = user.delete("/api/sessions")
        assert answer.status_code == 204
    else:
        answer = web.http.post("/auth/logout-everywhere", headers=user.headers)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert not _is_signed_in(user)
    assert not _is_signed_in(other)
    assert _is_signed_in(stranger)


def test_closing_an_account_ends_it_and_frees_its_name(web: Web) -> None:
    user, other = web.user(), web.user()
    order = user.order("health-potion")
    assert user.pay(order).status_code == 204
    problem(user.delete(f"/api/users/{other.id}"), 403, "not-yours")
    problem(user.delete("/api/users/no-such-user"), 403)
    problem(web.http.delete(f"/api/users/{user.id}"), 401)
    assert _is_signed_in(other)
    assert user.delete(f"/api/users/{user.id}").status_code == 204
    assert not _is_signed_in(user)
    problem(web.sign_in(user.username), 401, "wrong-password")
    # The purchases stay as records, without the name.
    assert web.rows("SELECT COUNT(*) FROM purchases WHERE user_id = :id", id=user.id) == [(1,)]
    ((name, password),) = web.rows("SELECT username, password FROM users WHERE id = :id", id=user.id)
    assert user.username not in name
    assert password == ""
    assert web.register(user.username).status_code == 201
    assert web.sign_in(user.username).json()["user_id"] != user.id


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
        ("DELETE", "/api/sessions"),
        ("DELETE", "/api/sessions/current"),
    ],
)
def test_requests_without_valid_credentials_are_refused(
    web: Web, method: str, path: str, credentials: dict[str, str]
) -> None:
    body = {"items": [{"sku": "dragon-sword"}]} if path == "/api/purchases" and method == "POST" else None
    answer = web.http.request(method, path, json=body, headers=credentials)
    problem(answer, 401, "not-signed-in")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_the_session_cookie_is_a_credential_too(web: Web) -> None:
    user = web.user()
    form = {"username": user.username, "password": PASSWORD, "next": "//evil.example"}
    answer = web.http.post("/auth/login", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    answer = web.http.get("/api/purchases")
    assert answer.status_code == 200
    # A bearer token takes precedence: a wrong one is refused although the cookie is valid.
    problem(web.http.get("/api/purchases", headers={"Authorization": "Bearer wrong"}), 401)
    web.http.post("/auth/logout")
    web.http.headers["Cookie"] = cookie.partition(";")[0]
    problem(web.http.get("/api/purchases"), 401)


@pytest.mark.parametrize("next_path", ["//[", "//[evil", "https://evil.example", "\\\\evil", "/\x00"])
def test_the_forms_never_redirect_to_another_site(web: Web, next_path: str) -> None:
    for path in ("/auth/login", "/auth/register"):
        answer = web.http.post(path, data={"username": "x\x00", "password": "wrong", "next": next_path})
        assert answer.status_code == 303
        assert answer.headers["location"].startswith(("/login?", "/register?"))
        assert "evil" not in answer.headers["location"]


def test_sign_in_failures_are_limited_by_address_without_locking_the_user_out(web: Web) -> None:
    user = web.user()
    # When a window ends meanwhile, its tries weigh less from then on, and one more is let through.
    answers = [web.sign_in(user.username, "not the password") for _ in range(12)]
    assert [answer.status_code for answer in answers[:10]] == [401] * 10
    problem(answers[11], 429, "too-many-tries")
    assert int(answers[11].headers["retry-after"]) > 0
    problem(web.sign_in(user.username), 429)
    elsewhere = web.sign_in(user.username, X_Forwarded_For="203.0.113.9")
    assert elsewhere.status_code == 201
    # Only the last address comes from the proxy; those that a client puts before it are not trusted.
    forged = f"203.0.113.9, {web.address}"
    problem(web.sign_in(user.username, X_Forwarded_For=forged), 429)


def test_unknown_fields_in_json_are_ignored(web: Web) -> None:
    name = f"p-{uuid4().hex[:12]}"
    body = {"username": name, "password": PASSWORD, "id": "chosen", "created_at": "1970-01-01"}
    answer = web.http.post("/api/users", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code == 201
    assert answer.json()["id"] != "chosen"
