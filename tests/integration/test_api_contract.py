"""What all routes have in common: OpenAPI, problem documents, health, and a constant number of queries."""

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.openapi.models import OpenAPI
from sqlalchemy import event

from store_app.accounts import service as accounts
from store_app.web.http.problems import add_problem_handlers
from store_app.web.library import api as library_api
from tests.integration.shop import Shop
from tests.integration.web import Json, Web, problem

ROUTES = {
    ("get", "/api/items"),
    ("get", "/api/items/{sku}"),
    ("get", "/api/purchases"),
    ("post", "/api/purchases"),
    ("get", "/api/orders/{order_id}"),
    ("post", "/api/orders/{order_id}/cancel"),
    ("post", "/api/users"),
    ("delete", "/api/users/{user_id}"),
    ("post", "/api/sessions"),
    ("delete", "/api/sessions"),
    ("delete", "/api/sessions/current"),
    ("post", "/api/webhooks/payment"),
    ("get", "/livez"),
    ("get", "/health"),
    ("get", "/metrics"),
}


@pytest.fixture
def document(web: Web) -> Json:
    answer = web.http.get("/openapi.json")
    assert answer.status_code == 200
    body: Json = answer.json()
    return body


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for inner in part.values():
            yield from _references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _references(inner)


def test_the_document_is_valid_openapi_and_its_references_resolve(document: Json) -> None:
    OpenAPI.model_validate(document)
    assert document["openapi"].startswith("3.1")
    for reference in _references(document):
        part = document
        for name in reference.removeprefix("#/").split("/"):
            part = part[name]
    names = [operation["operationId"] for _, _, operation in _operations(document)]
    assert len(names) == len(set(names))


def test_every_route_of_the_contract_is_documented_with_a_summary(document: Json) -> None:
    operations = list(_operations(document))
    assert {(method, path) for method, path, _ in operations} >= ROUTES
    for method, path, operation in operations:
        assert operation["summary"], (method, path)
        assert operation["description"], (method, path)
        assert operation["tags"], (method, path)
        assert operation["summary"][0].isupper()


def test_every_parameter_that_needs_a_description_has_one(document: Json) -> None:
    for method, path, operation in _operations(document):
        for parameter in operation.get("parameters", []):
            plain = parameter["in"] == "path" or parameter["name"] == "kind"
            assert plain or parameter.get("description"), (method, path, parameter["name"])


def test_errors_are_documented_as_problem_documents(document: Json) -> None:
    for method, path, operation in _operations(document):
        if not path.startswith("/api/") or "webhooks" in path:
            continue
        for status, answer in operation["responses"].items():
            if status >= "400" and "HTTPValidationError" not in str(answer):
                assert list(answer["content"]) == ["application/problem+json"], (method, path, status)
        problems = {status for status in operation["responses"] if status >= "400"}
        assert problems, (method, path)


def test_the_document_describes_422_as_a_problem_document(document: Json) -> None:
    assert "HTTPValidationError" not in str(document["paths"])


@pytest.mark.parametrize("path", ["/livez", "/metrics"])
def test_plain_text_is_documented_as_plain_text(web: Web, document: Json, path: str) -> None:
    assert list(document["paths"][path]["get"]["responses"]["200"]["content"]) == ["text/plain"]
    assert web.http.get(path).headers["content-type"].startswith("text/plain")


def test_the_documentation_page_uses_files_of_the_store_only(web: Web) -> None:
    page = web.http.get("/docs").text
    assert "swagger" in page.lower()
    files = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(files) >= 2
    assert [web.http.get(file).status_code for file in files if file.startswith("/docs/")] == [200, 200]
    assert [file for file in files if not re.match("/[a-z]", file)] == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/no-such-route", 404),
        ("POST", "/api/items", 405),
        ("PATCH", "/api/purchases", 405),
        ("GET", "/api/users", 405),
        ("GET", "/api/orders", 404),
        ("PUT", "/api/orders/5f0c", 405),
        ("TRACE", "/api/items", 405),
        ("BREW", "/api/items", 405),
        ("BREW", "/api/no-such-route", 404),
        ("GET", "/api", 404),
    ],
)
def test_unknown_routes_and_methods(web: Web, method: str, path: str, status: int) -> None:
    problem(web.http.request(method, path), status)


def test_requests_of_other_sites_are_refused(web: Web) -> None:
    for path in ("/api/items", "/api/purchases", "/openapi.json"):
        answer = web.http.get(path, headers={"Origin": "https://evil.example"})
        problem(answer, 403, "foreign-origin")
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["/api/users", "/api/sessions", "/auth/login"])
def test_a_body_of_many_megabytes_is_not_read(web: Web, path: str) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(400):
            sent += 128 * 1024
            yield b"x" * (128 * 1024)

    headers = {"Content-Type": "application/x-www-form-urlencoded" if "auth" in path else "application/json"}
    try:
        answer = web.http.post(path, content=chunks(), headers=headers)
    except httpx.HTTPError:
        # The store may answer and close the connection while the test still sends.
        assert sent > 1024 * 1024
    else:
        assert answer.status_code == 413
    problem(web.http.post(path, content=b"x" * (1024 * 1024 + 1), headers=headers), 413)


@pytest.mark.parametrize("path", ["/api/users", "/api/sessions", "/api/purchases"])
def test_a_body_that_is_not_utf_8_is_refused_as_documented(web: Web, document: Json, path: str) -> None:
    headers = {**web.user().headers, "Content-Type": "application/json"}
    problem(web.http.post(path, content=b"\xff\xfe\x00", headers=headers), 400)
    assert {"400", "413"} <= set(document["paths"][path]["post"]["responses"])


def test_health_and_metrics(web: Web) -> None:
    assert web.http.get("/livez").status_code == 200
    ready = web.http.get("/health")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "problems": []})
    metrics = web.http.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert "process_" in metrics.text


def test_a_store_whose_migrations_are_behind_is_not_ready(web: Web) -> None:
    ((head,),) = web.rows("SELECT version_num FROM alembic_version")
    web.change("UPDATE alembic_version SET version_num = 'older'")
    try:
        answer = web.http.get("/health")
        assert web.http.get("/livez").status_code == 200
    finally:
        web.change("UPDATE alembic_version SET version_num = :head", head=head)
    assert answer.status_code == 503
    assert "older" in answer.json()["problems"][0]
    assert web.http.get("/health").status_code == 200


def test_responses_are_not_cached_and_not_sniffed(web: Web) -> None:
    answer = web.user().get("/api/purchases")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("store", ["small"], indirect=True)  # one worker, which handles all requests in turn
@pytest.mark.parametrize(
    "path",
    ["/api/webhooks/payment", "/api/webhooks/xsolla", "/api/users", "/api/sessions", "/auth/login"],
)
@pytest.mark.parametrize("length", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_a_client_that_disconnects_in_its_body_leaves_no_traceback(web: Web, path: str, length: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{length}\r\n\r\n"
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", web.store.port)) as client:
            client.sendall(f"{head}a\r\n0123456789".encode())
        # This request comes later, so that the one before has been handled when it is answered.
        assert web.deliver(b"{}").status_code == 400
    assert "Traceback" not in web.log()


@pytest.mark.parametrize("store", ["small"], indirect=True)
def test_http_2_without_tls_is_not_answered(web: Web) -> None:
    with socket.create_connection(("127.0.0.1", web.store.port), timeout=10) as client:
        # The preface of HTTP/2 with prior knowledge, and an empty SETTINGS frame (RFC 9113, 3.4).
        client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        answer = client.recv(65_536)
    # Of HTTP/2 the server's first frame would be its SETTINGS.
    assert answer[3:4] != b"\x04"
    assert answer.startswith(b"HTTP/1.1 400") or not answer


@pytest.mark.slow
@pytest.mark.parametrize("store", ["small"], indirect=True)
def test_a_body_that_takes_too_long_is_refused_in_the_format_of_the_route(web: Web) -> None:
    paths = ["/api/users", "/api/sessions", "/auth/login", "/api/webhooks/payment", "/api/webhooks/xsolla"]
    with ExitStack() as stack:
        clients = {path: stack.enter_context(_slow_client(web, path)) for path in paths}
        answers = {path: client.recv(65_536).decode() for path, client in clients.items()}
    for path in paths[:3]:
        assert answers[path].startswith("HTTP/1.1 408"), path
        assert "application/problem+json" in answers[path]
    for path in paths[3:]:
        assert answers[path].startswith("HTTP/1.1 503"), path
        assert "TEMPORARY_FAULT" in answers[path]
    assert "Traceback" not in web.log()


def _slow_client(web: Web, path: str) -> socket.socket:
    """Send the head of a request and a byte of its body."""
    kind = "application/x-www-form-urlencoded" if path.startswith("/auth/") else "application/json"
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: 9\r\n\r\n{{"
    client = socket.create_connection(("127.0.0.1", web.store.port), timeout=20)
    client.sendall(head.encode())
    return client


@pytest.mark.parametrize("origin", ["", "its own"])
def test_each_name_in_vary_is_sent_once(web: Web, origin: str) -> None:
    answer = web.http.get("/api/items", headers={"Origin": web.store.url} if origin else {})
    assert answer.headers.get_list("vary", split_commas=True) == ["Origin"]


# --- the number of queries


def _count_queries(shop: Shop, token: str) -> tuple[int, int]:
    app = FastAPI()
    app.include_router(library_api.router)
    add_problem_handlers(app)
    statements: list[str] = []

    def note(_c: object, _u: object, statement: str, *_: object) -> None:
        statements.append(statement)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.get("/api/purchases?limit=100", headers={"Authorization": f"Bearer {token}"})

    event.listen(shop.engine, "before_cursor_execute", note)
    answer = asyncio.run(ask())
    event.remove(shop.engine, "before_cursor_execute", note)
    assert answer.status_code == 200, answer.text
    return len(answer.json()), len([statement for statement in statements if not statement.startswith("BEGIN")])


def test_a_hundred_purchases_take_as_many_queries_as_one(shop: Shop) -> None:
    user, potion = shop.user(), shop.item(consumable=True)
    token = accounts.open_session(user.user_id).token
    shop.paid_order(user, potion)
    one = _count_queries(shop, token)
    for _ in range(99):
        shop.paid_order(user, potion)
    hundred = _count_queries(shop, token)
    assert (one[0], hundred[0]) == (1, 100)
    assert one[1] == hundred[1] <= 3
