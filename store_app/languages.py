"""Languages: the sources are in English; each other language has a file of translations (gettext).

Texts are translated where they are used, in the language of the page's address: `/de/cart` is the
cart in German, `/cart` the cart in English. docs/languages.md says how to add a language.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

ENGLISH = "en"
_FOLDER = Path(__file__).with_name("locale")
_language: ContextVar[str] = ContextVar("language", default=ENGLISH)


@lru_cache
def known() -> tuple[str, ...]:
    """Return English and the languages with a file of translations, as HTML names them: "en", "de", "pt-BR"."""
    return ENGLISH, *sorted(path.stem for path in _FOLDER.glob("*.po"))


def translation_file(language: str) -> Path:
    """Return the path of the file with the translations to a language."""
    return _FOLDER / f"{language}.po"


def current() -> str:
    """Return the language of the page, request or event that is being handled."""
    return _language.get()


def activate(language: str) -> None:
    """Use a language for the rest of this task, and in the threads and tasks that it starts."""
    _language.set(language)


@contextmanager
def override(language: str) -> Iterator[None]:
    """Use a language inside the block."""
    token = _language.set(language)
    try:
        yield
    finally:
        _language.reset(token)


def gettext(text: str, **values: object) -> str:
    """Return a text in the current language, with values in place of the names in braces."""
    # gettext returns the header of the file as the translation of an empty text.
    translated = _translations(_language.get()).gettext(text) if text else ""
    return translated.format(**values) if values else translated


def ngettext(one: str, many: str, number: int, **values: object) -> str:
    """Return the form of a text that goes with a number, in the current language, with it in place of {number}."""
    translated = _translations(_language.get()).ngettext(one, many, number)
    return translated.format(number=number, **values)


def marked(text: str) -> str:
    """Mark a constant for extraction, and return it; it is translated where it is used."""
    return text


def locale() -> Locale:
    """Return the locale of the current language, by which amounts and times are formatted."""
    return _locale(_language.get())


def name_of(language: str) -> str:
    """Return the name of a language in that language: "Deutsch"."""
    return str(_locale(language).get_language_name()).capitalize()


@lru_cache
def _locale(language: str) -> Locale:
    return Locale.parse("en-US" if language == ENGLISH else language, sep="-")


@lru_cache
def _translations(language: str) -> NullTranslations:
    if language == ENGLISH:
        return NullTranslations()
    with translation_file(language).open("rb") as file:
        messages = read_po(file, locale=_locale(language))
    compiled = BytesIO()
    write_mo(compiled, messages)
    compiled.seek(0)
    return GNUTranslations(compiled)
