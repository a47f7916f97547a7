"""Paths: whatever a request contains, a redirect never leaves this site."""

from urllib.parse import parse_qs, quote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store_app import languages, routes

SITE = "https://shop.example"


def _browser_goes_to(path: str) -> str:
    # As in the URL standard: browsers remove tabs and line breaks, trim control characters and spaces at the
    # ends, and read a backslash as a slash.
    seen = "".join(character for character in path if character not in "\t\r\n")
    seen = seen.strip("".join(chr(code) for code in range(0x21))).replace("\\", "/")
    return urlsplit(urljoin(f"{SITE}/login", seen)).netloc


@pytest.mark.parametrize(
    "path", ["/", "/cart", "/item/dragon-sword", "/orders/5f0c?a=b&c=d#e", "/item/a%2Fb", "/x:y"]
)
def test_paths_of_the_store_are_kept(path: str) -> None:
    assert routes.own_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "cart",
        "https://evil.example",
        "HTTPS://evil.example/",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " //evil.example",
        "javascript:alert(1)",
        "/\x00/evil.example",
        "/cart\r\nSet-Cookie: a=b",
        "/\u2028",
        "data:text/html,x",
        "http:evil.example",
        "?next=//evil.example",
        "//[",
        "//[evil.example",
    ],
)
def test_anything_else_is_replaced_by_the_store_page(path: str) -> None:
    assert routes.own_path(path) == routes.STORE


@pytest.mark.parametrize(
    ("path", "english"),
    [
        ("/cart", "/cart"),
        ("/de/cart", "/cart"),
        ("/de", "/"),
        ("/de?q=a%20b", "/?q=a%20b"),
        ("/de/orders/x?next=/de/cart", "/orders/x?next=/de/cart"),
        ("/de//evil.example", "/"),
        ("/de/\\evil.example", "/"),
        ("//evil.example", "/"),
        ("", "/"),
    ],
)
def test_a_path_is_kept_in_the_language_of_the_page(path: str, english: str) -> None:
    assert routes.own_path_here(path) == english
    with languages.override("de"):
        assert routes.own_path_here(path) == routes.in_language(english, "de")


@given(st.text(alphabet="/de\\?.evil", max_size=20).map("/de/".__add__) | st.text(max_size=30))
def test_no_language_leads_to_another_site(text: str) -> None:
    for language in languages.known():
        with languages.override(language):
            path = routes.own_path_here(text)
        assert path.startswith("/")
        assert _browser_goes_to(path) == "shop.example"


@given(st.text(alphabet="/\\ \t\n:.@?#%[]ehtpsvil\x00\u2028", max_size=20) | st.text(max_size=30))
def test_no_text_leads_to_another_site(text: str) -> None:
    try:
        path = routes.own_path(text)
    except ValueError:
        pytest.fail(f"raises for {text!r}")
    assert path.startswith("/")
    assert _browser_goes_to(path) == "shop.example"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_path_builders_quote_their_parts(part: str) -> None:
    for address in (routes.item(part), routes.order(part)):
        assert address.rpartition("/")[2] == quote(part, safe="")
        assert not urlsplit(address).query


def test_sign_in_returns_to_the_path_it_was_reached_from() -> None:
    query = parse_qs(urlsplit(routes.login("/item/a?b=c&d=e")).query)
    assert query == {"next": ["/item/a?b=c&d=e"]}
    assert parse_qs(urlsplit(routes.login("//evil.example")).query) == {"next": ["/"]}
