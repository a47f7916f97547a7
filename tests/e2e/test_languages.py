"""A German player's store: led there by the browser, bought in, live, and without a word of English scripts."""

import re
import secrets
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import BOTH_SHAPES
from tests.e2e.user import PASSWORD, User, click, notice, on_payment_page, settled, status
from tests.support.store import StoreProcess

pytestmark = pytest.mark.browser
GERMAN = {"Accept": "text/html", "Accept-Language": "de-DE,de;q=0.9,en;q=0.8"}


@pytest.fixture
def store(request: pytest.FixtureRequest) -> StoreProcess:
    """Return the small store, or the one that a test names."""
    found: StoreProcess = request.getfixturevalue(getattr(request, "param", "small_store"))
    return found


@pytest.fixture
def german(browser: Browser, store: StoreProcess) -> Iterator[User]:
    """Return a player whose browser asks for German."""
    user = User(store, browser.new_context(locale="de-DE"))
    yield user
    user.context.close()
    assert not user.errors


def _language(page: Page) -> str:
    return str(page.evaluate("document.documentElement.lang"))


def _get(store: StoreProcess, path: str, **headers: str) -> httpx.Response:
    return httpx.get(store.url + path, headers={**GERMAN, **headers}, trust_env=False)


@pytest.mark.parametrize("store", BOTH_SHAPES, indirect=True)
def test_a_german_player_buys_and_sees_it_live_in_german(
    german: User, store: StoreProcess, browser: Browser
) -> None:
    page = german.open("/item/starfall")
    assert page.url == f"{store.url}/de/item/starfall"
    assert _language(page) == "de"
    expect(page.get_by_test_id("price")).to_have_text("29,99\u00a0$")
    click(page, "Jetzt kaufen")
    expect(page.get_by_test_id("next")).to_contain_text("Starfall")
    click(page, "Konto erstellen", "link")
    expect(page).to_have_title("Konto erstellen - Digital Game Store")
    page.get_by_label("Benutzername").fill(german.name)
    page.get_by_label("Passwort").fill("kurz")
    click(page, "Konto erstellen")
    expect(page.get_by_test_id("form-problem")).to_contain_text("Gib ein Passwort mit 8 bis 128 Zeichen ein")
    page.get_by_label("Passwort").fill(PASSWORD)
    click(page, "Konto erstellen")
    on_payment_page(page)
    library = german.open("/library")
    english = User(store, browser.new_context(locale="en-US", storage_state=german.context.storage_state()))
    other = english.open("/library")
    page.bring_to_front()
    click(page, re.compile("^Pay"))
    expect(status(page)).to_contain_text("Jetzt in deiner Bibliothek")
    assert page.url.startswith(f"{store.url}/de/orders/")
    expect(page).to_have_title(re.compile("^Bezahlt - Bestellung "))
    expect(notice(library)).to_contain_text("Starfall ist jetzt in deiner Bibliothek.")
    expect(library.get_by_test_id("purchase")).to_contain_text("Bereit")
    # The same message, in a tab that shows the English page.
    expect(notice(other)).to_contain_text("Starfall was added to your library.")
    expect(other.get_by_test_id("purchase")).to_contain_text("Ready")
    assert other.url == f"{store.url}/library"
    english.context.close()


def test_the_choice_in_the_footer_keeps_the_page_and_is_remembered(german: User, store: StoreProcess) -> None:
    page = german.open("/?q=sword")
    assert page.url == f"{store.url}/de?q=sword"
    click(page, "English", "link")
    expect(page).to_have_url(f"{store.url}/?q=sword")
    settled(page)
    assert _language(page) == "en"
    german.open("/cart", page)
    assert page.url == f"{store.url}/cart"
    # The address names a language: it is shown, whatever was chosen.
    german.open("/de/cart", page)
    assert (page.url, _language(page)) == (f"{store.url}/de/cart", "de")
    expect(page.get_by_role("link", name="Deutsch")).to_have_attribute("aria-current", "true")
    # From a page that the router shows.
    page.get_by_role("navigation").get_by_role("link", name="Bibliothek").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Deine Bibliothek")
    settled(page)
    click(page, "English", "link")
    expect(page).to_have_url(f"{store.url}/library")


def test_a_choice_on_the_sign_in_page_is_kept_after_signing_in(german: User, store: StoreProcess) -> None:
    page = german.open("/de/register?next=%2Fde%2Fcart")
    click(page, "English", "link")
    expect(page.get_by_role("heading", level=1)).to_have_text("Create an account")
    settled(page)
    page.get_by_label("User name").fill(f"p-{secrets.token_hex(6)}")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    click(page, "Create account")
    expect(page).to_have_url(f"{store.url}/cart")


def test_every_link_and_form_of_a_german_page_stays_german(german: User) -> None:
    german.sign_up()
    for path in ("/de", "/de/item/starfall", "/de/cart", "/de/library", "/de/account", "/de/login"):
        page = german.open(path)
        links = page.eval_on_selector_all("a[href^='/']", "links => links.map(link => link.getAttribute('href'))")
        forms = page.eval_on_selector_all(
            "form[action]", "forms => forms.map(form => form.getAttribute('action'))"
        )
        own = [address for address in (*links, *forms) if not address.startswith("/language/")]
        assert own
        assert all(re.match(r"/de($|[/?])", address) for address in own), (path, own)
        page.close()


@pytest.mark.parametrize(
    ("path", "own", "foreign"),
    [
        ("/item/starfall", "Add to cart", "In den Warenkorb"),
        ("/de/item/starfall", "In den Warenkorb", "Add to cart"),
    ],
)
def test_a_visitor_loads_one_language_only(
    browser: Browser, store: StoreProcess, path: str, own: str, foreign: str
) -> None:
    context = browser.new_context(locale="en-US")
    page, scripts = context.new_page(), []
    page.on("response", lambda response: scripts.append(response.text()) if ".js" in response.url else None)
    page.goto(store.url + path)
    settled(page)
    page.wait_for_load_state("networkidle")
    context.close()
    assert any(own in script for script in scripts)
    assert not any(foreign in script for script in scripts)


def test_without_scripts_a_german_player_buys_in_german(browser: Browser, store: StoreProcess) -> None:
    context = browser.new_context(locale="de-DE", java_script_enabled=False)
    user = User(store, context).sign_up()
    page = context.new_page()
    page.goto(f"{store.url}/item/health-potion")
    assert page.url == f"{store.url}/de/item/health-potion"
    expect(page.get_by_test_id("price")).to_have_text("49,99\u00a0$")
    expect(page.get_by_text("Du bezahlst auf der Bezahlseite von Xsolla.")).to_be_visible()
    click(page, "Jetzt kaufen")
    on_payment_page(page)
    page.goto(f"{store.url}/account")
    order = user.order(health_potion=1)
    page.goto(f"{store.url}/de/orders/{order}")
    expect(page.get_by_role("heading", name="Schließe deine Zahlung ab")).to_be_visible()
    user.pays(order)
    click(page, "Noch einmal nachsehen", "link")
    expect(page.get_by_role("heading", name="Jetzt in deiner Bibliothek")).to_be_visible()
    assert page.get_attribute("html", "lang") == "de"
    context.close()


def test_the_head_of_a_page_names_it_in_each_language(store: StoreProcess) -> None:
    for path, canonical in (("/item/starfall", "/item/starfall"), ("/de/item/starfall", "/de/item/starfall")):
        text = _get(store, path, **{"Accept-Language": "en"}).text
        assert f'<link rel="canonical" href="{store.url}{canonical}"/>' in text
        for language, address in (("en", ""), ("de", "/de"), ("x-default", "")):
            assert f'hreflang="{language}" href="{store.url}{address}/item/starfall"/>' in text
    assert "Spiele und In-Game-Items" in _get(store, "/de").text


def test_what_does_not_exist_is_said_in_german(german: User, store: StoreProcess) -> None:
    for path in ("/de/nowhere", "/de/item/nothing", "/de/api/items", "/de/webhook"):
        answer = _get(store, path)
        assert answer.status_code == 404
        assert '<html lang="de"' in answer.text
    german.errors.clear()
    page = german.open("/de/nowhere")
    expect(page.locator("h1")).to_have_text("Seite nicht gefunden")
    # The browser itself reports the status.
    german.errors.clear()


@pytest.mark.parametrize("page", ["", "/cart", "/login", "/item/dragon-sword"])
def test_a_slash_at_the_end_changes_no_language(store: StoreProcess, page: str) -> None:
    answer, with_slash = _get(store, f"/de{page}"), _get(store, f"/de{page}/")
    assert (with_slash.status_code, with_slash.text) == (200, answer.text)
    assert '<html lang="de"' in answer.text


def test_the_api_answers_in_the_language_that_is_asked_for(store: StoreProcess) -> None:
    answer = _get(store, "/api/items/nothing", Accept="application/json")
    assert answer.json()["title"] == "Nicht gefunden"
    assert answer.json()["detail"] == "Diesen Artikel gibt es nicht."
    assert answer.json()["code"] == "not-found"
    answer = _get(store, "/api/items/nothing", **{"Accept-Language": "en"})
    assert answer.json()["detail"] == "There is no such item."
    for wish, title in (("DE", "Nicht gefunden"), ("EN-us", "Not Found")):
        answer = _get(store, "/api/items/nothing", **{"Accept-Language": wish})
        assert (answer.status_code, answer.json()["title"]) == (404, title)


@pytest.mark.parametrize(
    ("path", "headers", "location"),
    [
        ("/", {}, "/de"),
        ("/?q=a%20b&tag=Gear", {}, "/de?q=a%20b&tag=Gear"),
        ("/orders/x?status=done", {}, "/de/orders/x?status=done"),
        ("/item/a%3Fb%25c%23d", {}, "/de/item/a%3Fb%25c%23d"),
        ("//", {}, ""),
        ("/cart", {"Accept-Language": "DE-at"}, "/de/cart"),
        ("/", {"Accept-Language": "EN"}, ""),
        ("/", {"Cookie": "language=en"}, ""),
        ("/", {"Cookie": "language=de", "Accept-Language": "en"}, "/de"),
        ("/", {"Cookie": "language=fr", "Accept-Language": "en"}, ""),
        ("/de", {"Cookie": "language=en", "Accept-Language": "en"}, ""),
        ("/", {"Accept": "*/*"}, ""),
        ("/sitemap.xml", {}, ""),
        ("/theme.css", {}, ""),
    ],
)
def test_only_pages_without_a_language_redirect(
    store: StoreProcess, path: str, headers: dict[str, str], location: str
) -> None:
    answer = _get(store, path, **headers)
    assert answer.headers.get("location", "") == location
    assert answer.status_code == (302 if location else answer.status_code)
    if location:
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("referer", "location"),
    [
        ("{store}/de/item/a%20b?x=1", "/item/a%20b?x=1"),
        ("{store}/cart", "/cart"),
        ("https://evil.example/cart", "/"),
        ("{store}//evil.example/", "/"),
        ("{store}/de//evil.example/", "/"),
        ("{store}/\\evil.example/", "/"),
        ("nonsense", "/"),
        ("http://[nonsense", "/"),
        ("", "/"),
    ],
)
def test_a_choice_leads_only_to_pages_of_the_store(store: StoreProcess, referer: str, location: str) -> None:
    answer = _get(store, "/language/en", Referer=referer.format(store=store.url))
    assert (answer.status_code, answer.headers["location"]) == (303, location)
    assert answer.headers["set-cookie"].startswith("language=en; HttpOnly; Max-Age=31536000; Path=/; SameSite=lax")
    for unknown in ("fr", "", "..%2Fde", "en/x"):
        assert _get(store, f"/language/{unknown}").status_code == 404


def test_a_store_offers_the_languages_of_its_setting(browser: Browser) -> None:
    with StoreProcess(simulator=True, env={"LANGUAGES": "de"}) as store:
        assert _get(store, "/cart", **{"Accept-Language": "en"}).headers["location"] == "/de/cart"
        assert "hreflang" not in _get(store, "/de").text
        assert f"<loc>{store.url}/de/item/starfall</loc>" in _get(store, "/sitemap.xml").text
        assert f"<loc>{store.url}/item/starfall</loc>" not in _get(store, "/sitemap.xml").text
        user = User(store, browser.new_context())
        page = user.open("/de")
        expect(page.get_by_role("link", name="English")).to_have_count(0)
        user.context.close()
