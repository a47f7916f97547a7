"""Signatures: the provider's test vector is valid, and headers that differ slightly are not."""

import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store_app.payments.xsolla.notifications import is_signed

SECRET = "test_secret"
BODY = b'{"notification_type":"user_validation","user":{"id":"42"}}'
VECTOR = "398d8b29556060edcfae9bd8aa9bb9369861bd39"
GOOD = f"Signature {VECTOR}".encode()


def _signed(body: bytes, secret: str) -> bytes:
    return b"Signature " + hashlib.sha1(body + secret.encode()).hexdigest().encode()  # noqa: S324 - Xsolla's algorithm


def test_the_test_vector_of_the_providers_documents_is_signed() -> None:
    assert is_signed(BODY, GOOD, [SECRET])


@given(st.binary(max_size=300), st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable()))
def test_a_signature_is_valid_for_its_body_and_not_for_one_byte_more(body: bytes, secret: str) -> None:
    assert is_signed(body, _signed(body, secret), [secret])
    assert not is_signed(body + b" ", _signed(body, secret), [secret])


WRONG: dict[str, bytes | None] = {
    "missing": None,
    "empty": b"",
    "only the scheme": b"Signature ",
    "no scheme": VECTOR.encode(),
    "another scheme": f"Bearer {VECTOR}".encode(),
    "wrong": b"Signature " + b"0" * 40,
    "truncated": GOOD[:-1],
    "one digit more": GOOD + b"0",
    "twice": GOOD + b", " + GOOD,
    "twice without a comma": GOOD + GOOD,
    "upper case digits": b"Signature " + VECTOR.upper().encode(),
    "upper case scheme": f"SIGNATURE {VECTOR}".encode(),
    "two spaces": f"Signature  {VECTOR}".encode(),
    "a line break at the end": GOOD + b"\n",
    "not ASCII": b"Signature " + "é".encode() * 20,
    "other digits of Unicode": b"Signature " + "\u0663".encode() * 40,
    "bytes that are not text": b"Signature \xff\xfe" + b"0" * 38,
    "of another secret": _signed(BODY, "another"),
    "of the secret put first": b"Signature " + hashlib.sha1(SECRET.encode() + BODY).hexdigest().encode(),  # noqa: S324
    "of the body alone": b"Signature " + hashlib.sha1(BODY).hexdigest().encode(),  # noqa: S324
    "of re-encoded JSON": _signed(json.dumps(json.loads(BODY)).encode(), SECRET),
}


@pytest.mark.parametrize("header", WRONG.values(), ids=WRONG.keys())
def test_anything_but_the_signature_of_the_body_is_invalid(header: bytes | None) -> None:
    assert is_signed(BODY, header or b"", [SECRET]) is False


def test_during_a_rotation_the_old_and_the_new_secret_are_accepted() -> None:
    for secret in ("new", "old"):
        assert is_signed(BODY, _signed(BODY, secret), ["new", "old"])
    assert not is_signed(BODY, _signed(BODY, "older"), ["new", "old"])


def test_without_secrets_no_signature_is_signed() -> None:
    assert not is_signed(BODY, _signed(BODY, ""), [])


def test_signatures_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # The result is the same as with ==; only the time differs, which an attacker can measure.
    compared: list[bytes] = []

    def compare(given: bytes, expected: bytes) -> bool:
        compared.append(expected)
        return given == expected

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert is_signed(BODY, GOOD, ["new", SECRET])
    assert compared[1:] == [VECTOR.encode()]


@given(st.binary(max_size=80))
def test_no_header_raises_an_exception(header: bytes) -> None:
    assert is_signed(BODY, header, [SECRET]) is (header == GOOD)
