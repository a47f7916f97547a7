"""Which user names could pass for somebody else's, or be taken for a formula by a spreadsheet."""

import unicodedata

from confusable_homoglyphs.confusables import confusables_data

# Compared by their skeletons, so "Аdm1n" is one of them too.
_RESERVED = (
    *("admin", "administrator", "moderator", "mod", "staff", "support", "help desk", "official", "system", "root"),
    *("security", "store", "digital game store", "xsolla", "closed account", "deleted account", "anonymous"),
)
_FORMULA_STARTS = ("=", "+", "-", "@")
# Alphabets whose letters look alike.
_LOOK_ALIKE_SCRIPTS = {"LATIN", "CYRILLIC", "GREEK"}
# What confusables leave apart, or make of each other in turn.
_SAME = str.maketrans({"i": "l", "1": "l", "|": "l", "0": "o"})
MAX_SKELETON_LENGTH = 128


def is_misleading(name: str) -> bool:
    """Whether a normalized name mixes alphabets, is a reserved word, or begins as a formula does."""
    return name.startswith(_FORMULA_STARTS) or _mixes_scripts(name) or _plain(skeleton(name)) in _RESERVED_WORDS


def skeleton(name: str) -> str:
    """Return what normalized names that look alike have in common (after Unicode's UTS 39).

    Letters of all alphabets become the ASCII characters that they resemble; others are kept.
    """
    alike = "".join(_as_ascii(character) for character in " ".join(name.split()).casefold())
    return alike.casefold().translate(_SAME)[:MAX_SKELETON_LENGTH]


def _as_ascii(character: str) -> str:
    if character.isascii():
        return character
    alike = (other["c"] for other in confusables_data.get(character, ()))
    return next((other for other in alike if other.isascii()), character)


def _plain(text: str) -> str:
    """Return the letters and digits of a text, without accents."""
    return "".join(character for character in unicodedata.normalize("NFD", text) if character.isalnum())


def _mixes_scripts(name: str) -> bool:
    scripts = {unicodedata.name(character, "").partition(" ")[0] for character in name if character.isalpha()}
    return len(scripts & _LOOK_ALIKE_SCRIPTS) > 1


_RESERVED_WORDS = {_plain(skeleton(word)) for word in _RESERVED}
