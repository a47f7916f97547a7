"""Xsolla's signature: SHA-1 over the raw body followed by the secret (not an HMAC)."""

import hashlib
import hmac
import re
from collections.abc import Iterable

_HEADER = re.compile(rb"Signature ([0-9a-f]{40})")


def is_valid(body: bytes, header: bytes | None, secrets: Iterable[str]) -> bool:
    """Whether `Authorization: Signature <hex>` was made over these very bytes with one of the secrets.

    Compares bytes, in constant time: text with strange characters would raise.
    """
    match = _HEADER.fullmatch(header or b"")
    if match is None:
        return False
    expected = [hashlib.sha1(body + secret.encode()).hexdigest().encode() for secret in secrets]  # noqa: S324 - Xsolla's algorithm
    # All are compared, so that the time does not tell which secret is the right one.
    return sum(hmac.compare_digest(match[1], digest) for digest in expected) > 0
