"""The headers of responses, and the requests that headers give away as another site's."""

import secrets
from collections.abc import Iterator

import httpx
import pytest

from tests.security.test_production import SAFE
from tests.security.users import SignedInUser
from tests.support.store import StoreProcess


def test_every_response_has_the_headers_that_restrict_it(anna: SignedInUser) -> None:
    for path in ("/", "/item/dragon-sword", "/api/items", "/api/nowhere", "/covers/dragon-sword.svg", "/livez"):
        headers = anna.request("GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]
        # Over plain http browsers ignore it, and it would be wrong for localhost.
        assert "strict-transport-security" not in headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("Sec-Fetch-Site", "cross-site")], 403),
        ([("Sec-Fetch-Site", "same-site")], 403),
        ([("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")], 403),
        ([("Sec-Fetch-Site", "same-origin")], 303),
        ([("Sec-Fetch-Site", "none")], 303),
        ([], 303),
    ],
)
def test_form_posts_of_other_sites_are_refused(
    store: StoreProcess, headers: list[tuple[str, str]], status: int
) -> None:
    form = {"username": f"u{secrets.token_hex(6)}", "password": "a long one, please"}
    assert httpx.post(f"{store.url}/auth/register", data=form, headers=headers).status_code == status


@pytest.mark.parametrize("language", ["", "/de"])
def test_no_answer_with_a_session_is_kept(store: StoreProcess, language: str) -> None:
    form = {"username": f"u{secrets.token_hex(6)}", "password": "a long one, please"}
    for path in ("register", "login", "logout"):
        answer = httpx.post(f"{store.url}{language}/auth/{path}", data=form)
        assert "session" in answer.headers["set-cookie"]
        assert answer.headers["cache-control"] == "no-store"


def test_two_origins_are_refused(store: StoreProcess) -> None:
    for origins in (
        (store.url, store.url),
        (store.url, "http://evil.example"),
        ("http://evil.example", store.url),
    ):
        headers = [("Origin", origin) for origin in origins]
        assert httpx.post(f"{store.url}/auth/login", data={}, headers=headers).status_code == 403


TOKEN = "tZ0vY3mDq8wLx2Kp"


@pytest.fixture(scope="module", params=["closed", "open"])
def production(request: pytest.FixtureRequest) -> Iterator[StoreProcess]:
    """Return a store in production, as it is by default, and with docs and metrics open."""
    opened = {"OPEN_DOCS": "true", "METRICS_TOKEN": TOKEN} if request.param == "open" else {}
    with StoreProcess(env=SAFE | opened, samples=False) as store:
        yield store


def _get(store: StoreProcess, path: str, **headers: str) -> httpx.Response:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.get(f"http://127.0.0.1:{store.port}{path}", headers={"Host": "shop.example", **given})


def test_production_asks_browsers_for_https_from_then_on(production: StoreProcess) -> None:
    assert _get(production, "/api/items").headers["strict-transport-security"] == "max-age=31536000"


def test_the_description_of_the_api_is_closed_in_production_unless_opened(production: StoreProcess) -> None:
    status = 200 if production.env["OPEN_DOCS"] == "true" else 404
    for path in ("/docs", "/openapi.json", "/docs/static/swagger-ui.css"):
        assert _get(production, path).status_code == status, path
    assert _get(production, "/redoc").status_code == 404


def test_metrics_are_for_this_machine_or_with_the_token(production: StoreProcess) -> None:
    has_token = bool(production.env["METRICS_TOKEN"])
    assert _get(production, "/metrics").status_code == 200
    for header in ("X_Forwarded_For", "Forwarded", "X_Real_IP", "Via"):
        assert _get(production, "/metrics", **{header: "127.0.0.1"}).status_code == 404
    wanted = 200 if has_token else 404
    behind_proxy = {"X_Forwarded_For": "203.0.113.7"}
    assert _get(production, "/metrics", Authorization=f"Bearer {TOKEN}", **behind_proxy).status_code == wanted
    for wrong in (f"Bearer {TOKEN}x", "Bearer", f"Basic {TOKEN}", "Bearer e"):
        assert _get(production, "/metrics", Authorization=wrong, **behind_proxy).status_code == 404
