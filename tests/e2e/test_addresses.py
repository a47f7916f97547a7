"""What the store answers at the addresses of its pages, without any script."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx
import pytest
from playwright.sync_api import expect

from tests.e2e.user import User
from tests.support.processes import ROOT
from tests.support.store import StoreProcess

BUILT = ROOT / ".web/build/client"
# Served at "/", at unknown addresses, and at addresses with parameters.
NOT_ADDRESSES = {"index.html", "404.html", "__spa-fallback.html"}


@pytest.mark.browser
def test_the_documentation_of_the_api_loads_nothing_from_other_hosts(user: User) -> None:
    page = user.context.new_page()
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(f"{user.store.url}/docs")
    expect(page.get_by_text("List items on sale")).to_be_visible()
    assert [url for url in requested if not url.startswith((user.store.url, "data:"))] == []


def _get(store: StoreProcess, path: str) -> httpx.Response:
    return httpx.get(store.url + path, trust_env=False, timeout=10)


def test_every_page_answers_at_its_own_address_without_a_redirect(store: StoreProcess) -> None:
    found = [path.relative_to(BUILT) for path in BUILT.rglob("*.html") if path.name not in NOT_ADDRESSES]
    # The pages of items are filled by the server.
    files = [path for path in found if "item" not in path.parts]
    assert files
    answers = {f"/{path.with_suffix('')}": _get(store, f"/{path.with_suffix('')}").status_code for path in files}
    assert set(answers.values()) == {200}, answers


@pytest.mark.parametrize("path", ["/", "/cart", "/theme.css"])
def test_each_name_in_vary_is_sent_once(store: StoreProcess, path: str) -> None:
    assert _get(store, path).headers.get_list("vary", split_commas=True) == ["Accept-Encoding", "Origin"]


@pytest.mark.parametrize("path", ["/item/no-such-item", "/item/no-such-item/", "/item/%00", "/no/such/page"])
def test_unknown_pages_and_items_answer_404_with_the_same_html(store: StoreProcess, path: str) -> None:
    response = _get(store, path)
    assert response.status_code == 404
    assert response.headers["content-type"].startswith("text/html")
    assert response.text == _get(store, "/no/other/page").text


def test_a_withdrawn_item_still_has_a_page(store: StoreProcess) -> None:
    with _withdrawn(store, "rune-bomb"):
        assert _get(store, "/item/rune-bomb").status_code == 200


@contextmanager
def _withdrawn(store: StoreProcess, sku: str) -> Iterator[None]:
    with closing(sqlite3.connect(store.data_dir / "store.db", isolation_level=None)) as database:
        database.execute("UPDATE items SET status = 'withdrawn' WHERE sku = ?", (sku,))
        yield
        database.execute("UPDATE items SET status = 'active' WHERE sku = ?", (sku,))


@pytest.mark.parametrize("path", ["/", "/item/dragon-sword", "/orders/0"])
def test_pages_with_parameters_answer(store: StoreProcess, path: str) -> None:
    assert _get(store, path).status_code == 200
