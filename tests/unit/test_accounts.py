"""User names and passwords: which are accepted, and which field a refusal names."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store_app.accounts import passwords
from store_app.accounts.service import (
    MAX_NAME_LENGTH,
    MIN_NAME_LENGTH,
    _checked_username,
    token_hash,
    username_key,
)
from store_app.accounts.usernames import MAX_SKELETON_LENGTH, skeleton
from store_app.errors import Invalid


@pytest.mark.parametrize("name", ["Kira", "a b", "李小龍", "Zoë", "o_O-x.1", "x" * MAX_NAME_LENGTH, "👾👾👾"])
def test_valid_names_are_accepted(name: str) -> None:
    assert _checked_username(name) == name


def test_spaces_around_a_name_are_removed() -> None:
    assert _checked_username("  Kira ") == "Kira"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "   ",
        " a ",
        "x" * (MAX_NAME_LENGTH + 1),
        "x" * 10_000,
        "ﷺ" * 32,
        "ki\x00ra",
        "ki\nra",
        "ki\x7fra",
        "ki\u200bra",
        "ki\u202era",
        "ki\ud800ra",
        "ki\ue000ra",
        "ki\u2028ra",
        "ki\u2029ra",
        # Names that imitate others, or are formulas.
        "Kir\u0430",  # the last letter is Cyrillic
        "\u039aira",  # the first letter is Greek
        "admin",
        "Admin",
        "adm1n",
        "a d m i n",
        "\u0430\u0501\u043c\u0456\u043f".replace("\u043c", "m"),
        "\u0405upport",
        "Supp0rt",
        "s\u00fapport",
        "MODERATOR",
        "Closed account",
        "c1osed-account",
        "=HYPERLINK(1)",
        "+1234",
        "-1234",
        "@SUM(1)",
        "\uff1d1+1",  # a wide sign, which is normalized to =
        " =1+1",
    ],
    ids=ascii,
)
def test_invalid_names_are_refused(name: str) -> None:
    with pytest.raises(Invalid) as refusal:
        _checked_username(name)
    assert refusal.value.field == "username"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Mar1na", "Marlna"),
        ("player1", "playerI"),
        ("player1", "PLAYERl"),
        ("b0b", "bob"),
        ("a  b", "a b"),
        ("\u0430\u0441\u0435", "ace"),  # all Cyrillic
    ],
    ids=ascii,
)
def test_names_that_look_alike_have_the_same_skeleton(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(
    ("one", "other"), [("Zoe", "Zoë"), ("김하나", "김하늘"), ("李小龍", "李小虎"), ("a-b", "ab"), ("anna", "anne")]
)
def test_names_that_differ_have_different_skeletons(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


@given(st.text(max_size=MAX_NAME_LENGTH * 2))
def test_a_skeleton_fits_its_column(name: str) -> None:
    assert len(skeleton(name)) <= MAX_SKELETON_LENGTH
    assert skeleton(name.swapcase()) == skeleton(name) or not name.isascii()


@pytest.mark.parametrize(
    "name", ["Admiral", "Кира", "Ελένη", "Владимир 7", "モデル abc", "a=b", "Supporter", "x-y+z@w"], ids=ascii
)
def test_names_of_one_alphabet_are_accepted(name: str) -> None:
    assert _checked_username(name) == name


@given(st.text(max_size=60))
def test_every_accepted_name_fits_its_columns_and_is_accepted_again_unchanged(name: str) -> None:
    try:
        accepted = _checked_username(name)
    except Invalid:
        return
    assert MIN_NAME_LENGTH <= len(accepted) <= MAX_NAME_LENGTH
    assert accepted.isprintable()
    assert _checked_username(accepted) == accepted
    key = username_key(accepted)
    assert 0 < len(key) <= 128
    assert username_key(key) == key


@pytest.mark.parametrize(
    ("one", "other"),
    [("Kira", "kIRA"), ("Kira", "Ｋｉｒａ"), ("straße", "STRASSE"), ("Zoë", "ZOE\u0308"), ("ΣΑΣ", "σας")],
)
def test_names_that_look_the_same_have_the_same_key(one: str, other: str) -> None:
    assert username_key(one) == username_key(other)


@pytest.mark.parametrize(
    "password", ["12345678", "Password1", "x" * 7, "x" * 129, "kira the great", "KIRA THE GREAT", ""]
)
def test_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(Invalid) as refusal:
        passwords.check_strength(password, "Kira the Great")
    assert refusal.value.field == "password"


@pytest.mark.parametrize(
    "password", ["correct horse", "x" * 8, "x" * 128, "пароль-пароль", "\x00\x01\x02\x03\x04\x05\x06\x07"]
)
def test_strong_passwords_are_accepted(password: str) -> None:
    passwords.check_strength(password, "Kira")


def test_hashes_use_argon2id_with_the_parameters_of_owasp_and_can_be_verified() -> None:
    async def scenario() -> None:
        hashed = await passwords.hash_password("correct horse")
        assert hashed.startswith("$argon2id$")
        assert "m=47104,t=1,p=1" in hashed
        assert await passwords.password_matches("correct horse", hashed)
        assert not await passwords.password_matches("correct horsf", hashed)
        assert not await passwords.password_matches("nobody has this password", None)
        assert not await passwords.password_matches("anything", "")
        assert not await passwords.password_matches("anything", "not a hash")
        assert not await passwords.password_matches("x" * 1_000_000, hashed)

    asyncio.run(scenario())


@given(st.text())
def test_any_token_has_a_hash(token: str) -> None:
    assert len(token_hash(token)) == 64
