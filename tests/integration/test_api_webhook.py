"""POST /api/webhooks/payment on running stores: bytes, sizes, many requests at once."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from store_app.payments.registry import PROVIDERS
from tests.integration.shop import use_database
from tests.integration.web import Json, Web
from tests.support.invariants import check
from tests.support.store import StoreProcess
from tests.unit.test_signature import WRONG
from webhook.router import router

MAX_BODY_BYTES = 256 * 1024
# HTTP has no header with an empty value, with a line break, or with a space at its end.
SENDABLE = [name for name, header in WRONG.items() if header and header.strip() == header]


def _error(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["message"]


def _deliveries(web: Web) -> int:
    return int(web.rows("SELECT COUNT(*) FROM webhook_deliveries")[0][0])


def _validation(user_id: str, **more: object) -> Json:
    return {"notification_type": "user_validation", "user": {"id": user_id}, **more}


def test_user_validation_accepts_open_accounts_only(web: Web) -> None:
    user = web.user()
    answer = web.notify(_validation(user.id))
    assert (answer.status_code, answer.content) == (204, b"")
    _error(web.notify(_validation("test_xsolla_1")), 400, "INVALID_USER")
    user.delete(f"/api/users/{user.id}")
    _error(web.notify(_validation(user.id)), 400, "INVALID_USER")


@pytest.mark.parametrize("name", SENDABLE)
def test_a_wrong_signature_is_refused(web: Web, name: str) -> None:
    user = web.user()
    order = user.order("dragon-sword")
    body = json.dumps(user.paid(order)).encode()
    header = WRONG[name]
    headers = {"Authorization": header, "Content-Type": "application/json"}
    answer = web.http.post("/api/webhooks/payment", content=body, headers=headers)  # type: ignore[arg-type]
    _error(answer, 400, "INVALID_SIGNATURE")
    assert user.get(f"/api/orders/{order['order_id']}").json()["status"] == "pending"


def test_a_missing_and_a_duplicate_signature_are_refused(web: Web) -> None:
    body = json.dumps(_validation("x")).encode()
    _error(web.http.post("/api/webhooks/payment", content=body), 400, "INVALID_SIGNATURE")
    twice = [("Authorization", web.sign(body)), ("Authorization", web.sign(body))]
    _error(web.http.post("/api/webhooks/payment", content=body, headers=twice), 400, "INVALID_SIGNATURE")


def test_a_body_of_the_maximum_size_is_accepted_and_one_byte_more_is_not(web: Web) -> None:
    user = web.user()
    frame = json.dumps({**_validation(user.id), "fill": ""}).encode()
    body = frame[:-2] + b"x" * (MAX_BODY_BYTES - len(frame)) + frame[-2:]
    assert len(body) == MAX_BODY_BYTES
    assert web.deliver(body).status_code == 204
    before = _deliveries(web)
    _error(web.deliver(body[:-2] + b"x" + body[-2:]), 413, "INVALID_PARAMETER")
    # Also above the limit of the rest of the API.
    _error(web.deliver(b"x" * (1024 * 1024 + 1)), 413, "INVALID_PARAMETER")
    assert _deliveries(web) == before


def test_a_large_body_in_chunks_without_a_length_is_refused(web: Web) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(400):
            sent += 128 * 1024
            yield b"x" * (128 * 1024)

    headers = {"Authorization": "Signature " + "0" * 40}
    try:
        answer = web.http.post("/api/webhooks/payment", content=chunks(), headers=headers)
    except httpx.HTTPError:
        # The store may answer and close the connection while the client still sends.
        assert sent > MAX_BODY_BYTES
    else:
        assert answer.status_code == 413
    assert web.http.get("/livez").status_code == 200


def test_chunks_without_a_length_are_accepted(web: Web) -> None:
    user = web.user()
    body = json.dumps(_validation(user.id)).encode()
    headers = {"Authorization": web.sign(body)}
    answer = web.http.post("/api/webhooks/payment", content=iter([body[:7], body[7:]]), headers=headers)
    assert answer.status_code == 204


STRANGE = {
    "nothing": b"",
    "broken": b"{",
    "not an object": b"[]",
    "no type": b"{}",
    "a duplicate name": b'{"notification_type":"payment","notification_type":"order_paid"}',
    "deeply nested": b'{"notification_type":"order_paid","x":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "not UTF-8": b'{"notification_type":"\xff"}',
    "NUL": b'{"notification_type":"a\\u0000b"}',
    "a lone surrogate": b'{"notification_type":"\\ud800"}',
    "not a number": b'{"notification_type":"order_paid","order":{"amount":NaN}}',
    "endless digits": b'{"notification_type":"order_paid","order":{"id":' + b"9" * 10_000 + b"}}",
}


@pytest.mark.parametrize("body", STRANGE.values(), ids=STRANGE.keys())
def test_a_signed_body_that_is_no_notification_is_refused(web: Web, body: bytes) -> None:
    _error(web.deliver(body), 400, "INVALID_PARAMETER")


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "\n", "x" * 5_000, "' OR 1=1 --"], ids=ascii)
@pytest.mark.parametrize(
    "kind", ["order_paid", "payment", "refund", "order_canceled", "ps_declined", "user_validation", "x"]
)
def test_strange_text_in_any_field_is_kept_and_never_answered_5xx(web: Web, kind: str, text: str) -> None:
    part = {
        "id": text,
        "external_id": text,
        "currency": text,
        "amount": text,
        "order_id": text,
        "invoice_id": text,
    }
    names = ("order", "user", "transaction", "custom_parameters", "purchase", "billing")
    before = _deliveries(web)
    answer = web.notify({"notification_type": kind, **dict.fromkeys(names, part)})
    assert answer.status_code in {204, 400}
    assert _deliveries(web) == before + 1


def test_strange_headers_are_kept(web: Web) -> None:
    user = web.user()
    body = json.dumps(_validation(user.id)).encode()
    headers = {"Authorization": web.sign(body).encode(), "X-Strange": b"\xff\xfe\x80"}
    assert web.http.post("/api/webhooks/payment", content=body, headers=headers).status_code == 204  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods_are_refused(web: Web, method: str) -> None:
    assert web.http.request(method, "/api/webhooks/payment").status_code == 405


def test_fifty_equal_deliveries_at_the_same_time_make_one_purchase(web: Web) -> None:
    user = web.user()
    order = user.order("dragon-sword")
    settings = {"project_id": int(web.store.env["XSOLLA_PROJECT_ID"])}
    body = json.dumps({**user.paid(order), "settings": settings}).encode()
    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(lambda _: web.deliver(body), range(50)))
    assert [answer.status_code for answer in answers] == [204] * 50
    owned = user.get("/api/purchases").json()
    assert [(line["item"]["sku"], line["status"]) for line in owned] == [("dragon-sword", "granted")]
    kept = (
        "SELECT verdict, COUNT(*) FROM webhook_deliveries WHERE order_id = :id GROUP BY verdict ORDER BY verdict"
    )
    assert web.rows(kept, id=order["order_id"]) == [("done", 1), ("repeat", 49)]
    check(web.engine, [body])


def test_payment_and_refund_at_the_same_time_end_in_one_state(web: Web) -> None:
    user = web.user()
    order = user.order("dragon-sword")
    notifications = [user.paid(order), user.refunded(order)] * 10
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(web.notify, notifications))
    assert {answer.status_code for answer in answers} == {204}
    assert user.get(f"/api/orders/{order['order_id']}").json()["status"] == "refunded"
    assert [line["status"] for line in user.get("/api/purchases").json()] == ["refunded"]
    check(web.engine)


def test_a_delivery_for_a_provider_without_settings_gets_a_503(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROVIDERS, "acme", "tests.provider_contract.acme.provider")
    app = FastAPI()
    app.include_router(router)
    with use_database(f"sqlite:///{tmp_path / 'store.db'}"), TestClient(app) as client:
        response = client.post("/api/webhooks/acme", content=b"{}")
    assert response.status_code == 503
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("path", ["/api/webhooks/payment", "/api/webhooks/xsolla"])
def test_a_delivery_from_elsewhere_is_refused_and_not_kept(guarded: Web, path: str) -> None:
    before = _deliveries(guarded)
    body = json.dumps(_validation("nobody")).encode()
    headers = {"Authorization": guarded.sign(body), "X-Forwarded-For": "203.0.113.9"}
    refused = guarded.http.post(path, content=body, headers=headers)
    _error(refused, 403, "INVALID_PARAMETER")
    # Its body was not read: the next delivery must not come on this connection.
    assert refused.headers["Connection"] == "close"
    assert _deliveries(guarded) == before
    allowed = guarded.http.post(path, content=body, headers={**headers, "X-Forwarded-For": "192.0.2.9"})
    assert allowed.status_code == 400
    assert _deliveries(guarded) == before + 1


@pytest.fixture(scope="module")
def guarded() -> Iterator[Web]:
    """Return a client of a store that takes deliveries of one network, behind a proxy."""
    env = {"TRUSTED_PROXIES": "127.0.0.1,::1", "WEBHOOK_ALLOWED_NETWORKS": "192.0.2.0/24"}
    with StoreProcess(env=env, samples=False) as store, Web(store) as web:
        yield web
