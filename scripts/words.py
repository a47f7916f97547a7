"""`make words`: bring the files of translations up to date with the texts of the sources."""

from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from store_app import languages

ROOT = Path(__file__).resolve().parent.parent
KEYWORDS = {"_": None, "marked": None, "ngettext": (1, 2)}
WIDTH = 110


def extracted() -> Catalog:
    """Return the texts of the sources, with the comments for translators ("Translators: ...") before them."""
    texts = Catalog(project="Digital Game Store", charset="utf-8")
    found = extract_from_dir(ROOT / "store_app", keywords=KEYWORDS, comment_tags=("Translators:",))
    for file, _line, message, comments, context in sorted(found):
        # Without line numbers, which would change at every edit.
        texts.add(message, locations=[(file, 0)], auto_comments=comments, context=context)
    return texts


def read(language: str) -> Catalog:
    """Return the translations to a language."""
    with languages.translation_file(language).open("rb") as file:
        return read_po(file, locale=language.replace("-", "_"))


def update(language: str, sources: Catalog) -> int:
    """Add new texts to a file of translations and remove those that are gone; return how many are untranslated."""
    translations = read(language)
    # Babel would write placeholders into these fields of the header.
    translations.msgid_bugs_address = translations.last_translator = translations.language_team = ""
    translations.update(sources, no_fuzzy_matching=True, update_creation_date=False)
    with languages.translation_file(language).open("wb") as file:
        write_po(file, translations, width=WIDTH, ignore_obsolete=True, include_lineno=False, sort_output=True)
    return sum(not message.string or not all(message.string) for message in translations if message.id)


def main() -> None:
    """Update all files of translations, and print how many texts of each are untranslated."""
    sources = extracted()
    for language in languages.known():
        if language != languages.ENGLISH:
            missing = update(language, sources)
            print(f"{languages.translation_file(language).relative_to(ROOT)}: {missing} without a translation")


if __name__ == "__main__":
    main()
