"""Attacks over raw HTTP: requests that no browser sends, to a store without a proxy in front of it."""

import gzip
import json
import secrets
import socket
from contextlib import closing, suppress
from hashlib import sha1

import httpx
import pytest

from tests.security.users import PASSWORD, SignedInUser
from tests.support.store import StoreProcess

CRLF = "\r\n"


def _raw(store: StoreProcess, request: bytes) -> list[int]:
    """Send bytes on a connection of their own; return the statuses of all answers until it is closed."""
    with closing(socket.create_connection(("127.0.0.1", store.port), timeout=10)) as connection:
        received = b""
        # The store may hang up before all of it is sent.
        with suppress(OSError):
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        with suppress(OSError):
            while chunk := connection.recv(65_536):
                received += chunk
    return [int(part.split()[0]) for part in received.split(b"HTTP/1.1 ")[1:]]


def _lines(*lines: str, body: str = "") -> bytes:
    return (CRLF.join([*lines, "", ""]) + body).encode("latin-1")


SMUGGLED = "GET /api/purchases HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = ("POST /api/users HTTP/1.1", "Host: localhost", "Content-Type: application/json")


@pytest.mark.parametrize(
    "request_",
    [
        _lines(*POST, "Content-Length: 4", "Transfer-Encoding: chunked", body="0\r\n\r\n" + SMUGGLED),
        _lines(*POST, "Transfer-Encoding: chunked", "Content-Length: 4", body="0\r\n\r\n" + SMUGGLED),
        _lines(*POST, "Content-Length: 2", "Content-Length: 60", body="{}" + SMUGGLED),
        _lines(*POST, "Transfer-Encoding: chunked", "Transfer-Encoding: identity", body="0\r\n\r\n" + SMUGGLED),
        _lines(*POST, "Transfer-Encoding: xchunked", body="0\r\n\r\n" + SMUGGLED),
        _lines(*POST, "Transfer-Encoding: chunked", body="zz\r\n{}\r\n0\r\n\r\n" + SMUGGLED),
        _lines(*POST, "Transfer-Encoding: chunked", body="2;\x00\r\n{}\r\n0\r\n\r\n"),
        _lines(*POST, "Content-Length: +2", body="{}"),
        _lines(*POST, "Content-Length: 0x2", body="{}"),
        _lines(*POST, "Content-Length: -1", body="{}"),
        _lines(*POST, "Content-Length : 2", body="{}"),
        _lines("GET /livez HTTP/1.1", "Host: localhost", "X-Folded: a", " b: c"),
        _lines("GET /livez HTTP/1.1", "Host: localhost", "X-Null: a\x00b"),
        _lines("GET /livez\x00 HTTP/1.1", "Host: localhost"),
        _lines("GET  /livez  HTTP/1.1", "Host: localhost"),
        b"GET /livez\n\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=lambda request: repr(request[:40]),
)
def test_an_ambiguous_request_has_one_answer_at_most(store: StoreProcess, request_: bytes) -> None:
    statuses = _raw(store, request_)
    assert len(statuses) <= 1, statuses
    assert all(status < 500 for status in statuses)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (_lines("GET /livez HTTP/1.1", "Host: localhost", "X: " + "a" * 1_000_000), 431),
        (_lines("GET /livez HTTP/1.1", "Host: localhost", *(f"X-{n}: a" for n in range(5_000))), 431),
        (_lines(f"GET /{'a' * 200_000} HTTP/1.1", "Host: localhost"), 414),
    ],
    ids=["a long header", "many headers", "a long address"],
)
def test_heads_that_are_too_large_are_refused(store: StoreProcess, request_: bytes, status: int) -> None:
    assert _raw(store, request_) in ([status], [400], [])


@pytest.mark.parametrize(
    "path",
    [
        "/../.env",
        "/..%2f.env",
        "/%2e%2e/.env",
        "/assets/../../../../.env",
        "/assets/..%2f..%2f..%2f..%2fdata/store.db",
        "/assets/%2e%2e/%2e%2e/%2e%2e/rxconfig.py",
        "/docs/static/../../../../../etc/passwd",
        "/docs/static/..%5c..%5c/etc/passwd",
        "//etc/passwd",
        "/.env",
        "/.git/config",
        "/data/store.db",
        "/store.db",
        "/rxconfig.py",
        "/.web/package.json",
        "/_upload",
        "/backend/stateful_pages.json",
    ],
)
def test_no_file_besides_the_pages_is_served(store: StoreProcess, path: str) -> None:
    with closing(socket.create_connection(("127.0.0.1", store.port), timeout=10)) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    assert int(head.split()[1]) in {307, 400, 404, 405}, head[:200]
    for secret in (b"root:", b"SQLite format", b"XSOLLA_", b"[core]", b"import reflex"):
        assert secret not in body
    if b"location: " in head.lower():
        # Whoever follows it stays here.
        where = head.lower().partition(b"location: ")[2].split()[0]
        assert where.startswith((b"/", b"http://localhost/")), where


BODIES = {
    "a megabyte": b"x" * (1024 * 1024 + 1),
    "900 kB of brackets": b"[" * 900_000,
    "900 kB of objects": b'{"a":' * 150_000,
    "a huge number": b'{"username": ' + b"9" * 100_000 + b"}",
    "half a surrogate": b'{"username": "\\ud800", "password": "\\udfff"}',
    "compressed": gzip.compress(json.dumps({"username": "zipped", "password": PASSWORD}).encode()),
    "many keys": json.dumps({f"k{n}": n for n in range(50_000)}).encode(),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize("path", ["/api/users", "/api/sessions", "/api/purchases"])
def test_odd_json_is_refused(anna: SignedInUser, path: str, body: bytes) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip" if body[:2] == b"\x1f\x8b" else ""}
    answer = anna.request("POST", path, content=body, headers=headers)
    assert answer.status_code in {400, 401, 413, 422}, answer.text[:300]
    assert len(answer.content) < 2_000
    assert "Traceback" not in answer.text


def _parts(number: int) -> bytes:
    return b"".join(
        b'--x\r\nContent-Disposition: form-data; name="p%d"\r\n\r\n1\r\n' % part for part in range(number)
    )


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", "&".join(f"f{n}=1" for n in range(100_000)).encode()),
        ("application/x-www-form-urlencoded", b"username=%00%ff%fe&password=%ud800"),
        ("multipart/form-data; boundary=x", _parts(15_000) + b"--x--\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=\r\n\r\n"),
        ("multipart/form-data", b"nothing"),
        ("text/plain", b"username=a"),
    ],
    ids=["many fields", "odd text", "many parts", "a broken part", "no boundary", "another type"],
)
def test_odd_forms_are_refused(store: StoreProcess, kind: str, body: bytes) -> None:
    answer = httpx.post(f"{store.url}/auth/login", content=body, headers={"Content-Type": kind})
    assert answer.status_code in {303, 400, 413, 422}, answer.text[:300]
    assert "Traceback" not in answer.text
    assert "set-cookie" not in answer.headers


OWN_PATHS = ("/", "/library", "/item/dragon-sword")
FOREIGN = [
    *("//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example"),
    *("http:evil.example", "//evil.example/%2f..", "/%2f/evil.example", "/\t/evil.example", "/\n/evil.example"),
    *("javascript:alert(1)", "data:text/html,x", "/..//evil.example", "/.//evil.example", "/%5cevil.example"),
    *(
        "/\r\nSet-Cookie: a=b",
        "/%0d%0aSet-Cookie: a=b",
        "/login%00//evil.example",
        "@evil.example",
        "evil.example",
    ),
    *(".evil.example", "/\\/evil.example", "/;//evil.example", "//evil.example@localhost", "/\u2028/evil.example"),
    *("\u3002evil.example", "/\uff0fevil.example", "http://localhost@evil.example", " //evil.example"),
]


@pytest.mark.parametrize("wanted", FOREIGN, ids=ascii)
def test_signing_in_leads_to_an_own_page_whatever_is_asked(anna: SignedInUser, wanted: str) -> None:
    form = {"username": anna.name, "password": PASSWORD, "next": wanted}
    answer = httpx.post(f"{anna.store.url}/auth/login", data=form)
    assert answer.status_code == 303
    where = httpx.URL(f"{anna.store.url}/login").join(answer.headers["location"])
    assert (where.host, where.port) == ("localhost", anna.store.port), answer.headers["location"]
    assert not answer.headers["location"].startswith(("//", "/\\"))
    assert "a=b" not in answer.headers.get_list("set-cookie")


def test_other_methods_and_overrides_change_nothing(anna: SignedInUser) -> None:
    order_id = anna.order("magic-shield")
    for method in ("TRACE", "CONNECT", "PROPFIND", "PATCH", "FOO"):
        assert anna.request(method, f"/api/orders/{order_id}").status_code in {400, 404, 405, 501}, method
    headers = {"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "DELETE"}
    assert anna.request("POST", f"/api/users/{anna.user_id}?_method=DELETE", headers=headers).status_code == 405
    assert anna.request("GET", f"/api/orders/{order_id}").json()["status"] == "pending"


def test_links_lead_to_the_store_whatever_host_is_asked_for(anna: SignedInUser) -> None:
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    answer = anna.request("GET", "/api/items?limit=1", headers=evil)
    assert answer.headers["link"].startswith(f"<{anna.store.url}/api/items?")
    assert "evil.example" not in answer.text + str(answer.headers)


def _tricks(body: bytes, secret: str) -> dict[str, list[tuple[str, str]]]:
    right = sha1(body + secret.encode()).hexdigest()  # noqa: S324 - the provider's choice
    wrong = sha1(body + b"wrong").hexdigest()  # noqa: S324 - as above
    wide = right.translate({ord(digit): chr(0xFF10 + int(digit)) for digit in "0123456789"})
    given = {
        "nothing": [],
        "empty": [""],
        "only the scheme": ["Signature"],
        "no scheme": [right],
        "wrong": [f"Signature {wrong}"],
        "of an empty secret": [f"Signature {sha1(body).hexdigest()}"],  # noqa: S324 - as above
        "of the secret first": [f"Signature {sha1(secret.encode() + body).hexdigest()}"],  # noqa: S324 - as above
        "another scheme": [f"Bearer {right}"],
        "in capitals": [f"Signature {right.upper()}"],
        "cut": [f"Signature {right[:-1]}"],
        "longer": [f"Signature {right}0"],
        "twice in one": [f"Signature {right} {right}"],
        "right, then wrong": [f"Signature {right}", f"Signature {wrong}"],
        "wrong, then right": [f"Signature {wrong}", f"Signature {right}"],
        "wide digits": [f"Signature {wide}"],
        "with a null": [f"Signature {right}\x00"],
    }
    return {name: [("Authorization", value) for value in values] for name, values in given.items()}


NOTIFICATION = b'{"notification_type": "user_validation", "user": {"id": "nobody"}}'


@pytest.mark.parametrize("trick", list(_tricks(b"", "")))
def test_a_notification_is_believed_only_with_its_signature(store: StoreProcess, trick: str) -> None:
    headers = _tricks(NOTIFICATION, store.env["XSOLLA_WEBHOOK_SECRET"])[trick]
    raw = [(name.encode(), value.encode("utf-8")) for name, value in headers]
    try:
        answer = httpx.post(f"{store.url}/api/webhooks/payment", content=NOTIFICATION, headers=raw)
    except httpx.LocalProtocolError:
        # The client itself refuses to send it.
        assert trick == "with a null"
        return
    if trick == "in capitals" and answer.json()["error"]["code"] != "INVALID_SIGNATURE":
        pytest.fail("a signature in capitals was taken")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "INVALID_SIGNATURE"


def test_secrets_do_not_get_into_the_log(store: StoreProcess, anna: SignedInUser) -> None:
    begin = len(store.log())
    marker = secrets.token_hex(16)
    for headers in ({"Authorization": f"Bearer {marker}"}, {"Cookie": f"session={marker}"}, {"X-Secret": marker}):
        for path in (
            "/api/purchases",
            "/api/orders/x",
            f"/?token={marker}",
            "/auth/login",
            "/api/webhooks/payment",
        ):
            for method in ("GET", "POST"):
                httpx.request(method, store.url + path, headers=headers, content=f'{{"password": "{marker}"}}')
    anna.request("POST", "/api/sessions", json={"username": anna.name, "password": marker})
    log = store.log()[begin:]
    for secret in (marker, anna.token, store.env["XSOLLA_WEBHOOK_SECRET"], store.env["XSOLLA_API_KEY"], PASSWORD):
        assert secret not in log
