"""Translations: none is missing or marked as fuzzy, and no page has a text that is not translated."""

import ast
import re
from collections.abc import Iterator
from gettext import NullTranslations
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog, Message
from pydantic import ValidationError

from scripts import words
from store_app import languages, money, routes
from store_app.errors import NotSignedIn, TooManyTries
from store_app.languages import gettext, ngettext, override
from store_app.settings import Settings
from store_app.web.http.language import pattern_of, preferred
from store_app.web.pages import PAGES
from store_app.web.ui.words import notice_of, words_of

TRANSLATED = [language for language in languages.known() if language != languages.ENGLISH]
SOURCES = words.extracted()
# The same in each language.
NAMES = {
    "Digital Game Store",
    " - Digital Game Store",
    "---- - Digital Game Store",
    *map(languages.name_of, languages.known()),
}


def _ids(messages: Catalog) -> set[str]:
    return {message.id if isinstance(message.id, str) else message.id[0] for message in messages if message.id}


def _translations(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ())


def _placeholders(text: str) -> set[str]:
    return {name for _text, name, _spec, _conversion in Formatter().parse(text) if name}


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_file_of_translations_has_exactly_the_texts_of_the_sources(language: str) -> None:
    found, wanted = _ids(words.read(language)), _ids(SOURCES)
    assert found == wanted, f"run `make words`: missing {wanted - found}, gone {found - wanted}"


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_has_a_translation_with_the_same_placeholders(language: str) -> None:
    for message in words.read(language):
        if not message.id:
            continue
        assert not message.fuzzy, message.id
        sources = (message.id,) if isinstance(message.id, str) else message.id
        for translation in _translations(message):
            assert translation.strip(), message.id
            assert _placeholders(translation) == _placeholders(sources[-1]), message.id
            assert translation[-1] == sources[0][-1] or translation[-1] not in ".!?", message.id


def _literals(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in words.KEYWORDS:
            first = node.args[0]
            if isinstance(first, ast.Constant):
                yield str(first.value)


def test_no_text_is_hidden_from_the_extraction() -> None:
    # Babel does not look into f-strings.
    for path in Path("store_app").rglob("*.py"):
        hidden = set(_literals(ast.parse(path.read_text(encoding="utf-8")))) - _ids(SOURCES)
        assert not hidden, f"{path}: take {hidden} out of its f-string"


class _WithoutLetters(NullTranslations):
    """Translates every letter to a dash, and keeps what is in braces."""

    def gettext(self, message: str) -> str:
        return re.sub(r"(\{\w+\})|[A-Za-z]", lambda found: found[1] or "-", message)

    def ngettext(self, msgid1: str, _msgid2: str, _n: int) -> str:
        return self.gettext(msgid1)


def test_every_text_of_every_page_is_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(languages, "_translations", lambda _language: _WithoutLetters())
    for page in PAGES:
        literals = set(re.findall(r'"((?:[^"\\]|\\.)*)"', f"{page.component()} {page.full_title}")) - NAMES
        # Names of classes and variables have no capital letters and no punctuation.
        found = {text for text in literals if re.search(r"^(?![/-]).*(\b[A-Z][a-z]+|[a-z][.,:?!](\s|$))", text)}
        assert not found, f"{page.route}: {found}"


def test_texts_amounts_and_plurals_are_in_the_current_language() -> None:
    assert str(NotSignedIn()) == "Sign in first."
    with override("de"):
        assert str(NotSignedIn()) == "Melde dich zuerst an."
        assert str(TooManyTries(60)).endswith("in 1 Minute noch einmal.")
        assert str(TooManyTries(300)).endswith("in 5 Minuten noch einmal.")
        assert money.display(123456, "USD") == "1.234,56\u00a0$"
        assert words_of("paid").chip == "Bezahlt"
        assert words_of("partially_refunded", refunded="5,00 $").heading == "5,00 $ erstattet"
        assert words_of("partially_refunded").heading == "Ein Teil wurde erstattet"
        assert notice_of("purchase_success", ["A", "B"]) == "A und B sind jetzt in deiner Bibliothek."
    assert money.display(123456, "USD") == "$1,234.56"


def test_notices_count_what_was_bought() -> None:
    assert notice_of("purchase_success", ["A"]) == "A was added to your library."
    assert notice_of("purchase_success", ["A", "B"]) == "A and B were added to your library."
    assert notice_of("purchase_success", ["A", "B", "C"]) == "A and 2 more were added to your library."
    assert notice_of("nothing_of_ours", []) == ""


def test_an_empty_text_and_an_unknown_one_stay_as_they_are() -> None:
    with override("de"):
        assert gettext("") == ""
        assert ngettext("unknown", "unknowns", 2) == "unknowns"


def test_a_name_with_braces_stays_as_it_is() -> None:
    assert gettext("{name} is no longer sold.", name="{0.__class__}") == "{0.__class__} is no longer sold."


@pytest.mark.parametrize(
    ("path", "german"),
    [("/", "/de"), ("/?q=x", "/de?q=x"), ("/cart", "/de/cart"), ("/item/a%20b", "/de/item/a%20b")],
)
def test_an_address_has_its_language_as_prefix_except_in_english(path: str, german: str) -> None:
    assert routes.in_language(path, "de") == german
    assert routes.in_language(path, "en") == path
    path_of_german, plain_path = german.partition("?")[0], path.partition("?")[0]
    assert routes.split(path_of_german) == ("de", plain_path)
    assert routes.split(plain_path) == ("en", plain_path)


@pytest.mark.parametrize("path", ["/deer", "/en/cart", "/item/de", "/DE", "//de"])
def test_other_addresses_name_no_language(path: str) -> None:
    assert routes.split(path) == ("en", path)


def test_two_slashes_are_no_address_of_a_page() -> None:
    # A browser that is led to "//" takes what follows for another host.
    pages = pattern_of([routes.STORE, routes.CART, routes.ITEM])
    assert all(pages.fullmatch(path) for path in ("/", "/cart", "/cart/", "/item/x", "/item/x/"))
    assert not any(pages.fullmatch(path) for path in ("//", "//cart", "/cart//", "/item/", "/item/x/y"))


@pytest.mark.parametrize(
    ("accept_language", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en-US,en;q=0.9,de;q=0.8", "en"),
        ("fr, de;q=0.5, en;q=0.7", "en"),
        ("fr", "en"),
        ("de;q=0, en;q=0.1", "en"),
        ("de;q=nonsense", "en"),
        ("DE", "de"),
        ("De-at, EN-US;q=0.5", "de"),
        ("EN-us", "en"),
        ("en ; q=0.1, de; Q=0.9", "de"),
        ("*", "en"),
        ("fr," * 10_000 + "de", "en"),
        ("\x00,,;;q=,=", "en"),
    ],
)
def test_the_language_is_the_offered_one_that_the_browser_prefers(accept_language: str, language: str) -> None:
    assert preferred(accept_language, ("en", "de")) == language


@pytest.mark.parametrize("wish", ["pt-BR", "pt-br", "PT-BR,en;q=0.5"])
def test_a_language_is_named_as_its_catalogue(wish: str) -> None:
    assert preferred(wish, ("en", "pt-BR")) == "pt-BR"


@pytest.mark.parametrize("text", ["", "fr", "en,fr", "de en"])
def test_the_setting_refuses_languages_without_translations(text: str) -> None:
    with pytest.raises(ValidationError, match="the store has only en, de"):
        Settings(languages=text)


def test_the_first_language_of_the_setting_is_that_of_everybody_else() -> None:
    assert Settings(languages=" de, en,de").offered_languages == ("de", "en")
